"""The answer that is asked for, and the answers that come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FieldType = Literal["boolean", "number", "integer", "string", "enum", "list"]
ItemType = Literal["boolean", "number", "integer", "string"]
Value = bool | int | float | str | list[bool | int | float | str] | None


@dataclass(frozen=True, slots=True)
class AnswerField:
    """One field of the answer and what makes a value of it valid (bounds are inclusive)."""

    name: str
    type: FieldType
    required: bool = True
    description: str = ""
    values: tuple[str, ...] = ()  # of an enum
    min: float | None = None
    max: float | None = None
    max_length: int | None = None  # characters of a string, or of each string of a list
    of: ItemType = "string"  # items of a list
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """The declared answer: its fields in order, and the one that is compared with the label."""

    fields: tuple[AnswerField, ...]
    primary: str | None = None

    @property
    def primary_field(self) -> AnswerField | None:
        """The field that is compared with the label."""
        return next((f for f in self.fields if f.name == self.primary), None)


DEFAULT_ANSWER = AnswerSpec(
    fields=(
        AnswerField("detected", "boolean"),
        AnswerField("confidence", "number", min=0, max=1),
        AnswerField("indicators", "list", of="string"),
        AnswerField("rationale", "string"),
    ),
    primary="detected",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A valid answer: each value typed as declared; an absent optional field is not in it."""

    values: Mapping[str, Value]
    repaired: tuple[str, ...] = field(default=())  # the repairs that made the reply readable


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A reply from which no valid answer can be read, and why (no narrative text in it)."""

    reason: str


def primary_text(spec: AnswerSpec, answer: Answer) -> str | None:
    """The primary value as the text that is compared with a label: booleans as "1" or "0"."""
    value = answer.values.get(spec.primary) if spec.primary else None
    if value is None or isinstance(value, list):
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
