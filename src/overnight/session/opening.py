"""The beginning of a session: the lock, the data, the backup, and one transaction."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from overnight._version import __version__
from overnight.clock import Heartbeat
from overnight.config.load import Config
from overnight.domain.experiment import Event, Experiment, Status, Workload
from overnight.errors import (
    AlreadyCompleted,
    ExperimentOwned,
    OvernightError,
    RefusedError,
)
from overnight.events import Handler, Said
from overnight.ingest.gate import Data, data_to_resume
from overnight.record import SessionKeys
from overnight.session.notes import (
    changed_notes,
    dead_notes,
    labels_note,
    retry_note,
    server_notes,
)
from overnight.session.row import configured
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
        data = _let_in(database, experiment, how)
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


def _let_in(database: Database, experiment: Experiment, how: Opening) -> Data:
    if how.loaded is not None and not how.use_stored_data:
        return Data(get_dataset(database, experiment.dataset_id), how.loaded)
    return data_to_resume(database, experiment, how.config, use_stored=how.use_stored_data)


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
    data: Data,
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
                **configured(config),
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
