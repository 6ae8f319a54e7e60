"""`resume`: go on with an experiment from what is stored of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from overnight.app import connected
from overnight.commands.stint import RunResult, carry_out
from overnight.config import Config, restore_config
from overnight.config.binding import binding_digest
from overnight.domain.experiment import Experiment, Status
from overnight.errors import RefusedError, UnknownExperiment
from overnight.events import Handler
from overnight.session import Growth
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.experiments import find_experiment, list_experiments
from overnight.work import StopRequest, signals


def resume(
    name: str | None = None,
    *,
    db: Path | str | None = None,
    max_narratives: int | None = None,
    concurrency: int | None = None,
    api_url: str | None = None,
    handler: Handler,
    stop: StopRequest | None = None,
) -> RunResult:
    """Go on with an experiment; without a name, the newest that is not completed.

    Raises RefusedError for a completed one, unless `max_narratives` raises its limit.
    """
    stop = stop or StopRequest()
    with signals(stop), connected(db) as database:
        experiment = find_experiment(database, name) if name else _newest(database)
        config = _config(experiment, concurrency, api_url)
        growth = None
        if max_narratives is not None:
            growth = _growth(database, experiment, config, max_narratives)
        elif experiment.status is Status.COMPLETED:
            raise RefusedError(
                f"{experiment.experiment_id} ({experiment.name}) is already completed; nothing to "
                "resume. More narratives of its file: --max-narratives N"
            )
        return carry_out(database, experiment, config, handler=handler, stop=stop, growth=growth)


def _newest(database: Database) -> Experiment:
    unfinished = ("running", "failed", "cancelled")
    found = list_experiments(database, unfinished, limit=1)
    if not found:
        raise UnknownExperiment(f"no experiment in {database.path} is unfinished")
    return found[0]


def _config(experiment: Experiment, concurrency: int | None, api_url: str | None) -> Config:
    """The stored configuration; only what does not shape answers may be changed."""
    stored: dict[str, Any] = dict(experiment.stored_config)
    if concurrency is not None:
        stored["run"] = {**(stored.get("run") or {}), "concurrency": concurrency}
    if api_url is not None:
        stored["model"] = {**stored["model"], "api_url": api_url}
    file = Path(experiment.config_file) if experiment.config_file else None
    config = restore_config(stored, file.parent if file else Path.cwd())
    if binding_digest(config.values) != experiment.binding_sha256:
        raise RefusedError(
            f"{experiment.experiment_id[:8]} was started with other values of the environment's "
            "variables that its configuration uses; set them as they were"
        )
    return replace(config, file=file)


def _growth(database: Database, experiment: Experiment, config: Config, limit: int) -> Growth:
    """The raised limit; raises RefusedError where nothing would be gained."""
    usable = get_dataset(database, experiment.dataset_id).n_narratives
    total = min(limit, usable)
    short = experiment.experiment_id[:8]
    if total < experiment.n_total:
        raise RefusedError(
            f"the limit of {short} is {experiment.n_total:,} and can only be raised, not lowered "
            f"to {limit:,}"
        )
    if total == experiment.n_total and experiment.status is Status.COMPLETED:
        raise RefusedError(
            f"{short} is already completed with {total:,} of the {usable:,} usable narratives"
        )
    stored = dict(experiment.stored_config)
    stored["run"] = {**(stored.get("run") or {}), "max_narratives": limit}
    grown = restore_config(stored, config.base)
    return Growth(limit, total, stored, binding_digest(grown.values))
