"""`resume`: go on with an experiment from what is stored of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overnight.commands.stint import RunResult, carry_out
from overnight.config.binding import (
    binding_digest,
    binding_fields,
    mapping_json,
    with_binding_of,
)
from overnight.config.load import Config, load_config, restore_config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import AlreadyCompleted, RefusedError, UnknownExperiment
from overnight.events import Handler, Said
from overnight.session import Opening
from overnight.stop import StopRequest, signals
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.experiments import find_experiment, list_experiments
from overnight.store.open import connected
from overnight.words import setting_text

RETRIED = ("api_error", "rate_limit", "parse_error", "unknown")  # unless others are named
_LONGEST_VALUE = 60  # characters of a differing value that are shown


@dataclass(frozen=True, slots=True)
class Changes:
    """How an experiment is to go on otherwise than before; None leaves a setting as it is."""

    config_file: Path | None = None  # its settings, except those that shape answers
    max_narratives: int | None = None  # a raised limit
    concurrency: int | None = None
    api_url: str | None = None
    use_stored_data: bool = False
    accept_model: bool = False
    retry_errors: bool = False
    backup: bool = True


AS_IT_WAS = Changes()


def resume(
    name: str | None = None,
    *,
    db: Path | str | None = None,
    changes: Changes = AS_IT_WAS,
    handler: Handler,
    stop: StopRequest | None = None,
) -> RunResult:
    """Go on with an experiment; without a name, the newest that is crashed, failed or cancelled.

    Raises AlreadyCompleted for a completed one, unless the limit is raised.
    """
    stop = stop or StopRequest()
    file = changes.config_file
    with signals(stop), connected(db, file, writes=handler) as database:
        experiment = find_experiment(database, name) if name else _newest(database)
        config = resumed_config(database, experiment, changes, handler)
        total = None
        if changes.max_narratives is not None:
            config, total = _grown(database, experiment, config, changes.max_narratives)
        elif experiment.status is Status.COMPLETED and not changes.retry_errors:
            raise AlreadyCompleted(
                experiment.experiment_id, experiment.name, repeats=experiment.repeat_of
            )
        opening = Opening(
            config,
            total=total,
            retry=RETRIED if changes.retry_errors else (),
            use_stored_data=changes.use_stored_data,
            accept_model=changes.accept_model,
            backup=changes.backup,
        )
        return carry_out(database, experiment, opening, handler=handler, stop=stop)


def _newest(database: Database) -> Experiment:
    """The newest experiment that waits for somebody to go on with it."""
    unfinished = list_experiments(database, ("running", "failed", "cancelled"))
    for experiment in unfinished:
        if not lock.is_held(database.path, experiment.experiment_key):
            return experiment
    if unfinished:
        short = unfinished[0].experiment_id[:8]
        raise UnknownExperiment(
            f"nothing to resume in {database.path}: what is unfinished is being worked on; to "
            f"watch it: overnight status {short}"
        )
    raise UnknownExperiment(f"no experiment in {database.path} is unfinished")


def resumed_config(
    database: Database, experiment: Experiment, changes: Changes, say: Handler
) -> Config:
    """The stored configuration, with what may change as it is asked for now.

    Warns about each setting of `changes.config_file` that shapes answers and differs. Relative
    paths are meant from the experiment file's folder; from the database's where that is gone.
    """
    stored: dict[str, Any] = dict(experiment.stored_config)
    home = database.path.resolve().parent
    file = Path(experiment.config_file) if experiment.config_file else None
    if changes.config_file is not None:
        given = load_config(changes.config_file)
        file = changes.config_file
        stored = with_binding_of(stored, given.stored)
        _warn_of_differences(_restored(stored, file, home), given, say)
    if changes.concurrency is not None:
        stored["run"] = {**(stored.get("run") or {}), "concurrency": changes.concurrency}
    if changes.api_url is not None:
        stored["model"] = {**stored["model"], "api_url": changes.api_url}
    config = _restored(stored, file, home)
    if binding_digest(config.values) != experiment.binding_sha256:
        raise RefusedError(
            f"{experiment.experiment_id[:8]} was started with other values of the environment's "
            "variables that its configuration uses; set them as they were"
        )
    return config


def _restored(stored: dict[str, Any], file: Path | None, home: Path) -> Config:
    """`home`: where the study is now, if the experiment file's folder has been moved."""
    base = file.resolve().parent if file else Path.cwd()
    config = restore_config(stored, base if base.exists() else home)
    return replace(config, file=file)


def _warn_of_differences(kept: Config, given: Config, say: Handler) -> None:
    """A line for each binding field in which the file differs from what the experiment keeps."""
    before, after = binding_fields(kept.values), binding_fields(given.values)
    before["data"], after["data"] = (mapping_json(c.values.data) for c in (kept, given))
    for name, value in before.items():
        if value == after[name]:
            continue
        told = f" = {setting_text(after[name])} (it keeps {setting_text(value)})"
        told = given.secrets.hide(kept.secrets.hide(told))
        shown = told if len(told) <= _LONGEST_VALUE else " (it keeps its own)"
        how = "; --max-narratives N raises it" if name == "run.max_narratives" else ""
        message = f"{given.file}: {name}{shown} is not used: it shapes answers{how}"
        say(Said(message, warning=True))


def _grown(
    database: Database, experiment: Experiment, config: Config, limit: int
) -> tuple[Config, int]:
    """The configuration with a raised limit, and how many narratives are covered then.

    Raises RefusedError where nothing would be gained.
    """
    usable = get_dataset(database, experiment.dataset_id).n_narratives
    total = min(limit, usable)
    short = experiment.experiment_id[:8]
    if experiment.repeat_of is not None:
        raise RefusedError(
            f"{short} repeats a sample of {experiment.n_total:,} narratives of "
            f"{experiment.repeat_of[:8]}, which stays as it is"
        )
    if total < experiment.n_total:
        raise RefusedError(
            f"the limit of {short} is {experiment.n_total:,} and can only be raised, not lowered "
            f"to {limit:,}"
        )
    if total == experiment.n_total and experiment.status is Status.COMPLETED:
        raise RefusedError(
            f"{short} is already completed with {total:,} of the {usable:,} usable narratives"
        )
    return config.changed("run", max_narratives=limit), total
