"""Datasets in the database: usable only when complete. How they get there: `loading`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.errors import RefusedError
from overnight.store.connection import Connection
from overnight.store.database import Database

_PURGED = "its narratives were purged just now; type the same command again"
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
        row = connection.row_or_none(
            f"SELECT {_COLUMNS} FROM datasets WHERE data_checksum = :checksum"
            " AND mapping_json = :mapping AND loaded_at IS NOT NULL",
            {"checksum": checksum, "mapping": mapping_json},
        )
    return _dataset(row) if row else None


def get_dataset(database: Database, dataset_id: int) -> Dataset:
    """The complete dataset with this id. Raises RefusedError if it has just been purged."""
    with database.read() as connection:
        row = connection.row_or_none(
            f"SELECT {_COLUMNS} FROM datasets WHERE dataset_id = :id", {"id": dataset_id}
        )
    if row is None:
        raise RefusedError(_PURGED)
    return _dataset(row)


def refuse_unless_loaded(
    connection: Connection, dataset_id: int, experiment_id: str | None = None
) -> None:
    """Raise RefusedError for a dataset that has been deleted meanwhile, or is about to be.

    `experiment_id`: of the experiment that it is needed of, where it is one's own already.
    """
    loaded = connection.row_or_none(
        "SELECT 1 FROM datasets WHERE dataset_id = :id AND loaded_at IS NOT NULL",
        {"id": dataset_id},
    )
    if loaded is not None:
        return
    if experiment_id is None:
        raise RefusedError(_PURGED)
    short = experiment_id[:8]
    raise RefusedError(
        f"the narratives of {short} are being purged; where that was broken off, it is finished "
        f"by: overnight purge {short}"
    )


def kept_json(row: SourceNarrative) -> str | None:
    """What is kept beside a narrative; None where nothing is."""
    if not row.kept:
        return None
    return json.dumps(row.kept, ensure_ascii=False, separators=(",", ":"))


def names_json(kept: Sequence[str]) -> str | None:
    """Names of kept columns as they are stored."""
    return json.dumps(list(kept), ensure_ascii=False) if kept else None


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
        rows = connection.rows(
            f"WITH wanted (incident, type) AS (VALUES {marks})"
            " SELECT n.incident_id, n.narrative_type, n.row_num, n.text_sha256,"
            " CASE WHEN h.label_id IS NULL THEN n.label ELSE h.replaced END, n.case_label"
            " FROM wanted w CROSS JOIN narratives n ON n.dataset_id = ?"
            " AND n.incident_id = w.incident AND n.narrative_type = w.type"
            " LEFT JOIN human_labels h ON h.label_id = (SELECT min(f.label_id) FROM human_labels f"
            " WHERE f.narrative_id = n.narrative_id)",
            (*(part for key in keys for part in key), dataset_id),
        )
    return {(row[0], row[1]): StoredNarrative(*row[2:]) for row in rows}


def left_out(database: Database, dataset_id: int) -> Iterator[LeftOut]:
    """The rows that were left out, in file order."""
    with database.read() as connection:
        rows = connection.rows(
            "SELECT source_row, incident_id, narrative_type, reason, narrative_text"
            " FROM left_out_rows WHERE dataset_id = :id ORDER BY source_row, left_out_id",
            {"id": dataset_id},
        )
    return (LeftOut(*row) for row in rows)


def left_out_counts(database: Database, dataset_id: int) -> dict[str, int]:
    """How many rows were left out, by reason."""
    with database.read() as connection:
        rows = connection.rows(
            "SELECT reason, count(*) FROM left_out_rows WHERE dataset_id = :id"
            " GROUP BY reason ORDER BY reason",
            {"id": dataset_id},
        )
    return {str(reason): int(n) for reason, n in rows}
