"""The beginning of a session: the lock, the data, the backup, and one transaction."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from overnight._version import __version__
from overnight.clock import Heartbeat
from overnight.config.binding import binding_digest, configuration_digest
from overnight.config.blame import naming_the_line
from overnight.config.load import Config
from overnight.domain.experiment import Event, Experiment, Status, Workload
from overnight.errors import (
    AlreadyCompleted,
    DataChanged,
    DataError,
    DataMissing,
    ExperimentOwned,
    OvernightError,
    RefusedError,
)
from overnight.events import Handler, Said
from overnight.ingest.changes import Verified, verify
from overnight.ingest.keep import keep_columns, kept_notes, missing_columns
from overnight.ingest.source import checksum_of
from overnight.record import SessionKeys
from overnight.session.notes import (
    changed_notes,
    dead_notes,
    labels_note,
    retry_note,
    server_notes,
)
from overnight.session.state import METRIC_COLUMNS, Opening, Session
from overnight.store import lock
from overnight.store.backup import back_up
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.experiments import counts_in, get_experiment, transition, update_experiment
from overnight.store.ledger import close_lost
from overnight.store.members import waiting_members
from overnight.store.pauses import close_pauses
from overnight.store.remaining import error_narratives
from overnight.store.removal import BEING_DELETED
from overnight.store.rescue import read_in
from overnight.store.sessions import (
    SessionRow,
    end_dead_sessions,
    is_first,
    last_session,
    open_session,
    runtime_of,
)
from overnight.store.times import as_text
from overnight.views import view_experiment


def begin(
    database: Database,
    experiment: Experiment,
    how: Opening,
    *,
    concurrency: int | None,
    say: Handler,
) -> Session:
    """Take the experiment, verify its data, back the database up, and open a session.

    Raises ExperimentOwned while another process works on it, AlreadyCompleted where nothing is
    left to do, DataChanged where the file is not what it was: then nothing has changed, and no
    backup was made.
    """
    key, began = experiment.experiment_key, time.time()
    if not lock.acquire(database.path, key):
        raise ExperimentOwned(_owned(database, experiment))
    try:
        experiment = _as_left(database, key, how)
        with database.read() as connection:
            is_start = is_first(connection, key)
        data = _verified(database, experiment, how)
        if not is_start and how.kind == "resume":  # not before it is sure that it can
            say(Said(f"going on with {experiment.experiment_id} ({experiment.name})"))
        if how.backup and not is_start:
            _back_up(database, say)
        kind = "start" if is_start else how.kind
        columns = _session_columns(experiment, how.config, concurrency, kind, began=began)
        return _open(database, experiment, how, columns, data)
    except BaseException:  # whatever it is: without a session the lock must go
        lock.release(database.path, key)
        raise


@contextmanager
def hold(database: Database, experiment: Experiment) -> Iterator[None]:
    """Own an experiment without a session, to change what is recorded of it.

    Raises ExperimentOwned while another process works on it.
    """
    key = experiment.experiment_key
    if not lock.acquire(database.path, key):
        raise ExperimentOwned(_owned(database, experiment))
    try:
        yield
    finally:
        lock.release(database.path, key)


def _as_left(database: Database, key: int, how: Opening) -> Experiment:
    """The experiment as its last owner left it, just now. Raises RefusedError."""
    experiment = get_experiment(database, key)
    if experiment.status_reason == BEING_DELETED:
        short = experiment.experiment_id[:8]
        raise RefusedError(
            f"{short} ({experiment.name}) was being deleted when that was broken off; to finish: "
            f"overnight purge {short}. To begin anew: overnight run CONFIG --new"
        )
    if experiment.status is Status.COMPLETED and not how.total and not how.retry:
        raise AlreadyCompleted(
            experiment.experiment_id, experiment.name, repeats=experiment.repeat_of
        )
    if how.total is not None and how.total < experiment.n_total:
        raise RefusedError(
            f"another process has just raised the limit of {experiment.experiment_id[:8]} to "
            f"{experiment.n_total:,}; it can only be raised, not lowered to {how.total:,}"
        )
    return experiment


def _verified(database: Database, experiment: Experiment, how: Opening) -> Verified:
    """The data file, seen to hold what is stored. Raises DataChanged, naming what to type."""
    if how.use_stored_data:
        return Verified(experiment.data_checksum, tuple(_not_read(database, experiment, how)))
    if how.loaded is not None:
        return Verified(how.loaded)
    dataset = get_dataset(database, experiment.dataset_id)
    data = how.config.values.data
    known = tuple({experiment.data_checksum: 0, dataset.checksum: 0})
    shown = how.config.secrets.hide(str(data.file))
    notes: tuple[str, ...] = ()
    if (moved := _moved(database, how.config, known)) is not None:
        notes = (f"{shown} is not there any more; {moved} is the same file, and is used",)
        data = data.model_copy(update={"file": moved})
    try:
        verified = verify(database, dataset, data, known, shown)
    except DataMissing as missing:
        short = experiment.experiment_id[:8]
        raise DataMissing(
            f"{missing}\n"
            f"Put the file back, then type the same command again; or correct data.file, and type: "
            f"overnight resume {short} --config CONFIG\n"
            f"To go on without it: overnight resume {short} --use-stored-data"
        ) from None
    except DataChanged as changed:
        raise DataChanged(
            f"{changed}\n"
            "To go on with the stored narratives: overnight resume "
            f"{experiment.experiment_id[:8]} --use-stored-data\n"
            "To go on with the same file in another place: name that in data.file, and type: "
            f"overnight resume {experiment.experiment_id[:8]} --config CONFIG\n"
            "To begin a new experiment that copies the answers to unchanged narratives and asks "
            f"the rest: overnight run CONFIG --reuse {experiment.experiment_id[:8]}\n"
            "To begin anew with another file: overnight run CONFIG --new"
        ) from None
    # The columns that the configuration keeps, read from the file that was verified.
    with naming_the_line(how.config):
        _, added = keep_columns(database, dataset, data, verified.checksum)
    return replace(verified, notes=(*notes, *verified.notes, *kept_notes(added)))


def _not_read(database: Database, experiment: Experiment, how: Opening) -> Iterator[str]:
    """What of the kept columns is not there. Raises RefusedError where the split needs it."""
    data = how.config.values.data
    missing = missing_columns(get_dataset(database, experiment.dataset_id), data)
    if data.split and data.split.column in missing:
        raise RefusedError(
            f"data.split needs the column {data.split.column!r}, which is read from the data file: "
            "go on without --use-stored-data, or without data.split"
        )
    if missing:
        yield f"not kept, since the data file is not read: {', '.join(missing)}"


def _moved(database: Database, config: Config, known: Sequence[str]) -> Path | None:
    """The data file where its folder was moved with the database or the experiment file.

    Only if its bytes are those that are known; whatever else lies there is none of our business.
    """
    file = config.values.data.file
    if file.exists():
        return None
    folders = [database.path.resolve().parent]
    names = [Path(file.name)]
    if config.file is not None:
        folders.append(config.file.resolve().parent)
        if file.is_relative_to(config.file.parent):  # such as data/narratives.csv
            names.insert(0, file.relative_to(config.file.parent))
    for candidate in (folder / name for folder in folders for name in names):
        with suppress(DataError):
            if candidate.is_file() and checksum_of(candidate) in known:
                return candidate
    return None


def _back_up(database: Database, say: Handler) -> None:
    """A copy of the database as it stands; without one the work goes on all the same."""
    try:
        made = back_up(database, skip_unchanged=True)
    except OvernightError as error:
        say(Said(f"no backup was made ({error}); --no-backup does without one", warning=True))
        return
    if made.is_new:
        say(Said(f"backup: {made.path}"))


def _open(
    database: Database,
    experiment: Experiment,
    how: Opening,
    columns: Mapping[str, Any],
    data: Verified,
) -> Session:
    """One transaction: settle what a dead session left, change the status, open a session."""
    key, config, kind = experiment.experiment_key, how.config, columns["kind"]
    total = how.total or experiment.n_total
    with database.write() as connection:
        rescued = read_in(
            connection, database.path, key, experiment.experiment_id, config.values.answer
        )
        before = last_session(connection, key)
        dead = end_dead_sessions(connection, key)
        close_pauses(connection, key)
        n_lost = close_lost(connection, key)
        transition(connection, key, Event.RETRY if kind == "retry" else Event.RESUME)
        update_experiment(
            connection,
            key,
            {
                **_config_columns(config),
                **_of_a_repetition(experiment),
                **dict.fromkeys(METRIC_COLUMNS),  # those of a smaller part would mislead
                "n_narratives_total": total,
                "data_checksum": data.checksum,
                "end_time": None,
                **({"served_model": None} if how.accept_model else {}),
            },
        )
        worked_before = runtime_of(connection, key)
        session_id = open_session(connection, {**columns, **_asked_of(dead, columns["started_at"])})
        counts = counts_in(connection, key, total)
        workload = Workload(
            remaining=0 if kind == "retry" else counts.remaining,
            errors=error_narratives(connection, key, how.retry) if how.retry else (),
            members=None
            if experiment.repeat_of is None or kind == "retry"
            else waiting_members(connection, key),
        )
    rescued.discard()
    return Session(
        database=database,
        keys=SessionKeys(session_id, key, experiment.experiment_id),
        experiment=get_experiment(database, key),
        config=config,
        kind=kind,
        counts=counts,
        workload=workload,
        fingerprint=before.system_fingerprint if before and not how.accept_model else None,
        heartbeat=Heartbeat(),
        worked_before=worked_before,
        notes=(
            *(Said(note) for note in data.notes),
            *dead_notes(experiment, dead, n_lost, rescued),
            *retry_note(experiment, before, kind),
            *server_notes(before, experiment, columns["api_url"], accept_model=how.accept_model),
            *changed_notes(experiment, config),
            *labels_note(database, experiment, kind),
        ),
    )


def _asked_of(dead: Sequence[SessionRow], began: str) -> dict[str, str | None]:
    """A request to stop that was meant for the session that has begun, but found no row of it."""
    for session in dead:
        if session.stop_asked_at is not None and session.stop_asked_at >= began:
            return {"stop_asked_at": session.stop_asked_at, "stop_asked_by": session.stop_asked_by}
    return {}


def _config_columns(config: Config) -> dict[str, Any]:
    """The columns of `experiments` that say how it is configured; binding ones do not change."""
    values = config.values
    return {
        "experiment_name": config.written("experiment", "name"),
        "notes": config.written("experiment", "notes"),
        "prompt_version": config.written("prompt", "version"),
        "prompt_author": config.written("prompt", "author")
        or config.written("experiment", "author"),
        "api_url": config.secrets.hide(values.model.api_url or "") or None,
        "max_narratives": values.run.max_narratives,
        "config_json": config.stored_json,
        "binding_sha256": binding_digest(values),
        "configuration_sha256": configuration_digest(values),
    }


def _of_a_repetition(experiment: Experiment) -> dict[str, Any]:
    """A repetition, whose seed differs, is no other configuration measured on the same labels."""
    if experiment.repeat_of is None:
        return {}
    return {"configuration_sha256": experiment.configuration_sha256}


def _session_columns(
    experiment: Experiment, config: Config, concurrency: int | None, kind: str, *, began: float
) -> dict[str, Any]:
    return {
        "experiment_key": experiment.experiment_key,
        "experiment_id": experiment.experiment_id,
        "kind": kind,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": as_text(began),
        "last_seen_at": as_text(time.time()),
        "api_url": config.secrets.hide(config.values.model.api_url or "") or None,
        "concurrency": concurrency,
        "overnight_version": __version__,
    }


def _owned(database: Database, experiment: Experiment) -> str:
    view = view_experiment(database, experiment)
    holder = lock.holder(database.path, experiment.experiment_key)
    who = f"process {holder}, which has just begun" if holder else "another process"
    if view.owner is not None:
        since = view.owner.since.astimezone()
        who = f"process {view.owner.pid} on {view.owner.host} (since {since:%Y-%m-%d %H:%M:%S})"
    return (
        f"{experiment.experiment_id} ({experiment.name}) is being worked on by {who}, "
        f"{view.counts.completed:,} of {view.counts.total:,} done; "
        f"to watch it: overnight status {experiment.experiment_id[:8]}"
    )
