"""Labels that people gave after the data was loaded: added, never changed; the newest counts.

`narratives` holds the label that counts, so that no reader has to look for it; the history is here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from overnight.domain.narrative import as_binary
from overnight.store.connection import Connection
from overnight.store.database import Database

_CHUNK = 500  # keys that are looked up at once

Key = tuple[str, str]  # incident_id, narrative_type


class OnRecord(NamedTuple):
    """A narrative, and the label that it has now."""

    narrative_id: int
    row_num: int
    label: str | None


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label to be recorded, the one that it takes the place of, and who gave it when."""

    narrative_id: int
    label: str
    replaced: str | None
    note: str | None
    by: str
    at: str


class FirstLabel(NamedTuple):
    """The first label that a person gave a narrative: its id, and what the data file says."""

    label_id: int
    of_file: str | None


def labels_on_record(
    connection: Connection, dataset_id: int, keys: Sequence[Key]
) -> dict[Key, OnRecord]:
    """Those of (incident_id, narrative_type) that a dataset has."""
    found: dict[Key, OnRecord] = {}
    for start in range(0, len(keys), _CHUNK):
        page = keys[start : start + _CHUNK]
        marks = ", ".join(["(?, ?)"] * len(page))
        rows = connection.rows(
            f"WITH wanted (incident, type) AS (VALUES {marks})"
            " SELECT n.incident_id, n.narrative_type, n.narrative_id, n.row_num, n.label"
            " FROM wanted w CROSS JOIN narratives n ON n.dataset_id = ?"
            " AND n.incident_id = w.incident AND n.narrative_type = w.type",
            (*(part for key in page for part in key), dataset_id),
        )
        found |= {(row[0], row[1]): OnRecord(*row[2:]) for row in rows}
    return found


def ids_with_zeros(
    connection: Connection, dataset_id: int, numbers: Collection[str]
) -> dict[Key, list[str]]:
    """(number, narrative_type) -> the ids that are this number but for zeros in front of it.

    Numbers are written without such zeros. One pass over an index, for any number of them.
    """
    found: dict[Key, list[str]] = {}
    if not numbers:
        return found
    rows = connection.execute(
        "SELECT incident_id, narrative_type FROM narratives WHERE dataset_id = :id",
        {"id": dataset_id},
    )
    for incident_id, kind in rows:
        number = bare_number(incident_id)
        if number in numbers:
            found.setdefault((number, kind), []).append(incident_id)
    return found


def bare_number(incident_id: str) -> str:
    """An id without the zeros in front of it."""
    return incident_id.lstrip("0") or "0"


def add_labels(
    connection: Connection,
    dataset_id: int,
    labels: Sequence[NewLabel],
    *,
    source_file: str,
    source_checksum: str | None = None,
) -> None:
    """Record who labelled what, and let it count from now on.

    `source_checksum` is that of the data that the labels are taken over from, where they are.
    """
    if not labels:
        return
    source = source_file, source_checksum
    connection.executemany(
        "INSERT INTO human_labels (dataset_id, narrative_id, label, replaced, labelled_by,"
        " labelled_at, note, source_file, source_checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (dataset_id, o.narrative_id, o.label, o.replaced, o.by, o.at, o.note, *source)
            for o in labels
        ],
    )
    connection.executemany(
        "UPDATE narratives SET label = ?, manual_flag_ind = ? WHERE narrative_id = ?",
        [(one.label, as_binary(one.label), one.narrative_id) for one in labels],
    )


def first_labels(database: Database, dataset_id: int) -> Mapping[int, FirstLabel]:
    """Of each narrative that people have labelled, by its row number."""
    with database.read() as connection:
        return first_labels_in(connection, dataset_id)


def first_labels_in(connection: Connection, dataset_id: int) -> Mapping[int, FirstLabel]:
    """The same, within a transaction."""
    rows = connection.rows(
        "SELECT n.row_num, h.label_id, h.replaced FROM human_labels h"
        " JOIN narratives n ON n.narrative_id = h.narrative_id WHERE h.dataset_id = :id"
        " AND h.label_id = (SELECT min(f.label_id) FROM human_labels f"
        " WHERE f.narrative_id = h.narrative_id)",
        {"id": dataset_id},
    )
    return {int(row_num): FirstLabel(label_id, of_file) for row_num, label_id, of_file in rows}


def count_labelled(connection: Connection, dataset_id: int) -> int:
    """How many narratives of a dataset people have labelled."""
    return int(
        connection.value(
            "SELECT count(DISTINCT narrative_id) FROM human_labels WHERE dataset_id = :id",
            {"id": dataset_id},
        )
    )


def last_label_id(connection: Connection, dataset_id: int) -> int:
    """The newest label of a dataset; 0 where there is none."""
    return int(
        connection.value(
            "SELECT coalesce(max(label_id), 0) FROM human_labels WHERE dataset_id = :id",
            {"id": dataset_id},
        )
    )
