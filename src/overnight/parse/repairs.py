"""The closed set of things that may be done to a reply before it is read."""

from collections.abc import Iterable
from enum import StrEnum


class Repair(StrEnum):
    """One repair; its words stand in `narrative_results.repaired`, in the order given here."""

    # around the object
    REASONING = "think block removed"  # thinking tags, an analysis channel
    TOKEN = "special token removed"  # noqa: S105 - <|im_end|>, </s>, a byte order mark
    FENCE = "fence removed"  # ``` around or beside the object
    PROSE = "prose around"  # words before or after the object
    WRAPPER = "wrapper removed"  # {"answer": {...}}, [{...}], an object quoted as a text
    REPEATED = "repeated answer"  # the same answer several times
    OPENING_BRACE = "opening brace added"  # the reply began with the first key
    TRUNCATED = "truncated"  # no closing brace; every required field was complete
    # inside the object
    LINE_BREAK = "raw line break"  # a control character inside a text
    TRAILING_COMMA = "trailing comma"
    MISSING_COMMA = "missing comma"
    QUOTES = "other quotes"  # single, curly or back quotes
    INNER_QUOTE = "unescaped quote"  # a quote inside a text
    ESCAPE = "wrong escape"  # \_ or \' inside a text
    PUNCTUATION = "wide punctuation"  # full-width comma or colon, a blank that JSON does not know
    COMMENT = "comment removed"
    UNQUOTED_KEY = "unquoted key"
    UNQUOTED_VALUE = "unquoted value"  # yes, or the value of an enum
    PYTHON_LITERAL = "python literal"  # True, False, None
    KEY_SPELLING = "key spelling"  # case, or blanks around the name
    REPEATED_KEY = "repeated key"  # twice the same value
    # inside a value
    TEXT_TO_BOOLEAN = "text to boolean"  # "true", "yes", "1"
    NUMBER_TO_BOOLEAN = "number to boolean"  # 1, 0
    TEXT_TO_NUMBER = "text to number"  # "0.8"
    NUMBER_SPELLING = "number spelling"  # +0.8, .8
    SPELLED_DECIMAL = "spelled decimal"  # 0. nine, zero point nine
    PERCENT = "percent"  # 90% where 0..1 is asked for
    DECIMAL_TO_INTEGER = "decimal to integer"  # 3.0
    VALUE_TO_TEXT = "value to text"  # 42 or true where an enum has "42" or "true"
    ENUM_SPELLING = "enum spelling"  # case, or blanks around the value
    ONE_ITEM_LIST = "one-item list"  # a single value where a list is asked for
    CHARACTER = "character replaced"  # NUL, lone surrogate: no database stores them


_ORDER = {repair: place for place, repair in enumerate(Repair)}


def named(repairs: Iterable[Repair]) -> tuple[str, ...]:
    """The words of `repairs`, each once, in the order of the enum."""
    return tuple(repair.value for repair in sorted(set(repairs), key=_ORDER.__getitem__))
