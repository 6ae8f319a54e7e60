"""`run`: start an experiment, or go on with it: the same command after whatever happened."""

from dataclasses import replace
from pathlib import Path

from overnight.app import make_client
from overnight.commands.choose import (
    choose_experiment,
    choose_source,
    copied_from,
    refuse_other_data,
)
from overnight.commands.data import find_data
from overnight.commands.settings import take_over
from overnight.commands.stint import RunResult, carry_out, shown_at_end
from overnight.config.binding import with_binding_of
from overnight.config.load import Config, load_config, restore_config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import AlreadyCompleted
from overnight.events import Handler
from overnight.session import Opening
from overnight.stop import StopRequest, signals
from overnight.store.database import Database
from overnight.store.experiments import (
    counts,
    get_experiment,
)
from overnight.store.open import connected
from overnight.usage import usage_of


def run(
    config_file: Path | str,
    *,
    db: Path | str | None = None,
    new: bool = False,
    reuse: str | None = None,
    max_narratives: int | None = None,
    concurrency: int | None = None,
    backup: bool = True,
    handler: Handler,
    stop: StopRequest | None = None,
) -> RunResult:
    """Run the experiment of a file: a new one, or the unfinished one of the same work.

    With `reuse`, a new one (or the one that was begun so) that copies the answers of an experiment
    with this id to all requests that are the same. Raises RefusedError where that would silently
    replace an unfinished experiment, or nothing could be copied; DataChanged where the data file
    is not what that was started with.
    """
    stop = stop or StopRequest()
    with signals(stop):
        config = _overridden(load_config(config_file), max_narratives, concurrency)
        make_client(config, config.values.answer)  # what is wrong shows before anything is written
        with connected(db, Path(config_file), create=True, writes=handler) as database:
            source = choose_source(database, config, reuse) if reuse else None
            data = find_data(
                database,
                config,
                new=new or source is not None,
                say=handler,
                before_loading=lambda: refuse_other_data(database, config),
            )
            reuse_of = None
            if source is not None and reuse is not None:
                reuse_of = copied_from(source, reuse, config, data.dataset)
            experiment, is_new = choose_experiment(
                database, config, data.dataset, new=new, reuse_of=reuse_of, say=handler
            )
            if experiment.status is Status.COMPLETED:
                return _already_complete(database, experiment, config, handler)
            if not is_new:
                config = as_started(experiment, config)
            opening = Opening(config, loaded=data.checksum, backup=backup)
            try:
                return carry_out(database, experiment, opening, handler=handler, stop=stop)
            except AlreadyCompleted:  # by its owner, just now
                experiment = get_experiment(database, experiment.experiment_key)
                return _already_complete(database, experiment, config, handler)


def as_started(experiment: Experiment, config: Config) -> Config:
    """The settings of the file, with what shapes answers as the experiment has it."""
    stored = with_binding_of(experiment.stored_config, config.stored)
    return replace(restore_config(stored, config.base), file=config.file)


def _overridden(config: Config, max_narratives: int | None, concurrency: int | None) -> Config:
    """The configuration with what the command line says in place of the file's."""
    changes = {"max_narratives": max_narratives, "concurrency": concurrency}
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        return config
    stored = {**config.stored, "run": {**(config.stored.get("run") or {}), **given}}
    return replace(restore_config(stored, config.base), file=config.file)


def _already_complete(
    database: Database, experiment: Experiment, config: Config, say: Handler
) -> RunResult:
    experiment = take_over(database, experiment, config, say)
    counted = counts(database, experiment)
    return RunResult(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        database=database.path,
        status=experiment.status,
        reason=None,
        counts=counted,
        usage=usage_of(database, experiment, counted),
        **shown_at_end(database, experiment),
        already_complete=True,
    )
