"""Two datasets that are versions of one data file: what people said of the older is in the newer.

Narratives are the same by incident_id and narrative_type; their texts, by SHA-256, may differ.
"""

from collections.abc import Iterator
from typing import NamedTuple

from overnight.domain.experiment import Experiment
from overnight.store.connection import Connection
from overnight.store.database import Database

_PAGE_SIZE = 20_000  # rows that are compared in one transaction


class Given(NamedTuple):
    """The newest label that a person gave a narrative of the older, and what the newer has."""

    incident_id: str
    narrative_type: str
    label: str
    by: str
    at: str
    note: str | None
    narrative_id: int | None  # of the newer; None where it has no such narrative
    is_same_text: bool
    on_record: str | None
    is_of_a_person: bool  # what is on record
    is_taken_over: bool  # this very label, before; what came after it counts


class Difference(NamedTuple):
    """A row of the older that the newer has not, or with another label in the data file."""

    row_num: int
    is_same_narrative: bool
    before: str | None  # the label in the older file
    now: str | None


class LabelledVersion(NamedTuple):
    """An experiment over another version, and how many labels can be taken over from there."""

    experiment_id: str
    n_labels: int


_GIVEN = (
    "SELECT o.incident_id, o.narrative_type, h.label, h.labelled_by, h.labelled_at, h.note,"
    " n.narrative_id, coalesce(n.text_sha256 = o.text_sha256, 0), n.label,"
    " EXISTS (SELECT 1 FROM human_labels p WHERE p.narrative_id = n.narrative_id),"
    " EXISTS (SELECT 1 FROM human_labels p WHERE p.narrative_id = n.narrative_id"
    "  AND p.source_checksum IS NOT NULL AND p.labelled_at = h.labelled_at"
    "  AND p.labelled_by = h.labelled_by), l.first_id"
    " FROM (SELECT narrative_id, min(label_id) AS first_id, max(label_id) AS newest_id"
    "       FROM human_labels WHERE dataset_id = :older GROUP BY narrative_id) l"
    " CROSS JOIN human_labels h ON h.label_id = l.newest_id"
    " CROSS JOIN narratives o ON o.narrative_id = l.narrative_id"
    " LEFT JOIN narratives n ON n.dataset_id = :newer AND n.incident_id = o.incident_id"
    "  AND n.narrative_type = o.narrative_type"
)


def given_labels(connection: Connection, older: int, newer: int) -> list[Given]:
    """Of each narrative that people have labelled, in the order of their first labels."""
    rows = connection.rows(_GIVEN, {"older": older, "newer": newer})
    return [
        Given._make((*row[:7], bool(row[7]), row[8], bool(row[9]), bool(row[10])))
        for row in sorted(rows, key=lambda row: int(row[11]))
    ]


def _of_file(narrative: str, first: str) -> str:
    return f"CASE WHEN {first}.label_id IS NULL THEN {narrative}.label ELSE {first}.replaced END"


def _first(narrative: str, first: str) -> str:
    return (
        f" LEFT JOIN human_labels {first} ON {first}.label_id = (SELECT min(f.label_id)"
        f" FROM human_labels f WHERE f.narrative_id = {narrative}.narrative_id)"
    )


_IS_SAME = "m.incident_id IS n.incident_id AND m.narrative_type IS n.narrative_type"
_DIFFERENCES = (
    f"SELECT n.row_num, {_IS_SAME}, {_of_file('n', 'h')}, {_of_file('m', 'k')}"
    " FROM narratives n"
    " LEFT JOIN narratives m ON m.dataset_id = :newer AND m.row_num = n.row_num"
    f"{_first('n', 'h')}{_first('m', 'k')}"
    " WHERE n.dataset_id = :older AND n.row_num > :after AND n.row_num <= :last"
    f" AND (NOT ({_IS_SAME}) OR {_of_file('n', 'h')} IS NOT {_of_file('m', 'k')})"
    " ORDER BY n.row_num"
)


def differences(database: Database, older: int, newer: int, size: int) -> Iterator[Difference]:
    """What differs in the first `size` rows of the older; texts may."""
    for after in range(0, size, _PAGE_SIZE):
        values = {"older": older, "newer": newer, "after": after, "last": after + _PAGE_SIZE}
        with database.read() as connection:
            rows = connection.rows(_DIFFERENCES, values)
        yield from (Difference(row[0], bool(row[1]), row[2], row[3]) for row in rows)


_SHARES = (
    "SELECT EXISTS (SELECT 1 FROM narratives o CROSS JOIN narratives n ON n.dataset_id = :newer"
    " AND n.incident_id = o.incident_id AND n.narrative_type = o.narrative_type"
    " AND n.text_sha256 = o.text_sha256 WHERE o.dataset_id = :older AND o.row_num <= 1000)"
)


def shares_texts(connection: Connection, older: int, newer: int) -> bool:
    """Whether one of the first 1,000 narratives of the older is in the newer with its text."""
    values = {"older": older, "newer": newer}
    return bool(connection.value(_SHARES, values))


_LABELLED = (
    "SELECT d.dataset_id, coalesce("
    " (SELECT e.experiment_id FROM experiments e"
    "  WHERE e.experiment_id = :reused AND e.dataset_id = d.dataset_id),"
    " (SELECT e.experiment_id FROM experiments e WHERE e.dataset_id = d.dataset_id"
    "  AND e.repeat_of IS NULL ORDER BY e.experiment_key DESC LIMIT 1))"
    " FROM datasets d JOIN datasets mine ON mine.dataset_id = :id"
    " WHERE d.dataset_id <> :id AND d.loaded_at IS NOT NULL"
    " AND (d.data_source = mine.data_source OR d.dataset_id ="
    "  (SELECT e.dataset_id FROM experiments e WHERE e.experiment_id = :reused))"
    " AND EXISTS (SELECT 1 FROM human_labels h WHERE h.dataset_id = d.dataset_id)"
    " AND NOT EXISTS (SELECT 1 FROM human_labels h WHERE h.dataset_id = :id)"
    " ORDER BY d.dataset_id DESC"
)
_N_UNCHANGED = (
    "SELECT count(*) FROM"
    " (SELECT DISTINCT narrative_id FROM human_labels WHERE dataset_id = :older) l"
    " CROSS JOIN narratives o ON o.narrative_id = l.narrative_id"
    " CROSS JOIN narratives n ON n.dataset_id = :newer AND n.incident_id = o.incident_id"
    "  AND n.narrative_type = o.narrative_type AND n.text_sha256 = o.text_sha256"
)


def labelled_version(database: Database, experiment: Experiment) -> LabelledVersion | None:
    """Where people have labelled another version of an experiment's data, and nobody this one.

    Another version was loaded from the same path, or is that of the experiment whose answers are
    copied. Of several, the one with the most labels of unchanged texts; of equals the newest, where
    labels may have been corrected. What this costs depends on the number of those labels alone.
    """
    newer = experiment.dataset_id
    with database.read() as connection:
        found = connection.rows(_LABELLED, {"id": newer, "reused": experiment.reuse_of})
        versions = [
            LabelledVersion(
                name,
                connection.value(_N_UNCHANGED, {"older": older, "newer": newer}),
            )
            for older, name in found
            if name is not None
        ]
    best = max(versions, key=lambda one: one.n_labels, default=None)
    return best if best and best.n_labels else None
