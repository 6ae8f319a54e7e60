"""What says how answers are looked at, or what they cost, taken over by a complete experiment."""

import dataclasses
import json
from typing import Any

from overnight.config.binding import changed_keys
from overnight.config.load import Config
from overnight.domain.experiment import Experiment
from overnight.events import Handler, Said
from overnight.session import NO_TEST_PART, hold, metric_columns
from overnight.store.database import Database
from overnight.store.experiments import get_experiment, update_experiment
from overnight.words import setting_text

_LOOKING = {"data": ("keep", "split", "labels"), "model": ("price",)}


def take_over(
    database: Database, experiment: Experiment, config: Config, say: Handler
) -> Experiment:
    """The experiment, with `keep`, `split`, `labels`, `price` as the configuration has them now.

    None of them changes an answer: no call is made; the metrics that are stored are taken anew.
    Raises ExperimentOwned while another process works on it.
    """
    changed = changed_keys(experiment.stored_config, _with_looking(experiment, config))
    if not changed:
        return experiment
    with hold(database, experiment):
        experiment = get_experiment(database, experiment.experiment_key)
        stored = _with_looking(experiment, config)
        experiment = dataclasses.replace(experiment, stored_config=stored)
        columns = metric_columns(database, experiment, config.values.answer)
        columns["config_json"] = json.dumps(stored, ensure_ascii=False)
        with database.write() as connection:
            update_experiment(connection, experiment.experiment_key, columns)
    which = f"repetition {experiment.repeat_no}: " if experiment.repeat_no else ""
    for name, (before, after) in changed.items():
        say(
            Said(
                f"{which}changed: {name}: {setting_text(before)} before, now {setting_text(after)}"
            )
        )
        if name == "data.split" and after is None and not which:
            say(NO_TEST_PART)
    return get_experiment(database, experiment.experiment_key)


def _with_looking(experiment: Experiment, config: Config) -> dict[str, Any]:
    """The stored configuration with what is looked at as `config` says."""
    stored: dict[str, Any] = dict(experiment.stored_config)
    for section, keys in _LOOKING.items():
        given, before = config.stored.get(section) or {}, stored.get(section) or {}
        stored[section] = {key: value for key, value in before.items() if key not in keys} | {
            key: given[key] for key in keys if given.get(key) is not None
        }
    return stored
