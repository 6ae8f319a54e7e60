"""A stint of work on an experiment: opened by one process, closed by it or by its successor."""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight._version import __version__
from overnight.config import Config
from overnight.domain.experiment import Counts, Event, Experiment, Status
from overnight.errors import ExperimentOwned
from overnight.record import SessionKeys
from overnight.report.metrics import measure, metrics_json
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.experiments import (
    counts_in,
    get_experiment,
    raise_limit,
    transition,
    update_experiment,
)
from overnight.store.ledger import close_lost
from overnight.store.results import label_counts
from overnight.store.sessions import (
    SessionRow,
    end_dead_sessions,
    end_session,
    fence,
    is_first,
    open_session,
    runtime_of,
)
from overnight.store.times import as_text, from_text
from overnight.views import view_experiment


@dataclass(frozen=True, slots=True)
class Session:
    """The right to work on an experiment, and what it began with."""

    database: Database
    keys: SessionKeys
    experiment: Experiment
    config: Config
    kind: str
    counts: Counts
    started: float  # seconds since the epoch
    notes: tuple[str, ...]  # what the user should know before work begins


@dataclass(frozen=True, slots=True)
class Growth:
    """A raised limit, and the configuration that says so."""

    limit: int
    total: int  # narratives that the experiment covers then
    stored: Mapping[str, Any]
    binding: str


def begin(
    database: Database,
    experiment: Experiment,
    config: Config,
    *,
    concurrency: int,
    growth: Growth | None = None,
) -> Session:
    """Take the experiment, settle what a dead session left, and open a session.

    With `growth` the limit is raised in the same transaction.

    Raises ExperimentOwned while another process works on it; nothing has changed then.
    """
    key = experiment.experiment_key
    if not lock.acquire(database.path, key):
        raise ExperimentOwned(_owned(database, experiment))
    try:
        return _begin(database, experiment, config, concurrency, growth)
    except BaseException:
        lock.release(database.path, key)
        raise


def _begin(
    database: Database,
    experiment: Experiment,
    config: Config,
    concurrency: int,
    growth: Growth | None,
) -> Session:
    key, now = experiment.experiment_key, time.time()
    with database.write() as connection:
        dead = end_dead_sessions(connection, key)
        n_lost = close_lost(connection, key)
        transition(connection, key, Event.RESUME)
        if growth is not None:
            raise_limit(
                connection,
                key,
                limit=growth.limit,
                total=growth.total,
                stored=growth.stored,
                binding=growth.binding,
            )
        total = experiment.n_total if growth is None else growth.total
        kind = "start" if is_first(connection, key) else "resume"
        session_id = open_session(
            connection,
            {
                "experiment_key": key,
                "experiment_id": experiment.experiment_id,
                "kind": kind,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": as_text(now),
                "last_seen_at": as_text(now),
                "api_url": config.secrets.hide(config.values.model.api_url or "") or None,
                "concurrency": concurrency,
                "overnight_version": __version__,
            },
        )
        counts = counts_in(connection, key, total)
    return Session(
        database=database,
        keys=SessionKeys(session_id, key, experiment.experiment_id),
        experiment=get_experiment(database, key),
        config=config,
        kind=kind,
        counts=counts,
        started=now,
        notes=_notes(experiment, dead, n_lost),
    )


def _notes(experiment: Experiment, dead: list[SessionRow], n_lost: int) -> tuple[str, ...]:
    notes = []
    if experiment.status is Status.CANCELLED:
        notes.append("this experiment had been cancelled; it goes on now")
    for session in dead:
        at = from_text(session.last_seen_at).astimezone()
        notes.append(
            f"the last session died about {at:%Y-%m-%d %H:%M:%S}; nothing it recorded is lost"
        )
    if n_lost:
        calls = "1 call" if n_lost == 1 else f"{n_lost} calls"
        notes.append(f"at most {calls} of it may have been paid for without an answer on record")
    return tuple(notes)


def _owned(database: Database, experiment: Experiment) -> str:
    view = view_experiment(database, experiment)
    who = "another process"
    if view.owner is not None:
        since = view.owner.since.astimezone()
        who = f"process {view.owner.pid} on {view.owner.host} (since {since:%Y-%m-%d %H:%M:%S})"
    return (
        f"{experiment.experiment_id} ({experiment.name}) is being worked on by {who}, "
        f"{view.counts.completed:,} of {view.counts.total:,} done; "
        f"to watch it: overnight status {experiment.experiment_id[:8]}"
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session's work came to an end."""

    event: Event
    reason: str | None = None


def give_up(session: Session) -> None:
    """Give the lock back without a word: another session owns the experiment."""
    lock.release(session.database.path, session.keys.experiment_key)


def end(session: Session, ending: Ending, files: Mapping[str, str | None]) -> Counts:
    """Write how the session ended, with the metrics over all results; gives the lock back.

    A session whose work is done while narratives remain ends as failed, never as completed.
    """
    key, now = session.keys.experiment_key, time.time()
    metrics = _metric_columns(session) if ending.event is Event.FINISH else {}
    try:
        with session.database.write() as connection:
            fence(connection, session.keys.session_id, now=now)
            counts = counts_in(connection, key, session.experiment.n_total)
            if ending.event is Event.FINISH and counts.remaining:
                ending = Ending(Event.FAIL, f"{counts.remaining:,} narratives not yet run")
            close_lost(connection, key)
            transition(connection, key, ending.event, reason=ending.reason)
            end_session(connection, session.keys.session_id, str(ending.event), now)
            runtime = runtime_of(connection, key)
            update_experiment(
                connection,
                key,
                {
                    **metrics,
                    **files,
                    "n_narratives_completed": counts.completed,
                    "n_narratives_processed": counts.completed,
                    "last_progress_update": as_text(now),
                    "end_time": as_text(now),
                    "total_runtime_sec": runtime,
                    "avg_time_per_narrative_sec": (
                        runtime / counts.completed if counts.completed else None
                    ),
                },
            )
    finally:
        lock.release(session.database.path, key)
    return counts


_METRICS = (
    "n_positive_detected",
    "n_negative_detected",
    "n_positive_manual",
    "n_negative_manual",
    "accuracy",
    "precision_ipv",
    "recall_ipv",
    "f1_ipv",
    "n_true_positive",
    "n_true_negative",
    "n_false_positive",
    "n_false_negative",
)


def _metric_columns(session: Session) -> dict[str, Any]:
    """The columns of `experiments` that hold metrics."""
    counts = label_counts(session.database, session.keys.experiment_key)
    measured = metrics_json(measure(counts, session.config.values.answer))
    return {name: measured.get(name) for name in _METRICS}
