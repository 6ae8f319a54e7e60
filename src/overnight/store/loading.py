"""How a dataset gets into the database: in chunks, and declared complete at the end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from overnight.domain.narrative import LeftOut, SourceNarrative, as_binary
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.datasets import Dataset, get_dataset, kept_json, names_json, text_digest
from overnight.store.removal import drop_dataset, left_behind
from overnight.store.texts import filled
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


def begin_dataset(
    database: Database, checksum: str, mapping_json: str, *, data_source: str, layout: str
) -> int:
    """Make room for a dataset; what dead loaders left behind is removed first. Its id.

    Only for the holder of the loader's lock: then no other loader is alive.
    """
    for dataset_id in left_behind(database):
        drop_dataset(database, dataset_id)
    with database.write() as connection:
        return int(
            connection.value(
                "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
                " VALUES (:checksum, :mapping, :source, :layout) RETURNING dataset_id",
                {
                    "checksum": checksum,
                    "mapping": mapping_json,
                    "source": data_source,
                    "layout": layout,
                },
            )
        )


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
        if connection.executemany(_add(columns), values).rowcount == len(rows):
            return []
        # Rare: some key is taken. Undo the chunk, find out which, and number the others anew.
        connection.execute(
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
        if connection.execute(_add(_ADDED), values).rowcount == 1:
            row_num += 1
            continue
        first = connection.value(
            "SELECT narrative_text FROM narratives"
            " WHERE dataset_id = ? AND incident_id = ? AND narrative_type = ?",
            (dataset_id, row.incident_id, row.narrative_type),
        )
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


def add_left_out(database: Database, dataset_id: int, rows: Sequence[LeftOut]) -> None:
    """Write which rows are no usable narratives, and why."""
    if not rows:
        return
    with database.write() as connection:
        connection.executemany(
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
            "UPDATE datasets SET loaded_at = :now, odd_labels_json = :odd, kept_json = :kept,"
            " n_narratives = (SELECT count(*) FROM narratives WHERE dataset_id = :id),"
            " n_left_out = (SELECT count(*) FROM left_out_rows WHERE dataset_id = :id)"
            " WHERE dataset_id = :id",
            {
                "now": as_text(now),
                "odd": json.dumps(dict(odd_labels)),
                "kept": names_json(kept),
                "id": dataset_id,
            },
        )
    return get_dataset(database, dataset_id)
