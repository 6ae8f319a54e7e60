"""What remains to be done: found by query, a page at a time."""

import json
from array import array
from collections.abc import Sequence
from typing import Any

from overnight.domain.attempt import Job
from overnight.domain.narrative import Narrative
from overnight.store.connection import Connection, Row
from overnight.store.queries import query

# Ids without a gap among them are all done when as many results lie between the first and the last:
# counting along two indexes takes a fifth of the time of looking each narrative up.
_BLOCK = 4096
_IDS = (
    "SELECT count(*), min(narrative_id), max(narrative_id) FROM narratives"
    " WHERE dataset_id = :dataset AND row_num > :after AND row_num <= :last"
)
_DONE = (
    "SELECT count(*) FROM results"
    " WHERE experiment_key = :experiment AND narrative_id BETWEEN :first AND :last"
)


def done_until(connection: Connection, experiment_key: int, dataset_id: int, last: int) -> int:
    """A `row_num` up to which every narrative has a result, near the greatest one (at most `last`).

    A resume begins to look behind it.
    """
    for after in range(0, last, _BLOCK):
        end = min(after + _BLOCK, last)
        rows = {"dataset": dataset_id, "after": after, "last": end}
        n, first_id, last_id = connection.row(_IDS, rows)
        if n == 0 or last_id - first_id != n - 1:
            return after
        ids = {"experiment": experiment_key, "first": first_id, "last": last_id}
        if connection.value(_DONE, ids) != n:
            return after
    return last


def remaining_page(
    connection: Connection,
    experiment_key: int,
    dataset_id: int,
    *,
    after: int,
    last: int,
    size: int,
) -> list[Job]:
    """The next narratives without a result, in file order, with what the ledger knows of them.

    `after` and `last` bound `row_num`: the page begins behind the one and ends at the other.
    """
    return _jobs(
        connection,
        experiment_key,
        connection.rows(
            query("remaining", rows="n.row_num > :after AND n.row_num <= :last"),
            {
                "experiment": experiment_key,
                "dataset": dataset_id,
                "after": after,
                "last": last,
                "size": size,
            },
        ),
    )


def remaining_among(
    connection: Connection, experiment_key: int, dataset_id: int, rows: Sequence[int]
) -> list[Job]:
    """Those of `rows` (row numbers) without a result, in their order; else as `remaining_page`."""
    found = connection.rows(
        query("remaining", rows="n.row_num IN (SELECT value FROM json_each(:rows))"),
        {
            "experiment": experiment_key,
            "dataset": dataset_id,
            "rows": json.dumps(list(rows)),
            "size": len(rows),
        },
    )
    place = {row: i for i, row in enumerate(rows)}
    return _jobs(connection, experiment_key, sorted(found, key=lambda row: place[row[1]]))


def error_narratives(
    connection: Connection, experiment_key: int, categories: Sequence[str]
) -> Sequence[int]:
    """The ids of all narratives whose result is an error of one of `categories`; 8 bytes each."""
    failed = (
        "SELECT narrative_id FROM results WHERE experiment_key = :key"
        " AND error_category IS NOT NULL"
        " AND error_category IN (SELECT value FROM json_each(:categories)) ORDER BY narrative_id"
    )
    values = {"key": experiment_key, "categories": json.dumps(list(categories))}
    return array("q", (narrative_id for (narrative_id,) in connection.execute(failed, values)))


def jobs_of(
    connection: Connection,
    experiment_key: int,
    narrative_ids: Sequence[int],
    *,
    has_result: bool = True,
) -> list[Job]:
    """These narratives, in the order of their ids, with what the ledger knows of them."""
    narratives = (
        "SELECT narrative_id, row_num, incident_id, narrative_type, narrative_text"
        " FROM narratives WHERE narrative_id IN (SELECT value FROM json_each(:ids))"
        " ORDER BY narrative_id"
    )
    rows = connection.rows(narratives, {"ids": json.dumps(list(narrative_ids))})
    jobs = _jobs(connection, experiment_key, rows)
    for job in jobs:
        job.has_result = has_result
    return jobs


def _jobs(connection: Connection, experiment_key: int, rows: Sequence[Row]) -> list[Job]:
    if not rows:
        return []
    ids = [row[0] for row in rows]
    histories = _histories(connection, experiment_key, ids)
    return [Job(Narrative(*row), **histories.get(row[0], {})) for row in rows]


def _histories(
    connection: Connection, experiment_key: int, ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    rows = connection.rows(
        query("calls_so_far"), {"experiment": experiment_key, "ids": json.dumps(ids)}
    )
    return {
        narrative_id: {
            "n_calls": n_calls,
            "n_unreadable": n_unreadable,
            "unreadable_now": unreadable_now,
            "first_error": _message(connection, attempt_id),
        }
        for narrative_id, n_calls, n_unreadable, unreadable_now, attempt_id in rows
    }


def _message(connection: Connection, attempt_id: int | None) -> str | None:
    if attempt_id is None:
        return None
    message: str | None = connection.value(
        "SELECT error_message FROM attempts WHERE attempt_id = :id", {"id": attempt_id}
    )
    return message
