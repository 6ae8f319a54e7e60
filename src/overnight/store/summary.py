"""Counted answers to the questions that a screen asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.store.database import Database
from overnight.store.pauses import PauseRow, pauses_of
from overnight.store.sessions import SessionRow, sessions_of


@dataclass(frozen=True, slots=True)
class Summary:
    """One experiment, from one consistent view of the database."""

    row: Mapping[str, Any]  # every column of `experiments`
    sessions: list[SessionRow]
    pauses: list[PauseRow]
    n_results: int
    errors: Mapping[str, int]  # results by error category
    unanswered: Mapping[str, int]  # calls by status: open, failed, lost
    n_copied: int = 0  # of the results, those that another experiment had given


def summarize(database: Database, experiment_key: int) -> Summary:
    """Count on the indexes; milliseconds at any size."""
    key = {"key": experiment_key}
    with database.read() as connection:
        [row] = connection.records("SELECT * FROM experiments WHERE experiment_key = :key", key)
        n_results = connection.value(
            "SELECT count(*) FROM results WHERE experiment_key = :key", key
        )
        n_copied = connection.value(
            "SELECT count(*) FROM results WHERE experiment_key = :key AND copied IS NOT NULL",
            key,
        )
        errors = connection.rows(
            "SELECT error_category, count(*) FROM results WHERE experiment_key = :key"
            " AND error_category IS NOT NULL GROUP BY error_category ORDER BY 1",
            key,
        )
        unanswered = connection.rows(
            "SELECT status, count(*) FROM attempts WHERE experiment_key = :key"
            " AND status <> 'answered' GROUP BY status ORDER BY 1",
            key,
        )
        sessions = sessions_of(connection, experiment_key)
        pauses = pauses_of(connection, experiment_key)
    return Summary(
        row=row,
        sessions=sessions,
        pauses=pauses,
        n_results=int(n_results),
        errors={str(category): int(n) for category, n in errors},
        unanswered={str(status): int(n) for status, n in unanswered},
        n_copied=int(n_copied),
    )
