"""Which narratives a question is about: those that an experiment covers, or a part of them.

A part is a condition on a narrative `n`, with the values that it is asked with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overnight.config.declared import declared_split
from overnight.domain.experiment import Experiment
from overnight.domain.order import RandomOrder
from overnight.domain.split import Split
from overnight.errors import RefusedError
from overnight.store.database import Database
from overnight.store.datasets import get_dataset


@dataclass(frozen=True, slots=True)
class Part:
    """Some narratives of a dataset. `split` is what divides it; `name` is stored with looks."""

    sql: str = "1"
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str = "all"
    split: Split | None = None

    def __and__(self, other: "Part") -> "Part":
        """What is in both: of two splits, what is in the test part of neither."""
        if other.split == self.split or other.split is None:
            return self
        if self.split is None:
            return other
        renamed, values = other.sql, {}
        for name, value in other.values.items():
            renamed = renamed.replace(f":{name}", f":other_{name}")
            values[f"other_{name}"] = value
        return Part(
            f"({self.sql}) AND ({renamed})", {**self.values, **values}, self.name, self.split
        )


WHOLE = Part()


def covered(order: RandomOrder | None, n_total: int) -> Part:
    """The narratives that an experiment with this limit asks."""
    if order is None or n_total >= order.size:
        return Part("n.row_num <= :total", {"total": n_total})
    return Part(
        "drawn_at(n.row_num, :order_seed, :order_size) <= :total",
        {"order_seed": order.seed, "order_size": order.size, "total": n_total},
    )


def sampled(experiment_key: int) -> Part:
    """The narratives that a repetition asks."""
    return Part(
        "EXISTS (SELECT 1 FROM members s WHERE s.experiment_key = :sample"
        " AND s.narrative_id = n.narrative_id)",
        {"sample": experiment_key},
    )


def covered_by(experiment: Experiment) -> Part:
    """The narratives that an experiment asks."""
    if experiment.repeat_of is not None:
        return sampled(experiment.experiment_key)
    return covered(experiment.order, experiment.n_total)


def asked(experiment: Experiment, part: Part = WHOLE) -> Part:
    """Of a part, the narratives that an experiment asks."""
    covers = covered_by(experiment)
    return Part(f"{covers.sql} AND {part.sql}", {**covers.values, **part.values})


def answered(experiment: Experiment, part: Part = WHOLE) -> Part:
    """Of a part, the narratives that have an answer which can be compared with a label."""
    return Part(
        "EXISTS (SELECT 1 FROM results r WHERE r.experiment_key = :answered_by"
        " AND r.narrative_id = n.narrative_id AND r.error_category IS NULL"
        f" AND r.primary_value IS NOT NULL) AND {part.sql}",
        {"answered_by": experiment.experiment_key, **part.values},
    )


def develop_part(database: Database, experiment: Experiment) -> Part:
    """What figures may be shown of at any time: all, or what is not set apart.

    Raises RefusedError where it cannot be known yet what is.
    """
    return _parts(database, experiment)[0]


def test_part(database: Database, experiment: Experiment) -> Part | None:
    """What is set apart; None where nothing is. Raises RefusedError as `develop_part`."""
    return _parts(database, experiment)[1]


def _parts(database: Database, experiment: Experiment) -> tuple[Part, Part | None]:
    split = declared_split(experiment.stored_config)
    if split is None:
        return WHOLE, None
    sql, values = set_apart(split, get_dataset(database, experiment.dataset_id).kept)
    return Part(f"NOT {sql}", values, "develop", split), Part(sql, values, "test", split)


def set_apart(split: Split, kept: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The condition that the case of a narrative `n` is in the test part."""
    if split.column is None:
        values: dict[str, Any] = {"split_seed": split.seed, "split_share": split.share}
        return "is_test_case(n.incident_id, :split_seed, :split_share)", values
    column = kept_column(kept, split.column)
    if column is None:
        raise RefusedError(
            f"the column {split.column!r} of data.split has not been read from the data file yet, "
            "so nobody can say which narratives are set apart; overnight run CONFIG reads it"
        )
    return (
        "EXISTS (SELECT 1 FROM narratives m WHERE m.dataset_id = n.dataset_id"
        " AND m.incident_id = n.incident_id AND json_extract(m.kept, :split_path)"
        " IN (SELECT value FROM json_each(:split_values)))",
        {"split_path": path_of(column), "split_values": json.dumps(split.values)},
    )


def kept_column(kept: Sequence[str], name: str) -> str | None:
    """The kept column that is meant: exactly, else without regard to case and outer blanks."""
    key = name.strip().casefold()
    return name if name in kept else next((k for k in kept if k.strip().casefold() == key), None)


def path_of(column: str) -> str:
    """Where a kept column stands in `narratives.kept`; no quotes or backslashes are in a name."""
    return f'$."{column}"'
