"""Does an answer agree with its label? The one rule, for the metrics and for `correct`."""

import re
from decimal import Decimal, InvalidOperation
from enum import Enum, auto

from overnight.domain.answer import AnswerField
from overnight.domain.narrative import as_binary

_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class Verdict(Enum):
    """What a label says of an answer; every answered narrative has exactly one."""

    TRUE_POSITIVE = auto()
    TRUE_NEGATIVE = auto()
    FALSE_POSITIVE = auto()
    FALSE_NEGATIVE = auto()
    SAME = auto()  # of a primary field that is not yes or no
    DIFFERENT = auto()
    UNLABELLED = auto()
    ODD_LABEL = auto()  # there is a label, but none that can be compared
    NO_VALUE = auto()  # the answer leaves the primary field out, or no field is primary


_BINARY = {
    (True, True): Verdict.TRUE_POSITIVE,
    (False, False): Verdict.TRUE_NEGATIVE,
    (False, True): Verdict.FALSE_POSITIVE,
    (True, False): Verdict.FALSE_NEGATIVE,
}


def comparable(field: AnswerField, text: str | None) -> bool | Decimal | str | None:
    """A label or an answer in the form in which the two are compared; None: it has none.

    Booleans are read as labels are (1/0, yes/no, ...). Numbers and integers are compared by
    value. Enum values and strings are compared trimmed and without case; for an enum "11.0"
    is "11", because that is what spreadsheets make of a code.
    """
    if text is None:
        return None
    if field.type == "boolean":
        return as_binary(text)
    if field.type in ("number", "integer"):
        return _decimal(text)
    word = text.strip().casefold()
    whole = _WHOLE.fullmatch(word) if field.type == "enum" else None
    return whole[1] if whole else word


def verdict(field: AnswerField | None, gold: str | None, predicted: str | None) -> Verdict:
    """What the label `gold` says of the primary value `predicted`; a blank label is none."""
    if gold is None or not gold.strip():
        return Verdict.UNLABELLED
    if field is None:
        return Verdict.NO_VALUE
    expected, given = comparable(field, gold), comparable(field, predicted)
    if expected is None:
        return Verdict.ODD_LABEL
    if given is None:
        return Verdict.NO_VALUE
    if isinstance(expected, bool) and isinstance(given, bool):
        return _BINARY[expected, given]
    return Verdict.SAME if expected == given else Verdict.DIFFERENT


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
