"""Datasets in the database: loaded in chunks, usable only when complete."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from overnight.domain.narrative import LeftOut, SourceNarrative, as_binary
from overnight.errors import RefusedError
from overnight.store.database import Database
from overnight.store.hot import filled
from overnight.store.times import as_text

_ADDED = (
    "dataset_id",
    "row_num",
    "incident_id",
    "narrative_type",
    "label",
    "case_label",
    "manual_flag_ind",
    "manual_flag",
    "text_sha256",
    "narrative_text",
    "kept",
)


def _add(columns: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO narratives ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        " ON CONFLICT (dataset_id, incident_id, narrative_type) DO NOTHING"
    )


_DROP_CHUNK = 5000
_TABLES = {  # of a dataset's rows, those that point to others first -> their keys
    "human_labels": "label_id",
    "sample_members": "member_id",
    "samples": "sample_id",
    "narratives": "narrative_id",
    "left_out_rows": "left_out_id",
}
FROM_R = "R"  # the layout of a dataset that the earlier R implementation had loaded


@dataclass(frozen=True, slots=True)
class Dataset:
    """A complete dataset."""

    dataset_id: int
    checksum: str
    mapping_json: str
    data_source: str
    layout: str
    n_narratives: int
    n_left_out: int
    odd_labels: Mapping[str, int]
    kept: tuple[str, ...] = ()  # columns of the file that stand beside each narrative


_COLUMNS = (
    "dataset_id, data_checksum, mapping_json, data_source, layout, n_narratives, n_left_out,"
    " odd_labels_json, kept_json"
)


def _dataset(row: Sequence[Any]) -> Dataset:
    dataset_id, checksum, mapping, source, layout, n_narratives, n_left_out, odd_labels, kept = row
    return Dataset(
        dataset_id=dataset_id,
        checksum=checksum,
        mapping_json=mapping,
        data_source=source,
        layout=layout,
        n_narratives=n_narratives,
        n_left_out=n_left_out,
        odd_labels=json.loads(odd_labels or "{}"),
        kept=tuple(json.loads(kept or "[]")),
    )


def find_dataset(database: Database, checksum: str, mapping_json: str) -> Dataset | None:
    """The complete dataset of this content under this mapping, if it is loaded."""
    with database.read() as connection:
        row = connection.execute(
            text(
                f"SELECT {_COLUMNS} FROM datasets WHERE data_checksum = :checksum"
                " AND mapping_json = :mapping AND loaded_at IS NOT NULL"
            ),
            {"checksum": checksum, "mapping": mapping_json},
        ).one_or_none()
    return _dataset(row) if row else None


def get_dataset(database: Database, dataset_id: int) -> Dataset:
    """The complete dataset with this id."""
    with database.read() as connection:
        row = connection.execute(
            text(f"SELECT {_COLUMNS} FROM datasets WHERE dataset_id = :id"), {"id": dataset_id}
        ).one()
    return _dataset(row)


def refuse_unless_loaded(
    connection: Connection, dataset_id: int, experiment_id: str | None = None
) -> None:
    """Raise RefusedError for a dataset that has been deleted meanwhile, or is about to be.

    `experiment_id`: of the experiment that it is needed of, where it is one's own already.
    """
    loaded = connection.execute(
        text("SELECT 1 FROM datasets WHERE dataset_id = :id AND loaded_at IS NOT NULL"),
        {"id": dataset_id},
    ).first()
    if loaded is not None:
        return
    if experiment_id is None:
        raise RefusedError("its narratives were purged just now; type the same command again")
    short = experiment_id[:8]
    raise RefusedError(
        f"the narratives of {short} are being purged; where that was broken off, it is finished "
        f"by: overnight purge {short}"
    )


def begin_dataset(
    database: Database, checksum: str, mapping_json: str, *, data_source: str, layout: str
) -> int:
    """Make room for a dataset; what dead loaders left behind is removed first. Its id.

    Only for the holder of the loader's lock: then no other loader is alive.
    """
    with database.read() as connection:
        stale = connection.execute(
            text(
                "SELECT dataset_id FROM datasets WHERE loaded_at IS NULL"
                " AND dataset_id NOT IN (SELECT dataset_id FROM experiments)"  # being purged
            )
        ).scalars()
        left_behind = list(stale)
    for dataset_id in left_behind:
        drop_dataset(database, dataset_id)
    with database.write() as connection:
        return int(
            connection.execute(
                text(
                    "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
                    " VALUES (:checksum, :mapping, :source, :layout) RETURNING dataset_id"
                ),
                {
                    "checksum": checksum,
                    "mapping": mapping_json,
                    "source": data_source,
                    "layout": layout,
                },
            ).scalar_one()
        )


def drop_dataset(database: Database, dataset_id: int) -> None:
    """Remove an incomplete dataset, a piece at a time so that others can write in between."""
    empty_dataset(database, dataset_id)
    with database.write() as connection:
        connection.execute(
            text("DELETE FROM datasets WHERE dataset_id = :id AND loaded_at IS NULL"),
            {"id": dataset_id},
        )


def empty_dataset(database: Database, dataset_id: int) -> None:
    """Remove the rows of a dataset that is not (or no longer) complete: nothing points to them."""
    for table, key in _TABLES.items():
        n_deleted = _DROP_CHUNK
        while n_deleted == _DROP_CHUNK:
            with database.remove() as connection:
                n_deleted = connection.execute(
                    text(
                        f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table}"
                        f" WHERE dataset_id = :id LIMIT {_DROP_CHUNK})"
                    ),
                    {"id": dataset_id},
                ).rowcount


def add_narratives(
    database: Database, dataset_id: int, rows: Sequence[SourceNarrative], next_row_num: int
) -> list[tuple[int, SourceNarrative, bool]]:
    """Write a chunk. `row_num` counts from `next_row_num` over the rows that are kept.

    Returns the rows whose key an earlier one has taken, as (index in `rows`, row, whether its
    text is the same).
    """
    with database.write() as connection:
        numbered = [_narrative_row(dataset_id, next_row_num + i, row) for i, row in enumerate(rows)]
        columns, values = filled(_ADDED, numbered)
        if connection.exec_driver_sql(_add(columns), values).rowcount == len(rows):
            return []
        # Rare: some key is taken. Undo the chunk, find out which, and number the others anew.
        connection.exec_driver_sql(
            "DELETE FROM narratives WHERE dataset_id = ? AND row_num >= ?",
            (dataset_id, next_row_num),
        )
        return _add_one_by_one(connection, dataset_id, rows, next_row_num)


def _add_one_by_one(
    connection: Connection, dataset_id: int, rows: Sequence[SourceNarrative], row_num: int
) -> list[tuple[int, SourceNarrative, bool]]:
    duplicates = []
    for index, row in enumerate(rows):
        values = _narrative_row(dataset_id, row_num, row)
        if connection.exec_driver_sql(_add(_ADDED), values).rowcount == 1:
            row_num += 1
            continue
        first = connection.exec_driver_sql(
            "SELECT narrative_text FROM narratives"
            " WHERE dataset_id = ? AND incident_id = ? AND narrative_type = ?",
            (dataset_id, row.incident_id, row.narrative_type),
        ).scalar_one()
        duplicates.append((index, row, first == row.text))
    return duplicates


def _narrative_row(dataset_id: int, row_num: int, row: SourceNarrative) -> tuple[Any, ...]:
    gold, case_gold = as_binary(row.label), as_binary(row.case_label)
    return (
        dataset_id,
        row_num,
        row.incident_id,
        row.narrative_type,
        row.label,
        row.case_label,
        None if gold is None else int(gold),
        None if case_gold is None else int(case_gold),
        bytearray(text_digest(row.text)),  # what sqlite3 binds without asking for an adapter
        row.text,
        kept_json(row),
    )


def kept_json(row: SourceNarrative) -> str | None:
    """What is kept beside a narrative; None where nothing is."""
    if not row.kept:
        return None
    return json.dumps(row.kept, ensure_ascii=False, separators=(",", ":"))


def text_digest(text: str) -> bytes:
    """What tells two texts apart: SHA-256 of the UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class StoredNarrative:
    """A narrative of a dataset, told by the digest of its text; the labels are the file's."""

    row_num: int
    text_sha256: bytes
    label: str | None
    case_label: str | None


