"""Kept columns by which narratives are told apart, as they are typed."""

from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.natural import natural
from overnight.errors import UsageError, did_you_mean
from overnight.store.kept import values_of
from overnight.store.parts import WHOLE, Part, asked, kept_column
from overnight.store.study import Study

MOST_GROUPS = 20  # values of a column; beyond, the tables are too many to read


@dataclass(frozen=True, slots=True)
class Grouping:
    """The values of a kept column with most narratives, in their natural order; None: a blank one.

    `n_more` values with fewer narratives are left out: `n_outside` of `n_narratives`.
    """

    column: str
    values: Sequence[str | None]
    n_more: int
    n_outside: int
    n_narratives: int


def column_of(kept: Sequence[str], name: str) -> str:
    """The kept column that is meant. Raises UsageError, naming what is near."""
    column = kept_column(kept, name)
    if column is None:
        parts = [part.strip() for part in name.split(",")]
        if len(parts) > 1 and all(kept_column(kept, part) for part in parts):
            raise UsageError(f"{name!r} are {len(parts)} columns; one column, such as {parts[0]}")
        near = did_you_mean(name, kept)
        near += "" if near.endswith("?") else "."
        raise UsageError(
            f"{name!r} is not kept beside the narratives{near} "
            "Columns to keep stand in data.keep of the experiment file; overnight run CONFIG reads "
            "them without a call"
        )
    return column


def grouping(study: Study, column: str, part: Part = WHOLE, *, most: int = MOST_GROUPS) -> Grouping:
    """The most frequent values of a kept column among what is asked of a part."""
    experiment = study.experiment
    asks = asked(experiment, part)
    found = values_of(study.database, experiment.dataset_id, column, asks, most=most)
    return Grouping(
        column=column,
        values=natural(one.value for one in found.values),
        n_more=found.n_more,
        n_outside=found.n_narratives - sum(one.n for one in found.values),
        n_narratives=found.n_narratives,
    )
