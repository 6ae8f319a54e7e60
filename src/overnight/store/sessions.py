"""Sessions in the database. An open session row is the right to write: the fence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.errors import SupersededError
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.texts import storable
from overnight.store.times import as_text


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as the database has it. Times are the database's texts."""

    session_id: int
    kind: str
    host: str
    pid: int
    started_at: str
    last_seen_at: str
    ended_at: str | None
    ended_how: str | None
    n_calls: int
    n_results: int
    prompt_tokens: int  # of all calls that ended, as far as the server told
    completion_tokens: int
    n_with_tokens: int  # of these calls, those of which the server told both
    api_url: str | None
    served_model: str | None
    system_fingerprint: str | None
    structured: str | None
    concurrency: int | None
    runtime_sec: float  # of work
    stood_still_sec: float  # of a machine asleep or a process stopped
    stop_asked_at: str | None
    stop_asked_by: str | None
    overnight_version: str


_COLUMNS = (
    "session_id, kind, host, pid, started_at, coalesce(last_seen_at, started_at), ended_at,"
    " ended_how, n_calls, n_results, prompt_tokens, completion_tokens, n_with_tokens, api_url,"
    " served_model, system_fingerprint, structured,"
    " concurrency, coalesce(runtime_sec, 0.0), coalesce(stood_still_sec, 0.0), stop_asked_at,"
    " stop_asked_by, overnight_version"
)


def open_session(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert a session; its id. From now on every other session's writes are refused."""
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    statement = f"INSERT INTO run_sessions ({names}) VALUES ({marks}) RETURNING session_id"
    return int(connection.value(statement, dict(values)))


def end_session(connection: Connection, session_id: int, how: str, now: float) -> None:
    """Close a session."""
    connection.execute(
        "UPDATE run_sessions SET ended_at = :now, ended_how = :how, last_seen_at = :now"
        " WHERE session_id = :id AND ended_at IS NULL",
        {"now": as_text(now), "how": how, "id": session_id},
    )


def end_dead_sessions(connection: Connection, experiment_key: int) -> list[SessionRow]:
    """Close what dead sessions left open, as of when they were last seen; which they were.

    Only for the holder of the lock: then no other session is alive.
    """
    dead = [
        SessionRow(*row)
        for row in connection.execute(
            f"SELECT {_COLUMNS} FROM run_sessions WHERE experiment_key = :key AND ended_at IS NULL",
            {"key": experiment_key},
        )
    ]
    connection.execute(
        "UPDATE run_sessions SET ended_at = coalesce(last_seen_at, started_at),"
        " ended_how = 'crashed' WHERE experiment_key = :key AND ended_at IS NULL",
        {"key": experiment_key},
    )
    return dead


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a session says of itself with each write."""

    now: float  # seconds since the epoch
    worked: float = 0.0  # seconds, since its beginning
    stood_still: float = 0.0
    n_calls: int = 0  # that have ended since the last sign
    n_results: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    n_with_tokens: int = 0  # of these calls


def fence(connection: Connection, session_id: int, sign: SignOfLife) -> None:
    """Go on only if the session still owns its experiment; raises SupersededError.

    The first statement of every write of a session: nothing else of the transaction is
    written when it raises.
    """
    alive = connection.execute(
        "UPDATE run_sessions SET last_seen_at = ?, n_calls = n_calls + ?,"
        " n_results = n_results + ?, prompt_tokens = prompt_tokens + ?,"
        " completion_tokens = completion_tokens + ?, n_with_tokens = n_with_tokens + ?,"
        " runtime_sec = ?, stood_still_sec = ?"
        " WHERE session_id = ? AND ended_at IS NULL",
        (
            as_text(sign.now),
            sign.n_calls,
            sign.n_results,
            sign.prompt_tokens,
            sign.completion_tokens,
            sign.n_with_tokens,
            round(sign.worked, 3),
            round(sign.stood_still, 3),
            session_id,
        ),
    ).rowcount
    if alive != 1:
        raise SupersededError(
            "another session has taken this experiment over; nothing of this one was written"
        )


def ask_to_stop(connection: Connection, experiment_key: int, by: str, now: float) -> bool:
    """Ask the session that works on the experiment to stop; False if none is open."""
    return (
        connection.execute(
            "UPDATE run_sessions SET stop_asked_at = coalesce(stop_asked_at, :now),"
            " stop_asked_by = coalesce(stop_asked_by, :by)"
            " WHERE experiment_key = :key AND ended_at IS NULL",
            {"key": experiment_key, "by": by, "now": as_text(now)},
        ).rowcount
        > 0
    )


def asked_to_stop(database: Database, session_id: int) -> str | None:
    """Who has asked this session to stop; None as long as nobody has."""
    with database.read() as connection:
        found = connection.column(
            "SELECT stop_asked_by FROM run_sessions WHERE session_id = ?", (session_id,)
        )
    return found[0] if found else None


def record_peer(connection: Connection, session_id: int, values: Mapping[str, Any]) -> None:
    """What the server says of itself: served_model, system_fingerprint, structured."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(
        f"UPDATE run_sessions SET {assignments} WHERE session_id = :session_id",
        {**{name: storable(value) for name, value in values.items()}, "session_id": session_id},
    )


def sessions_of(connection: Connection, experiment_key: int) -> list[SessionRow]:
    """All sessions of an experiment, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM run_sessions WHERE experiment_key = :key ORDER BY session_id",
        {"key": experiment_key},
    )
    return [SessionRow(*row) for row in rows]


def last_session(connection: Connection, experiment_key: int) -> SessionRow | None:
    """The session before the one that is about to begin."""
    row = connection.row_or_none(
        f"SELECT {_COLUMNS} FROM run_sessions WHERE experiment_key = :key"
        " ORDER BY session_id DESC LIMIT 1",
        {"key": experiment_key},
    )
    return SessionRow(*row) if row else None


def is_first(connection: Connection, experiment_key: int) -> bool:
    """Whether the experiment has had no session yet."""
    found = connection.row_or_none(
        "SELECT 1 FROM run_sessions WHERE experiment_key = :key LIMIT 1",
        {"key": experiment_key},
    )
    return found is None


def runtime_of(connection: Connection, experiment_key: int) -> float:
    """Seconds of work: the sum over the experiment's sessions."""
    return sum(session.runtime_sec for session in sessions_of(connection, experiment_key))
