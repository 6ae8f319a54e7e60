"""The words of a parse_error: field, what was expected, what was found; never the reply's text."""

import math

from overnight.domain.answer import AnswerField
from overnight.parse.loose import Bare, LooseObject

EMPTY = "the reply is empty"
NO_OBJECT = "no JSON object with a field of the answer in the reply"
ONLY_REASONING = "only reasoning in the reply, no answer after it"
TWO_ANSWERS = "the reply holds two different answers"
NOT_FINAL = "cut off while more was being written, so its object may not be the last word"
MALFORMED = "malformed JSON"
MISSING = "missing"
TWICE = "stands twice with different values"
MAX_SHOWN = 5  # values of an enum
MAX_DIGITS = 1e15  # above it a number is only called large
WORDS = {
    "boolean": "true or false",
    "number": "a number",
    "integer": "an integer",
    "string": "a text",
    "list": "a list",
}


def of_field(field: AnswerField, problem: str) -> str:
    """Why `field` makes the reply unreadable."""
    return f"{field.name}: {problem}"


def mismatch(field: AnswerField, value: object) -> str:
    """What was expected of `field` and what kind of `value` came."""
    return f"expected {expected(field)}, found {found(value)}"


def cut_before(names: list[str]) -> str:
    """The reply ended before the required fields `names` were complete."""
    return f"cut off before {', '.join(names)} {'was' if len(names) == 1 else 'were'} complete"


def too_long(length: int, limit: int) -> str:
    """The reply is longer than is searched for an answer."""
    return f"{length} characters and not JSON as a whole (searched are at most {limit})"


def expected(field: AnswerField) -> str:
    """The declared form of `field` in words."""
    if field.type == "enum":
        return _one_of(field.values)
    if field.type in {"number", "integer"}:
        return WORDS[field.type] + _range(field)
    if field.type == "string":
        return WORDS["string"] + _at_most(field.max_length, "characters")
    if field.type == "list":
        return _list(field)
    return WORDS[field.type]


def _one_of(values: tuple[str, ...]) -> str:
    more = ", ..." if len(values) > MAX_SHOWN else ""
    return f"one of {', '.join(values[:MAX_SHOWN])}{more}"


def _list(field: AnswerField) -> str:
    number = "" if field.max_items is None else f"at most {field.max_items} "
    length = _at_most(field.max_length, "characters") if field.of == "string" else ""
    return f"a list of {number}{field.of}s{length}"


def _range(field: AnswerField) -> str:
    if field.min is not None and field.max is not None:
        return f" from {field.min:g} to {field.max:g}"
    if field.min is not None:
        return f" of at least {field.min:g}"
    return "" if field.max is None else f" of at most {field.max:g}"


def _at_most(limit: int | None, unit: str) -> str:
    return "" if limit is None else f" of at most {limit} {unit}"


def found(value: object) -> str:
    """The kind of `value` in words; of numbers the number, of texts and lists the length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{value}".lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {Bare: "unquoted text", LooseObject: "an object"}.get(type(value), "something else")


def _number(value: float) -> str:
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > MAX_DIGITS:
        return "a very large number or none"
    return f"{value:.15g}"
