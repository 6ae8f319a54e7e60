"""Samples that were drawn for people to label, with the probability of each narrative."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.parts import WHOLE, Part
from overnight.store.times import as_text, from_text

_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """A draw: `n` of the `n_frame` narratives that could be drawn, and how.

    These are those among the first `n_covered`, in the random order of `order_seed`, that had no
    label (none with an id above `last_label_id` did) and were in no earlier sample. `strata` says
    of each how many there were and how many were drawn.
    """

    sample_id: int
    experiment_id: str
    design: str
    n: int
    seed: int
    drawn_at: datetime
    n_covered: int
    n_frame: int
    last_label_id: int
    order_seed: int | None  # None: the order of the file
    strata: Mapping[str, tuple[int, int]]
    stratum_column: str | None = None  # a kept one; None: the narrative type

    def is_same_draw(self, other: "Sample") -> bool:
        """Whether `other` is this draw in another version of the data."""
        return (self.experiment_id, self.drawn_at, self.seed, self.design, self.n) == (
            other.experiment_id,
            other.drawn_at,
            other.seed,
            other.design,
            other.n,
        )


@dataclass(frozen=True, slots=True)
class DrawnLabels:
    """How some narratives came to their labels.

    `samples`: each with how many of them it drew, and how many of these are labelled; `n_other`
    have a label and were in no sample; None, uncounted, where there is none.
    """

    samples: Sequence[tuple[Sample, int, int]]
    n_other: int | None

    @property
    def n_labelled(self) -> int:
        """Those labelled that were drawn."""
        return sum(n for _, _, n in self.samples)

    @property
    def n_unequal(self) -> int:
        """Those labelled that were drawn with unequal probabilities."""
        return sum(n for sample, _, n in self.samples if sample.design != "random")


class Member(NamedTuple):
    """A narrative that was drawn; `number` is its place in the sheet, from 1."""

    sample_id: int
    row_num: int
    number: int
    stratum: str
    probability: float


class SheetRow(NamedTuple):
    """What a person who labels may see of a member."""

    number: int
    incident_id: str
    narrative_type: str
    text: str
    answer: str | None
    confidence: float | None
    label: str | None


def samples_of(database: Database, dataset_id: int) -> list[Sample]:
    """Every sample of a dataset's narratives, the oldest first."""
    with database.read() as connection:
        return _samples(connection, dataset_id)


def _samples(connection: Connection, dataset_id: int) -> list[Sample]:
    rows = connection.rows(
        "SELECT sample_id, experiment_id, design, n, seed, drawn_at, n_covered, n_frame,"
        " last_label_id, order_seed, strata_json, stratum_column FROM samples"
        " WHERE dataset_id = :id ORDER BY sample_id",
        {"id": dataset_id},
    )
    return [_sample(row) for row in rows]


def _sample(row: Sequence[Any]) -> Sample:
    return Sample(
        sample_id=row[0],
        experiment_id=row[1],
        design=row[2],
        n=row[3],
        seed=row[4],
        drawn_at=from_text(row[5]),
        n_covered=row[6],
        n_frame=row[7],
        last_label_id=row[8],
        order_seed=row[9],
        strata={name: (size, n) for name, (size, n) in json.loads(row[10]).items()},
        stratum_column=row[11],
    )


def newest_sample_id(connection: Connection, dataset_id: int) -> int:
    """Of a dataset; 0 where nothing was drawn."""
    found = _samples(connection, dataset_id)
    return found[-1].sample_id if found else 0


def members_of(database: Database, dataset_id: int) -> list[Member]:
    """Of all samples of a dataset."""
    with database.read() as connection:
        rows = connection.rows(
            "SELECT m.sample_id, n.row_num, m.number, m.stratum, m.probability"
            " FROM sample_members m JOIN narratives n ON n.narrative_id = m.narrative_id"
            " WHERE m.dataset_id = :id ORDER BY m.sample_id, m.number",
            {"id": dataset_id},
        )
    return [Member(*row) for row in rows]


def add_sample(
    connection: Connection, dataset_id: int, sample: Sample, members: Sequence[Member]
) -> int:
    """Record a draw; its id (those in `sample` and `members` do not count)."""
    sample_id = int(
        connection.value(
            "INSERT INTO samples (dataset_id, experiment_id, design, n, seed, drawn_at,"
            " n_covered, n_frame, last_label_id, order_seed, strata_json, stratum_column)"
            " VALUES (:dataset, :experiment, :design, :n, :seed, :now, :covered, :frame,"
            " :last, :order, :strata, :column) RETURNING sample_id",
            {
                "dataset": dataset_id,
                "experiment": sample.experiment_id,
                "design": sample.design,
                "n": sample.n,
                "seed": sample.seed,
                "now": as_text(sample.drawn_at.timestamp()),
                "covered": sample.n_covered,
                "frame": sample.n_frame,
                "last": sample.last_label_id,
                "order": sample.order_seed,
                "column": sample.stratum_column,
                "strata": json.dumps(dict(sample.strata), ensure_ascii=False),
            },
        )
    )
    connection.executemany(
        "INSERT INTO sample_members (dataset_id, sample_id, narrative_id, number, stratum,"
        " probability) SELECT ?1, ?2, narrative_id, ?4, ?5, ?6 FROM narratives"
        " WHERE dataset_id = ?1 AND row_num = ?3",
        [
            (dataset_id, sample_id, one.row_num, one.number, one.stratum, one.probability)
            for one in members
        ],
    )
    return sample_id


