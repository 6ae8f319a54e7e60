"""Pauses in the database: when the server gave no answers, why, and how often it was probed."""

from dataclasses import dataclass

from overnight.events import Waiting
from overnight.store.connection import Connection
from overnight.store.texts import storable
from overnight.store.times import as_text


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A pause as the database has it. Times are the database's texts."""

    session_id: int
    began_at: str
    ended_at: str | None
    reason: str
    n_probes: int
    next_probe_at: str | None


def enter_pause(
    connection: Connection, session_id: int, experiment_key: int, told: Waiting
) -> None:
    """Enter a pause that begins, goes on or ends; a session has at most one that is open."""
    values = (
        None if told.over_at is None else as_text(told.over_at),
        storable(told.reason),
        told.n_probes,
        None if told.next_probe is None else as_text(told.next_probe),
        session_id,
    )
    changed = connection.execute(
        "UPDATE pauses SET ended_at = ?, reason = ?, n_probes = ?, next_probe_at = ?"
        " WHERE session_id = ? AND ended_at IS NULL",
        values,
    ).rowcount
    if not changed:
        connection.execute(
            "INSERT INTO pauses (ended_at, reason, n_probes, next_probe_at, session_id,"
            " experiment_key, began_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, experiment_key, as_text(told.since)),
        )


def close_pauses(connection: Connection, experiment_key: int) -> None:
    """End what an ended session left open, as of when that was last seen."""
    connection.execute(
        "UPDATE pauses SET next_probe_at = NULL, ended_at = (SELECT max(coalesce(s.ended_at,"
        " s.last_seen_at, s.started_at), pauses.began_at) FROM run_sessions s"
        " WHERE s.session_id = pauses.session_id)"
        " WHERE experiment_key = ? AND ended_at IS NULL",
        (experiment_key,),
    )


def pauses_of(connection: Connection, experiment_key: int) -> list[PauseRow]:
    """All pauses of an experiment, oldest first."""
    rows = connection.execute(
        "SELECT session_id, began_at, ended_at, reason, n_probes, next_probe_at FROM pauses"
        " WHERE experiment_key = ? ORDER BY pause_id",
        (experiment_key,),
    )
    return [PauseRow(*row) for row in rows]
