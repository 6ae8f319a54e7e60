"""What `run` and `resume` have in common: one session, from its opening to its results."""

import contextlib
import os
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from overnight.app import concurrency_of, make_client, wire
from overnight.call.client import Client, Structured
from overnight.commands.exports import Exports, file_columns
from overnight.commands.looks import look_of
from overnight.config.declared import declared_answer
from overnight.domain.concurrency import Bounds
from overnight.domain.experiment import Counts, Event, Experiment, Status
from overnight.domain.split import Split
from overnight.errors import DatabaseBusy, OvernightError, SupersededError, TerminatedError
from overnight.events import Handler, Said, SessionEnded, SessionOpened, broadcast
from overnight.report.metrics import Metrics, measure
from overnight.report.repeats import Retest
from overnight.runlog import RunLog
from overnight.session import (
    Ending,
    Opening,
    Session,
    begin,
    end,
    give_up,
    with_copied_answers,
)
from overnight.stop import StopRequest
from overnight.store.database import Database
from overnight.store.experiments import get_experiment
from overnight.store.looks import Look
from overnight.store.open import find_database, folder_of
from overnight.store.parts import develop_part
from overnight.store.results import label_counts
from overnight.usage import Usage, usage_of
from overnight.words import toll_text
from overnight.work import run_to_end