def stored_narratives(
    database: Database, dataset_id: int, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], StoredNarrative]:
    """Those of (incident_id, narrative_type) that a dataset has."""
    marks = ", ".join(["(?, ?)"] * len(keys))
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            f"WITH wanted (incident, type) AS (VALUES {marks})"
            " SELECT n.incident_id, n.narrative_type, n.row_num, n.text_sha256,"
            " CASE WHEN h.label_id IS NULL THEN n.label ELSE h.replaced END, n.case_label"
            " FROM wanted w CROSS JOIN narratives n ON n.dataset_id = ?"
            " AND n.incident_id = w.incident AND n.narrative_type = w.type"
            " LEFT JOIN human_labels h ON h.label_id = (SELECT min(f.label_id) FROM human_labels f"
            " WHERE f.narrative_id = n.narrative_id)",
            (*(part for key in keys for part in key), dataset_id),
        ).all()
    return {(row[0], row[1]): StoredNarrative(*row[2:]) for row in rows}


def add_left_out(database: Database, dataset_id: int, rows: Sequence[LeftOut]) -> None:
    """Write which rows are no usable narratives, and why."""
    if not rows:
        return
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO left_out_rows (dataset_id, source_row, incident_id, narrative_type,"
            " reason, narrative_text) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (dataset_id, r.source_row, r.incident_id, r.narrative_type, r.reason, r.text)
                for r in rows
            ],
        )


