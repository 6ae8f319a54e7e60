"""What is judged."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Narrative:
    """One text to be judged; (`incident_id`, `narrative_type`) is its key in a dataset."""

    narrative_id: int
    row_num: int  # 1-based, in file order, over the usable narratives of the dataset
    incident_id: str
    narrative_type: str  # lower case: "cme", "le", ...
    text: str


@dataclass(frozen=True, slots=True)
class SourceNarrative:
    """A narrative as a file gives it, with its labels; not yet in a database.

    `label` is the label of this narrative as text, `case_label` that of its incident;
    both None where the file has none.
    """

    incident_id: str
    narrative_type: str
    text: str
    label: str | None = None
    case_label: str | None = None
    source_row: int = 0  # as a spreadsheet numbers it: the header is row 1
    kept: Mapping[str, str] | None = None  # of other columns, by name; what is blank is not in it


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row (or half of a wide row) that is no usable narrative, and why."""

    source_row: int  # as a spreadsheet numbers it: the header is row 1
    incident_id: str | None
    narrative_type: str | None
    reason: str  # one of LEFT_OUT_REASONS
    text: str | None = None  # kept where it differs from the narrative that took the key


LEFT_OUT_REASONS = (
    "empty text",
    "empty id",
    "empty type",
    "duplicate key, same text",
    "duplicate key, different text",
)

_YES = frozenset({"1", "1.0", "true", "yes", "y", "t"})
_NO = frozenset({"0", "0.0", "false", "no", "n", "f"})


BINARY_WORDS = "yes or no; also y/n, true/false, t/f, 1/0"


def as_binary(label: str | None) -> bool | None:
    """The label as yes or no; None where it is missing or says something else."""
    word = label.strip().lower() if label else ""
    if word in _YES:
        return True
    return False if word in _NO else None
