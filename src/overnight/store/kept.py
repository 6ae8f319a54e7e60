"""What stands in the kept columns of a dataset, counted."""

from dataclasses import dataclass

from sqlalchemy import text

from overnight.store.database import Database
from overnight.store.parts import WHOLE, Part, path_of

_MOST = 1000  # values that are told apart where nobody says how many


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


def values_of(
    database: Database, dataset_id: int, column: str, part: Part = WHOLE, *, most: int = _MOST
) -> Values:
    """Which values the narratives of a part have in a kept column."""
    query = text(
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
        rows = connection.execute(query, values).all()
    found = tuple(Value(row[0], int(row[1])) for row in rows)
    if not rows:
        return Values((), 0, 0)
    return Values(found, int(rows[0][2]) - len(found), int(rows[0][3]))
