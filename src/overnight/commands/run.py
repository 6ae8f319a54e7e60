"""`run`: start an experiment, or go on with it: the same command after whatever happened."""

from dataclasses import dataclass
from pathlib import Path

from overnight.app import make_client
from overnight.commands.choose import (
    choose_experiment,
    choose_source,
    copied_from,
    refuse_other_data,
)
from overnight.commands.repeat import Again, as_started, ask_again
from overnight.commands.settings import take_over
from overnight.commands.stint import RunResult, carry_out, shown_at_end
from overnight.config.load import Config, load_config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import AlreadyCompleted
from overnight.events import Handler
from overnight.ingest.gate import data_to_run
from overnight.session import Opening
from overnight.stop import StopRequest, signals
from overnight.store.database import Database
from overnight.store.experiments import counts, get_experiment
from overnight.store.open import connected
from overnight.usage import usage_of


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run is asked for beside its file; None leaves a setting as the file has it."""

    new: bool = False
    reuse: str | None = None  # the experiment whose answers to the same requests are copied
    max_narratives: int | None = None
    concurrency: int | None = None
    backup: bool = True
    again: Again | None = None  # a sample of the narratives is asked again then


AS_WRITTEN = RunOptions()


def run(
    config_file: Path | str,
    *,
    db: Path | str | None = None,
    options: RunOptions = AS_WRITTEN,
    handler: Handler,
    stop: StopRequest | None = None,
) -> RunResult:
    """Run the experiment of a file: a new one, or the unfinished one of the same work.

    With `reuse`, a new one (or the one that was begun so) that copies the answers of an experiment
    with this id to all requests that are the same. Raises RefusedError where that would silently
    replace an unfinished experiment, nothing could be copied, or there are repetitions of another
    sample; DataChanged where the data file is not what that was started with.
    """
    stop = stop or StopRequest()
    with signals(stop):
        config = configured(config_file, options)
        with connected(db, Path(config_file), create=True, writes=handler) as database:
            main = run_once(database, config, options, handler=handler, stop=stop)
            if options.again is None or main.status is not Status.COMPLETED or main.files_cut:
                return main
            return ask_again(database, main, config, options.again, handler=handler, stop=stop)


def configured(config_file: Path | str, options: RunOptions) -> Config:
    """The configuration with what is asked in place of the file's; it can make calls."""
    config = load_config(config_file)
    asked = {"max_narratives": options.max_narratives, "concurrency": options.concurrency}
    if given := {key: value for key, value in asked.items() if value is not None}:
        config = config.changed("run", **given)
    make_client(config, config.values.answer)  # what is wrong shows before anything is written
    return config


def run_once(
    database: Database,
    config: Config,
    options: RunOptions = AS_WRITTEN,
    *,
    handler: Handler,
    stop: StopRequest,
) -> RunResult:
    """As `run`, in an open database and without repetitions."""
    source = choose_source(database, config, options.reuse) if options.reuse else None
    data = data_to_run(
        database,
        config,
        new=options.new or source is not None,
        say=handler,
        before_loading=lambda: refuse_other_data(database, config),
    )
    reuse_of = None
    if source is not None and options.reuse is not None:
        reuse_of = copied_from(source, options.reuse, config, data.dataset)
    experiment, is_new = choose_experiment(
        database, config, data.dataset, new=options.new, reuse_of=reuse_of, say=handler
    )
    if experiment.status is Status.COMPLETED:
        return _already_complete(database, experiment, config, handler)
    if not is_new:
        config = as_started(experiment, config)
    opening = Opening(config, loaded=data.checksum, backup=options.backup)
    try:
        return carry_out(database, experiment, opening, handler=handler, stop=stop)
    except AlreadyCompleted:  # by its owner, just now
        experiment = get_experiment(database, experiment.experiment_key)
        return _already_complete(database, experiment, config, handler)


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
