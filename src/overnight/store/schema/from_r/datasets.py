"""Datasets out of `source_narratives`: one for each file that rows were loaded from."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from overnight.store.connection import Connection
from overnight.store.datasets import FROM_R
from overnight.store.schema.from_r.functions import as_utc
from overnight.store.schema.from_r.rows import Old
from overnight.store.schema.from_r.tables import Columns

NO_CHECKSUM = "none"


def make_datasets(connection: Connection, columns: Columns, now: str) -> dict[str, int]:
    """An empty dataset per file; its id by the file's name."""
    old = Old("source_narratives", columns)
    rows = connection.rows(
        f"SELECT coalesce({old['data_source']}, ''), min({old['data_checksum']}),"
        f" count(DISTINCT {old['data_checksum']}), min({old['loaded_at']})"
        f" FROM {old.table} o GROUP BY 1 ORDER BY min(o.rowid)"
    )
    made: dict[str, int] = {}
    for source, checksum, n_checksums, loaded_at in rows:
        known = checksum if n_checksums == 1 else NO_CHECKSUM
        made[source] = _make(connection, source, known, as_utc(loaded_at) or now)
    return made


def _make(connection: Connection, source: str, checksum: str, loaded_at: str) -> int:
    """A dataset; two never share a checksum, not even that of not having one."""
    n = connection.value(
        "SELECT count(*) FROM datasets WHERE data_checksum = ? OR data_checksum LIKE ?",
        (checksum, f"{checksum}-%"),
    )
    values = (f"{checksum}-{n + 1}" if n else checksum, source or "unknown", FROM_R, loaded_at)
    statement = (
        "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout, loaded_at,"
        " odd_labels_json) VALUES (?, '{}', ?, ?, ?, '{}') RETURNING dataset_id"
    )
    return int(connection.value(statement, values))


def count_rows(connection: Connection) -> None:
    """Write down how many rows each dataset has."""
    connection.execute(
        "UPDATE datasets SET n_narratives = (SELECT count(*) FROM narratives n"
        " WHERE n.dataset_id = datasets.dataset_id), n_left_out = (SELECT count(*)"
        " FROM left_out_rows l WHERE l.dataset_id = datasets.dataset_id)"
    )


class Finder:
    """Which dataset an experiment was about."""

    def __init__(
        self, connection: Connection, columns: Columns, datasets: dict[str, int], now: str
    ) -> None:
        self._connection, self._datasets, self._now = connection, datasets, now
        self._old = Old("narrative_results", columns)

    def dataset_of(self, row: Mapping[str, Any]) -> int:
        """That of the file it names, else the one that most of its results are of."""
        file = str(row.get("data_file") or "")
        alike = [source for source in self._datasets if _name(source) == _name(file)]
        if file in self._datasets:
            return self._datasets[file]
        if len(alike) == 1:
            return self._datasets[alike[0]]
        if len(self._datasets) == 1:
            return next(iter(self._datasets.values()))
        if (source := self._most_results(row["experiment_id"])) is None:
            self._datasets[file] = _make(self._connection, file, NO_CHECKSUM, self._now)
            source = file
        return self._datasets[source]

    def _most_results(self, experiment_id: str) -> str | None:
        old = self._old
        found = self._connection.column(
            f"SELECT u.source FROM {old.table} o JOIN r_usable u ON u.id = {old.incident}"
            f" AND u.type = {old.type} WHERE {old['experiment_id']} = ?"
            " GROUP BY u.source ORDER BY count(*) DESC LIMIT 1",
            (experiment_id,),
        )
        return found[0] if found else None


def _name(file: str) -> str:
    return PurePath(file.replace("\\", "/")).name
