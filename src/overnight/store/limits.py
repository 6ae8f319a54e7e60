"""The path of the limit in the database: how many calls at once a session found to be right."""

from dataclasses import dataclass

from overnight.events import LimitMoved
from overnight.store.connection import Connection
from overnight.store.times import as_text

MOST_POINTS = 400  # of a session; then every other one goes, ...
_ENDS = 100  # ... the first and the last hundred apart


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A point of the path as the database has it."""

    session_id: int
    at: str
    concurrency: int
    rate: float | None  # answers per second since the point before


def enter_limit(
    connection: Connection, session_id: int, experiment_key: int, moved: LimitMoved
) -> None:
    """Add a point to a session's path; a path that has become long is thinned out."""
    connection.execute(
        "INSERT INTO limits (session_id, experiment_key, at, concurrency, rate)"
        " VALUES (?, ?, ?, ?, ?)",
        (session_id, experiment_key, as_text(moved.at), moved.limit, moved.rate),
    )
    points = connection.execute(
        "SELECT count(*) FROM limits WHERE experiment_key = ? AND session_id = ?",
        (experiment_key, session_id),
    )
    if points.fetchone()[0] > MOST_POINTS:
        connection.execute(
            "DELETE FROM limits WHERE limit_id IN (SELECT limit_id FROM (SELECT limit_id,"
            " row_number() OVER (ORDER BY limit_id) AS n FROM limits"
            " WHERE experiment_key = ? AND session_id = ?)"
            " WHERE n % 2 = 0 AND n > ? AND n <= ?)",
            (experiment_key, session_id, _ENDS, MOST_POINTS - _ENDS),
        )


def limits_of(connection: Connection, experiment_key: int) -> list[LimitRow]:
    """The path of every session of an experiment, oldest first."""
    rows = connection.execute(
        "SELECT session_id, at, concurrency, rate FROM limits WHERE experiment_key = ?"
        " ORDER BY limit_id",
        (experiment_key,),
    )
    return [LimitRow(*row) for row in rows]
