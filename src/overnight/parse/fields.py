"""What makes a value valid: `checks` for values as declared, `convert` for nearly right ones."""

import re
import sys
from collections.abc import Callable
from functools import partial

from overnight.domain.answer import AnswerField, ItemType, Value
from overnight.parse import numbers
from overnight.parse.loose import Bare
from overnight.parse.repairs import Repair

Scalar = bool | int | float | str
Check = Callable[[object], bool]

# Without declared bounds a value is still bounded by what a database column holds.
_MAX_INTEGER = 2**63 - 1
_MAX_NUMBER = sys.float_info.max
_EXACT = 2**53  # above it an integer is not exact as a float, and is made one
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATORS = re.compile(r"[,;\n]")
_NOTHING = frozenset({"", "-", "none", "null", "nil", "n/a", "na", "no", "false", "[]", "{}"})


class Mismatch(Exception):
    """A value that cannot be what was declared."""


def check_of(field: AnswerField) -> Check:
    """A fast test whether a value out of JSON is valid exactly as it is."""
    if field.type == "enum":
        return partial(_is_declared, frozenset(field.values))
    if field.type == "list":
        limit = sys.maxsize if field.max_items is None else field.max_items
        return partial(_is_list, limit, _scalar_check(field, field.of))
    return _scalar_check(field, field.type)


def _scalar_check(field: AnswerField, type_: ItemType) -> Check:
    if type_ == "boolean":
        return _is_boolean
    if type_ == "string":
        return partial(_is_text, sys.maxsize if field.max_length is None else field.max_length)
    low, high = _bounds(field, type_)
    return partial(_is_number if type_ == "number" else _is_integer, low, high)


def _bounds(field: AnswerField, type_: ItemType) -> tuple[float, float]:
    widest = _MAX_INTEGER if type_ == "integer" else _MAX_NUMBER
    low = -widest if field.min is None else max(field.min, -widest)
    return low, widest if field.max is None else min(field.max, widest)


def _is_boolean(value: object) -> bool:
    return value is True or value is False


def _is_number(low: float, high: float, value: object) -> bool:
    if type(value) is float:
        return low <= value <= high
    return type(value) is int and low <= value <= high and -_EXACT <= value <= _EXACT


def _is_integer(low: float, high: float, value: object) -> bool:
    return type(value) is int and low <= value <= high


def _is_text(max_length: int, value: object) -> bool:
    if type(value) is not str or len(value) > max_length:
        return False
    return "\x00" not in value if value.isascii() else _UNSTORABLE.search(value) is None


def _is_declared(values: frozenset[str], value: object) -> bool:
    return type(value) is str and value in values


def _is_list(max_items: int, check: Check, value: object) -> bool:
    return type(value) is list and len(value) <= max_items and all(map(check, value))


def convert(field: AnswerField, value: object, repairs: set[Repair]) -> Value:
    """The valid value that `value` stands for without doubt; raises Mismatch if there is none.

    A bool is no number, a number no text (but of an enum). One text where a list of texts is asked
    for is taken as its one item, unless it may be several ("a, b") or none ("none").
    """
    if field.type == "list":
        return _list(field, value, repairs)
    if field.type == "enum":
        return _declared(field, value, repairs)
    return _scalar(field, field.type, value, repairs)


def _list(field: AnswerField, value: object, repairs: set[Repair]) -> Value:
    if not isinstance(value, list):
        value = [_one_item(value)]
        repairs.add(Repair.ONE_ITEM_LIST)
    if field.max_items is not None and len(value) > field.max_items:
        raise Mismatch
    return [_scalar(field, field.of, item, repairs) for item in value]


def _one_item(value: object) -> object:
    if isinstance(value, str):
        nothing = value.strip().casefold().rstrip(".") in _NOTHING
        if nothing or _SEPARATORS.search(value.strip()):
            raise Mismatch
        return value
    if type(value) in {int, float}:
        return value
    raise Mismatch


def _scalar(field: AnswerField, type_: ItemType, value: object, repairs: set[Repair]) -> Scalar:
    converted: Scalar
    if type_ == "boolean":
        converted = _boolean(value, repairs)
    elif type_ == "string":
        converted = _text(value, repairs)
    else:
        converted = _number(field, type_, value, repairs)
    if not _scalar_check(field, type_)(converted):
        raise Mismatch
    return converted


def _boolean(value: object, repairs: set[Repair]) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in {0, 1}:
        repairs.add(Repair.NUMBER_TO_BOOLEAN)
        return value == 1
    word = _word(value, repairs, Repair.TEXT_TO_BOOLEAN).strip().casefold()
    if word not in _BOOLEANS:
        raise Mismatch
    return _BOOLEANS[word]


def _text(value: object, repairs: set[Repair]) -> str:
    if not isinstance(value, str):
        raise Mismatch
    if _UNSTORABLE.search(value):
        repairs.add(Repair.CHARACTER)
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def _number(
    field: AnswerField, type_: ItemType, value: object, repairs: set[Repair]
) -> int | float:
    if isinstance(value, bool):
        raise Mismatch
    if not isinstance(value, int | float):
        word = _word(value, repairs, Repair.TEXT_TO_NUMBER).strip()
        share = type_ == "number" and (field.min, field.max) == (0, 1)
        value = numbers.read_number(word, repairs, share=share)
    if value is None:
        raise Mismatch
    return _as_integer(value, repairs) if type_ == "integer" else _as_number(value)


def _as_integer(value: float, repairs: set[Repair]) -> int:
    if isinstance(value, int):
        return value
    if not value.is_integer() or abs(value) > _EXACT:  # also of infinity and NaN
        raise Mismatch
    repairs.add(Repair.DECIMAL_TO_INTEGER)
    return int(value)


def _as_number(value: float) -> int | float:
    if isinstance(value, float) or -_EXACT <= value <= _EXACT:
        return value
    if abs(value) > _MAX_NUMBER:
        raise Mismatch
    return float(value)


def _declared(field: AnswerField, value: object, repairs: set[Repair]) -> str:
    spelling = Repair.ENUM_SPELLING
    if isinstance(value, bool | int | float):
        spelling, value = Repair.VALUE_TO_TEXT, _as_text(value)
        repairs.add(spelling)
    word = _word(value, repairs)
    if word in field.values:
        return word
    alike = [v for v in field.values if v.strip().casefold() == word.strip().casefold()]
    if len(alike) != 1:
        raise Mismatch
    repairs.add(spelling)
    return alike[0]


def _as_text(value: float) -> str:
    if not abs(value) <= _EXACT:  # also of NaN
        raise Mismatch
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).lower()


def _word(value: object, repairs: set[Repair], of_text: Repair | None = None) -> str:
    """The text of a quoted or unquoted word, and the repair that taking a quoted one is."""
    if isinstance(value, Bare):
        return value.text
    if not isinstance(value, str):
        raise Mismatch
    if of_text is not None:
        repairs.add(of_text)
    return value
