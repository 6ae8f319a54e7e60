"""The kept columns of a dataset: put beside its narratives, and counted."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.domain.narrative import SourceNarrative
from overnight.store.database import Database
from overnight.store.datasets import Dataset, get_dataset, kept_json, names_json
from overnight.store.parts import WHOLE, Part, path_of
from overnight.store.results import repairs_of

_KEEP = """
    UPDATE narratives SET kept = nullif(json_patch(coalesce(kept, '{}'), ?), '{}')
    WHERE dataset_id = ? AND row_num = ?"""
_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a column, None for blank ones, and how many narratives have it."""

    value: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Values:
    """The most frequent values of a column, most narratives first, and what they leave out."""

    values: tuple[Value, ...]
    n_more: int  # values that are not among them
    n_narratives: int  # in all


def keep_more(
    database: Database,
    dataset: Dataset,
    rows: Iterable[tuple[int, SourceNarrative]],
    columns: Sequence[str],
) -> Dataset:
    """Put further columns of the data file beside its narratives, all of them or none.

    `rows` are (row_num, the narrative as the file has it). Nothing else of a narrative changes.
    """
    kept = list(dict.fromkeys([*dataset.kept, *columns]))
    with database.write() as connection:
        numbered = ((kept_json(row) or "{}", dataset.dataset_id, at) for at, row in rows)
        while chunk := list(islice(numbered, _CHUNK)):
            connection.executemany(_KEEP, chunk)
        connection.execute(
            "UPDATE datasets SET kept_json = :kept WHERE dataset_id = :id",
            {"kept": names_json(kept), "id": dataset.dataset_id},
        )
    return get_dataset(database, dataset.dataset_id)


def values_of(
    database: Database, dataset_id: int, column: str, part: Part = WHOLE, *, most: int
) -> Values:
    """Which values the narratives of a part have in a kept column."""
    query = (
        "SELECT json_extract(n.kept, :column_path) AS value, count(*) AS n,"
        " count(*) OVER (), sum(count(*)) OVER ()"
        f" FROM narratives n WHERE n.dataset_id = :dataset AND {part.sql}"
        " GROUP BY 1 ORDER BY n DESC, value LIMIT :most"
    )
    values = {
        **part.values,
        "column_path": path_of(column),
        "dataset": dataset_id,
        "most": most,
    }
    with database.read() as connection:
        rows = connection.rows(query, values)
    found = tuple(Value(row[0], int(row[1])) for row in rows)
    if not rows:
        return Values((), 0, 0)
    return Values(found, int(rows[0][2]) - len(found), int(rows[0][3]))


def absent_values(
    database: Database, dataset_id: int, column: str, values: Sequence[str]
) -> list[str]:
    """Those of `values` that no narrative has in a kept column."""
    query = (
        "SELECT DISTINCT json_extract(n.kept, :column_path) AS value FROM narratives n"
        " WHERE n.dataset_id = :dataset AND value IN (SELECT j.value FROM json_each(:wanted) j)"
    )
    asked = {"column_path": path_of(column), "dataset": dataset_id, "wanted": json.dumps(values)}
    with database.read() as connection:
        found = set(connection.column(query, asked))
    return [value for value in values if value not in found]


def label_counts_by(
    database: Database, experiment_key: int, part: Part, column: str, values: Sequence[str | None]
) -> dict[str | None, ExperimentCounts]:
    """`label_counts` for each of some values of a kept column; None is a blank one."""
    query = (
        "SELECT json_extract(n.kept, :column_path) AS value, n.narrative_type, n.label,"
        " r.primary_value, r.error_category, count(*), r.repaired"
        " FROM results r JOIN narratives n ON n.narrative_id = r.narrative_id"
        f" WHERE r.experiment_key = :key AND {part.sql} AND"
        " (value IS NULL OR value IN (SELECT j.value FROM json_each(:column_values) j))"
        " GROUP BY 1, 2, 3, 4, 5, 7 ORDER BY 1, 2, 3, 4, 5, 7"
    )
    asked = {
        **part.values,
        "key": experiment_key,
        "column_path": path_of(column),
        "column_values": json.dumps([value for value in values if value is not None]),
    }
    with database.read() as connection:
        rows = connection.rows(query, asked)
    return {
        value: ExperimentCounts(
            by_label=tuple(LabelCount(*row[1:6]) for row in rows if row[0] == value),
            repairs=repairs_of((row[6], row[5]) for row in rows if row[0] == value and row[6]),
        )
        for value in values
    }