def finish_dataset(
    database: Database,
    dataset_id: int,
    odd_labels: Mapping[str, int],
    now: float,
    kept: Sequence[str] = (),
) -> Dataset:
    """Declare a dataset complete; from now on nothing of it changes but labels, on record."""
    with database.write() as connection:
        connection.execute(
            text(
                "UPDATE datasets SET loaded_at = :now, odd_labels_json = :odd, kept_json = :kept,"
                " n_narratives = (SELECT count(*) FROM narratives WHERE dataset_id = :id),"
                " n_left_out = (SELECT count(*) FROM left_out_rows WHERE dataset_id = :id)"
                " WHERE dataset_id = :id"
            ),
            {
                "now": as_text(now),
                "odd": json.dumps(dict(odd_labels)),
                "kept": names_json(kept),
                "id": dataset_id,
            },
        )
    return get_dataset(database, dataset_id)


def names_json(kept: Sequence[str]) -> str | None:
    """Names of kept columns as they are stored."""
    return json.dumps(list(kept), ensure_ascii=False) if kept else None


def left_out(database: Database, dataset_id: int) -> Iterator[LeftOut]:
    """The rows that were left out, in file order."""
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT source_row, incident_id, narrative_type, reason, narrative_text"
                " FROM left_out_rows WHERE dataset_id = :id ORDER BY source_row, left_out_id"
            ),
            {"id": dataset_id},
        ).all()
    return (LeftOut(*row) for row in rows)


def left_out_counts(database: Database, dataset_id: int) -> dict[str, int]:
    """How many rows were left out, by reason."""
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT reason, count(*) FROM left_out_rows WHERE dataset_id = :id"
                " GROUP BY reason ORDER BY reason"
            ),
            {"id": dataset_id},
        ).all()
    return {str(reason): int(n) for reason, n in rows}