def copy_sample(connection: Connection, sample: Sample, dataset_id: int, last_label_id: int) -> int:
    """Record a draw for another version of its data, which has the same rows; its id there.

    The version's own labels up to `last_label_id` are those that were known when it was drawn.
    """
    copied = int(
        connection.value(
            "INSERT INTO samples (dataset_id, last_label_id, experiment_id, design, n, seed,"
            " drawn_at, n_covered, n_frame, order_seed, strata_json, stratum_column)"
            " SELECT :dataset, :last, experiment_id, design, n, seed, drawn_at, n_covered,"
            " n_frame, order_seed, strata_json, stratum_column"
            " FROM samples WHERE sample_id = :id RETURNING sample_id",
            {"dataset": dataset_id, "last": last_label_id, "id": sample.sample_id},
        )
    )
    connection.execute(
        "INSERT INTO sample_members (dataset_id, sample_id, narrative_id, number, stratum,"
        " probability) SELECT :dataset, :copied, n.narrative_id, m.number, m.stratum,"
        " m.probability FROM sample_members m"
        " JOIN narratives o ON o.narrative_id = m.narrative_id"
        " JOIN narratives n ON n.dataset_id = :dataset AND n.row_num = o.row_num"
        " WHERE m.sample_id = :id ORDER BY m.number",
        {"dataset": dataset_id, "copied": copied, "id": sample.sample_id},
    )
    return copied


def sheet_rows(database: Database, sample_id: int, experiment_key: int) -> Iterator[SheetRow]:
    """The members of a sample in the order of their numbers, with an experiment's answers."""
    query = (
        "SELECT m.number, n.incident_id, n.narrative_type, n.narrative_text, r.primary_value,"
        " r.confidence, n.label FROM sample_members m"
        " JOIN narratives n ON n.narrative_id = m.narrative_id"
        " LEFT JOIN results r ON r.experiment_key = :key AND r.narrative_id = n.narrative_id"
        " WHERE m.sample_id = :id AND m.number > :after ORDER BY m.number LIMIT :size"
    )
    after = 0
    while True:
        with database.read() as connection:
            values = {"key": experiment_key, "id": sample_id, "after": after, "size": _PAGE_SIZE}
            rows = connection.rows(query, values)
        yield from map(SheetRow._make, rows)
        if len(rows) < _PAGE_SIZE:
            return
        after = rows[-1][0]


def drawn_labels(database: Database, dataset_id: int, part: Part) -> DrawnLabels:
    """How those narratives of a part that have a label came to it."""
    samples = samples_of(database, dataset_id)
    if not samples:
        return DrawnLabels((), None)
    drawn = labelled_members(database, dataset_id, part)
    query = (
        "SELECT count(*) FROM narratives n WHERE n.dataset_id = :id AND n.label IS NOT NULL"
        f" AND {part.sql} AND n.narrative_id NOT IN"
        " (SELECT narrative_id FROM sample_members WHERE dataset_id = :id)"
    )
    with database.read() as connection:
        n_other = int(connection.value(query, {**part.values, "id": dataset_id}))
    return DrawnLabels(
        [(one, *drawn[one.sample_id]) for one in samples if one.sample_id in drawn], n_other
    )


def labelled_members(
    database: Database, dataset_id: int, part: Part = WHOLE
) -> dict[int, tuple[int, int]]:
    """Of each sample of a dataset: how many of a part were drawn, and how many have a label now."""
    with database.read() as connection:
        rows = connection.rows(
            "SELECT m.sample_id, count(*), sum(EXISTS (SELECT 1 FROM human_labels h"
            " WHERE h.narrative_id = m.narrative_id)) FROM sample_members m"
            " JOIN narratives n ON n.narrative_id = m.narrative_id"
            f" WHERE m.dataset_id = :id AND {part.sql}"
            " GROUP BY m.sample_id ORDER BY m.sample_id",
            {**part.values, "id": dataset_id},
        )
    return {int(sample_id): (int(n), int(labelled)) for sample_id, n, labelled in rows}