_MOMENT = 1.0  # seconds that the files may take once somebody wants the end
_CUT = "everything is in the database, but its files are not all written, and are as they were"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. `metrics` and `files` are there when it is complete, and none was cut."""

    experiment_id: str
    name: str
    database: Path
    status: Status
    reason: str | None
    counts: Counts
    metrics: Metrics | None = None
    files: tuple[Path, ...] = ()
    signal: int | None = None
    already_complete: bool = False
    kind: str = "start"  # or resume, or retry
    look: Look | None = None  # at the labels that the metrics rest on
    split: Split | None = None  # what the metrics leave out
    files_cut: bool = False  # complete, but somebody wanted the end before all files were written
    repetitions: "tuple[RunResult, ...]" = ()  # what was done of them, where some were asked for
    retest: Retest | None = None  # how far they and the experiment agree
    usage: Usage | None = None  # tokens of all its sessions, and their cost

    @property
    def last(self) -> "RunResult":
        """Where it ended: the repetition that was stopped, if one was."""
        return (self, *self.repetitions)[-1]

    @property
    def as_typed(self) -> str:
        """The experiment as it is typed here: the database too, where it is not the usual one."""
        short = self.experiment_id[:8]
        if find_database(None) == self.database:
            return short
        return f"{short} --db {shlex.quote(os.path.relpath(self.database))}"


def carry_out(
    database: Database,
    experiment: Experiment,
    opening: Opening,
    *,
    handler: Handler,
    stop: StopRequest,
) -> RunResult:
    """Work on an experiment until it is done or stopped."""
    config = opening.config
    client = make_client(config, config.values.answer, _structured(experiment))
    concurrency = concurrency_of(config, client)
    session = begin(database, experiment, opening, concurrency=concurrency.fixed, say=handler)
    log_file = folder_of(database, "logs/experiments", experiment.experiment_id) / "run.log"
    try:
        with RunLog(log_file, config.secrets) as log:
            emit = broadcast((log, handler))
            session = with_copied_answers(session, emit)
            if session.counts.copied:  # the form in which they were asked for is known now
                structured = _structured(session.experiment)
                client = make_client(config, config.values.answer, structured)
            return _session(session, client, concurrency, emit, stop)
    except SupersededError:
        give_up(session)
        raise
    except BaseException as error:  # whatever it is: the row must say it, the lock must go
        _end_badly(session, error, stop)
        if isinstance(error, KeyboardInterrupt):
            verb, short = session.kind.replace("start", "resume"), experiment.experiment_id[:8]
            handler(Said(f"stopped at once; nothing is lost; to go on: overnight {verb} {short}"))
        if isinstance(error, DatabaseBusy):
            _raise_for_signal(stop, error)
        raise


def _session(
    session: Session, client: Client, concurrency: Bounds, emit: Handler, stop: StopRequest
) -> RunResult:
    experiment = session.experiment
    log_dir = folder_of(session.database, "logs/experiments", experiment.experiment_id)
    emit(
        SessionOpened(
            experiment_id=experiment.experiment_id,
            name=experiment.name,
            kind=session.kind,
            counts=session.counts,
            errors_again=len(session.workload.errors),
            concurrency=concurrency.fixed,
            log_file=str(log_dir / "run.log"),
        )
    )
    for note in session.notes:
        emit(note)
    worked = _work(session, client, concurrency, emit, stop)
    drain_sec = session.config.values.run.drain_sec
    counts = end(
        session,
        worked.ending,
        file_columns(worked.files, log_dir),
        hurried=lambda: stop.is_overdue(drain_sec),
    )
    done = get_experiment(session.database, session.keys.experiment_key)
    emit(
        SessionEnded(
            status=str(done.status),
            reason=done.status_reason,
            counts=counts,
            elapsed=session.heartbeat.worked,
        )
    )
    is_complete = done.status is Status.COMPLETED
    has_time = is_complete and not worked.files_cut
    return RunResult(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        database=session.database.path,
        status=done.status,
        reason=done.status_reason,
        counts=counts,
        **(shown_at_end(session.database, done) if has_time else {}),
        files=worked.files,
        signal=stop.signal,
        kind=session.kind,
        usage=usage_of(session.database, done, counts),
        files_cut=worked.files_cut and is_complete,
    )


class _Worked(NamedTuple):
    """How the calls ended, and the files that were written; whether all of them were."""

    ending: Ending
    files: tuple[Path, ...]
    files_cut: bool = False


def _work(
    session: Session, client: Client, concurrency: Bounds, emit: Handler, stop: StopRequest
) -> _Worked:
    """Make the calls, then write the files."""
    exports = Exports(session, emit)
    exports.start()
    ending = Ending(Event.FINISH)
    try:
        if session.workload.total:
            parts = wire(session, client, concurrency, emit)
            ending = run_to_end(parts, stop)
            if summary := toll_text(parts.toll):
                emit(Said(summary))
    finally:
        exports.stop()
    if ending.event is not Event.FINISH:
        return _Worked(ending, exports.files)
    stop.finishing = True  # also where no call was left to be made
    files = exports.finish(lambda: stop.is_overdue(_MOMENT))
    if exports.are_cut and stop.ending is not None:
        emit(Said(f"{stop.ending.reason}: {_CUT}; to write them: {exports.by_hand}"))
    return _Worked(ending, files, exports.are_cut)


def shown_at_end(database: Database, experiment: Experiment) -> dict[str, Any]:
    """What a complete experiment's answers are worth: without the test part."""
    part = develop_part(database, experiment)
    counts = label_counts(database, experiment.experiment_key, part)
    return {
        "metrics": measure(counts, declared_answer(experiment.stored_config)),
        "look": look_of(database, experiment, part),
        "split": part.split,
    }


def _structured(experiment: Experiment) -> Structured | None:
    """How structured output was asked for when the experiment's first answer came."""
    if experiment.structured == "json_schema":
        return "json_schema"
    return "none" if experiment.structured == "none" else None


def _end_badly(session: Session, error: BaseException, stop: StopRequest) -> None:
    """Leave the experiment as failed, with the reason; if even that fails, it has crashed."""
    is_locked = isinstance(error, DatabaseBusy)
    if isinstance(error, KeyboardInterrupt):
        ending = Ending(Event.CANCEL, "stopped by Ctrl-C")
    elif is_locked and stop.ending is not None:
        ending = stop.ending
    else:
        ending = Ending(Event.FAIL, str(error) or type(error).__name__)
    with contextlib.suppress(OvernightError):
        end(session, ending, {}, hurried=lambda: is_locked and stop.ending is not None)


def _raise_for_signal(stop: StopRequest, error: DatabaseBusy) -> None:
    """A run that was told to end ends as such, also where the database could not be written."""
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt from error
    if stop.signal == signal.SIGTERM:
        raise TerminatedError(f"stopped by SIGTERM; {error}") from error
