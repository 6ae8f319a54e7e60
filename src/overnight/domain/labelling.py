"""What a person may write as a label."""

import math
from decimal import Decimal

from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.narrative import BINARY_WORDS


class NotAllowed(ValueError):
    """A label that the primary field cannot have; says what it can."""


def canonical(primary: AnswerField, written: str) -> str:
    """A label as it is stored: "1" or "0", the declared value of an enum, else as written.

    Raises NotAllowed.
    """
    value = comparable(primary, written)
    if primary.type == "boolean":
        if not isinstance(value, bool):
            raise NotAllowed(f"is neither yes nor no (allowed: {BINARY_WORDS})")
        return "1" if value else "0"
    if primary.type == "enum":
        for declared in primary.values:
            if comparable(primary, declared) == value:
                return declared
        raise NotAllowed(f"is none of {', '.join(primary.values)}")
    if primary.type in ("number", "integer"):
        return _number(primary, value, written)
    return written.strip()


def _number(primary: AnswerField, value: object, written: str) -> str:
    if not isinstance(value, Decimal):
        raise NotAllowed("is no number")
    if primary.type == "integer" and value != int(value):
        raise NotAllowed("is no whole number")
    low, high = primary.min, primary.max
    if not (-math.inf if low is None else low) <= value <= (math.inf if high is None else high):
        raise NotAllowed(f"is not from {low} to {high}")
    return written.strip()
