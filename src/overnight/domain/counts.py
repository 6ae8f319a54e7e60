"""What the labels say of the answers, counted."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many results share a narrative type, a label and a primary answer.

    `gold` and `predicted` are texts; booleans are "1" and "0". None: no label, no answer.
    """

    narrative_type: str
    gold: str | None
    predicted: str | None
    error_category: str | None
    n: int


@dataclass(frozen=True, slots=True)
class ExperimentCounts:
    """Everything that metrics are computed from; flat, whatever the size of the dataset."""

    by_label: tuple[LabelCount, ...]
    repairs: dict[str, int] = field(default_factory=dict)  # repair name -> results
