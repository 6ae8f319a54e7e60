"""What says how answers are looked at, taken over by an experiment that is complete."""

import dataclasses
import json
from typing import Any

from overnight.config import Config
from overnight.domain.experiment import Experiment
from overnight.events import Handler, Said
from overnight.session import hold, metric_columns
from overnight.store.database import Database
from overnight.store.experiments import get_experiment, update_experiment

_LOOKING = ("keep", "split", "labels")


def take_over(
    database: Database, experiment: Experiment, config: Config, say: Handler
) -> Experiment:
    """The experiment, with `keep`, `split` and `labels` as the configuration has them now.

    None of them changes an answer: no call is made; the metrics that are stored are taken anew.
    Raises ExperimentOwned while another process works on it.
    """
    before: dict[str, Any] = dict(experiment.stored_config.get("data") or {})
    after = {name: value for name, value in before.items() if name not in _LOOKING}
    given = config.stored.get("data") or {}
    after |= {name: given[name] for name in _LOOKING if given.get(name) is not None}
    changed = [name for name in _LOOKING if before.get(name) != after.get(name)]
    if not changed:
        return experiment
    with hold(database, experiment):
        stored = {**get_experiment(database, experiment.experiment_key).stored_config}
        stored["data"] = after
        experiment = dataclasses.replace(experiment, stored_config=stored)
        columns = metric_columns(database, experiment, config.values.answer)
        columns["config_json"] = json.dumps(stored, ensure_ascii=False)
        with database.write() as connection:
            update_experiment(connection, experiment.experiment_key, columns)
    for name in changed:
        say(Said(f"changed: data.{name}: {before.get(name)!r} before, now {after.get(name)!r}"))
    return get_experiment(database, experiment.experiment_key)
