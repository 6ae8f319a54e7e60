"""The end of a session: how it ended, with the metrics over all results."""

import time
from collections.abc import Mapping
from typing import Any

from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Counts, Event, Experiment, Status
from overnight.report.metrics import measure, metrics_json
from overnight.session.state import METRIC_COLUMNS, Ending, Session
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.experiments import counts_in, get_experiment, transition, update_experiment
from overnight.store.ledger import close_lost
from overnight.store.looks import Labels, add_look, labels_of
from overnight.store.parts import develop_part
from overnight.store.pauses import close_pauses
from overnight.store.rescue import read_in
from overnight.store.results import label_counts
from overnight.store.sessions import end_session, fence, runtime_of
from overnight.store.times import as_text


def give_up(session: Session) -> None:
    """Give the lock back without a word: another session owns the experiment."""
    lock.release(session.database.path, session.keys.experiment_key)


def end(session: Session, ending: Ending, files: Mapping[str, str | None]) -> Counts:
    """Write how the session ended, with the metrics over all results; gives the lock back.

    A session whose work is done while narratives remain ends as failed, never as completed.
    """
    key, now = session.keys.experiment_key, time.time()
    session.heartbeat.worked_on()  # large exports take their time
    spec = session.config.values.answer
    metrics, labels = {}, None
    if ending.event is Event.FINISH:
        metrics = metric_columns(session.database, session.experiment, spec)
        labels = _labels(session)
    try:
        with session.database.write() as connection:
            fence(connection, session.keys.session_id, session.sign())
            rescued = read_in(
                connection,
                session.database.path,
                key,
                session.keys.experiment_id,
                spec,
            )
            close_lost(connection, key)
            counts = counts_in(connection, key, session.experiment.n_total)
            if ending.event is Event.FINISH and counts.remaining:
                ending = Ending(Event.FAIL, f"{counts.remaining:,} narratives not yet run")
            transition(connection, key, ending.event, reason=ending.reason)
            end_session(connection, session.keys.session_id, str(ending.event), now)
            close_pauses(connection, key)
            runtime = runtime_of(connection, key)
            if labels is not None:
                add_look(connection, session.experiment, *labels, now)
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
        rescued.discard()
    finally:
        lock.release(session.database.path, key)
    return counts


def _labels(session: Session) -> tuple[Labels, str]:
    """The labels that the metrics rest on, and the checksum of the dataset."""
    database, experiment = session.database, session.experiment
    part = develop_part(database, experiment)
    checksum = get_dataset(database, experiment.dataset_id).checksum
    return labels_of(database, experiment.dataset_id, part), checksum


def metric_columns(database: Database, experiment: Experiment, spec: AnswerSpec) -> dict[str, Any]:
    """The columns of `experiments` that hold metrics, over all results but the test part's."""
    part = develop_part(database, experiment)
    measured = metrics_json(measure(label_counts(database, experiment.experiment_key, part), spec))
    return {name: measured.get(name) for name in METRIC_COLUMNS}


def cancel_crashed(database: Database, experiment: Experiment, reason: str) -> bool:
    """Make a crashed experiment a cancelled one; False if it is not crashed after all.

    What its last session left is settled by the next one.
    """
    key = experiment.experiment_key
    if not lock.acquire(database.path, key):
        return False
    try:
        if get_experiment(database, key).status is not Status.RUNNING:
            return False
        with database.write() as connection:
            transition(connection, key, Event.CANCEL, reason=reason)
            update_experiment(connection, key, {"end_time": as_text(time.time())})
    finally:
        lock.release(database.path, key)
    return True
