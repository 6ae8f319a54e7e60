"""Reads one JSON object that is nearly right, and knows which of its values were complete.

It does not guess: a value is complete only if it was closed and what follows can follow a value.
That is why no general repair library stands here: those close what was cut, and fill in what is
missing (of 32 cut replies that json-repair 0.64 filled with all fields, 30 held a wrong value;
40 kB of `["` took it 45 s). Everything here takes time linear in what it reads.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from overnight.parse import quoted
from overnight.parse.repairs import Repair

State = Literal["whole", "cut", "broken"]
MAX_DEPTH = 20  # no answer nests deeper; the recursion is ours and must end


@dataclass(frozen=True, slots=True)
class Bare:
    """Unquoted text in the place of a value: `yes`, `0. nine`, `true/false`."""

    text: str


class Member(NamedTuple):
    """A key, its value, and whether the value was complete."""

    key: str
    value: object  # None, bool, int, float, str, list, Bare or LooseObject
    complete: bool


@dataclass(slots=True)
class LooseObject:
    """What was read of an object: `cut` by the end of the text, or `broken` before it."""

    members: list[Member] = field(default_factory=list)
    state: State = "whole"


@dataclass(frozen=True, slots=True)
class Found:
    """An object in a text, the span that it takes there, and what had to be repaired in it."""

    object: LooseObject
    start: int
    end: int
    repairs: frozenset[Repair]
    opened: bool  # its opening brace was missing


_BLANK = re.compile(quoted.BLANK)
_KEY = re.compile(rf"(?:({quoted.QUOTED_KEY})|({quoted.BARE_KEY}))(?={quoted.COLON})")
_PART_OF_KEY = re.compile(
    rf"(?!\d)[{quoted.OPENING}]?[^{quoted.OPENING}:\uff1a,}}\]\n]{{0,200}}+[{quoted.OPENING}]?\s*+\Z"
)
_NEXT_KEY = re.compile(rf"{quoted.QUOTED_KEY}{quoted.COLON}")
_END = re.compile(quoted.END)
_JSON_BLANKS = " \t\r\n"
_COMMA = re.compile(quoted.COMMA)
_BARE = re.compile(  # a number of any length, or some words
    r"(?![,\uff0c}\]\[{\n\"\u201c\u201d`#]|//|/\*|\Z)[\-+.0-9eE]*+"
    r"(?>(?:(?!//|/\*)[^,\uff0c}\]\[{\n\"\u201c\u201d`#]){0,80})"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_WORDS = {"true": True, "false": False, "null": None}
_PYTHON_WORDS = _WORDS | {"none": None}
_MAX_DIGITS = 400  # no float is as long; int() itself refuses a few thousand


def read_object(text: str, at: int, *, opened: bool = False) -> Found:
    """The object that begins at `at`, at its brace or (`opened`) right behind it. Never raises."""
    reader = _Reader(text, at if opened else at + 1)
    found = reader.read(MAX_DEPTH)
    return Found(found, at, max(reader.at, at + 1), frozenset(reader.repairs), opened)


class _Reader:
    """One pass over the text; `state` leaves "whole" when the text ends or makes no sense."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.state: State = "whole"
        self.repairs: set[Repair] = set()

    def read(self, depth: int) -> LooseObject:
        found = LooseObject()
        comma = False
        while not self._closed("}", after_comma=comma) and self.state == "whole":
            key = self._key()
            if key is not None:
                comma = self._member(found, key, depth)
        found.state = self.state
        return found

    def _member(self, found: LooseObject, key: str, depth: int) -> bool:
        value = self._value(depth, quoted.AFTER_MEMBER)
        comma = False
        if complete := self.state == "whole":
            comma, complete = self._separated(value, "}", _NEXT_KEY)
        found.members.append(Member(key, value, complete))
        return comma

    def _list(self, depth: int) -> list[object]:
        items: list[object] = []
        comma = False
        while not self._closed("]", after_comma=comma) and self.state == "whole":
            value = self._value(depth, quoted.AFTER_ITEM)
            if self.state == "whole":
                comma, _ = self._separated(value, "]", None)
            items.append(value)
        return items

    def _closed(self, closer: str, *, after_comma: bool) -> bool:
        if self.state != "whole":
            return False
        self._skip_blank()
        if not self.text.startswith(closer, self.at):
            return False
        self.at += 1
        if after_comma:
            self.repairs.add(Repair.TRAILING_COMMA)
        return True

    def _key(self) -> str | None:
        match = _KEY.match(self.text, self.at)
        if match is None:
            self._stop(part=_PART_OF_KEY.match(self.text, self.at))
            return None
        self.at = match.end()
        self._skip_blank()
        if self.text[self.at] != ":":
            self.repairs.add(Repair.PUNCTUATION)
        self.at += 1
        if match[2] is not None:
            self.repairs.add(Repair.UNQUOTED_KEY)
            return match[2]
        if match[1][0] != '"':
            self.repairs.add(Repair.QUOTES)
        return quoted.unescape(match[1][1:-1], match[1][0], self.repairs)

    def _value(self, depth: int, after: re.Pattern[str]) -> object:
        self._skip_blank()
        first = self.text[self.at : self.at + 1]
        if first and first in "{[":
            return self._nested(first, depth - 1)
        if first in quoted.OPENERS and not self._at_end():
            return self._text(after)
        return self._bare()

    def _nested(self, first: str, depth: int) -> object:
        if not depth:
            self._stop()
            return None
        self.at += 1
        return self.read(depth) if first == "{" else self._list(depth)

    def _text(self, after: re.Pattern[str]) -> str | None:
        read = quoted.read_quoted(self.text, self.at, after, self.repairs)
        if read is None:  # it goes on to the end of the reply
            self.at, self.state = len(self.text), "cut"
            return None
        self.at = read.end
        return read.text

    def _bare(self) -> object:
        match = _BARE.match(self.text, self.at)
        if match is None or self._at_end():
            self._stop()
            return None
        word = match[0].rstrip()
        self.at += len(word)
        return self._meaning(word)

    def _meaning(self, word: str) -> object:
        if word in _WORDS:
            return _WORDS[word]
        if number := _NUMBER.fullmatch(word):
            whole = number[1] is None and number[2] is None and len(word) <= _MAX_DIGITS
            return int(word) if whole else float(word)
        if word.casefold() in _PYTHON_WORDS:
            self.repairs.add(Repair.PYTHON_LITERAL)
            return _PYTHON_WORDS[word.casefold()]
        self.repairs.add(Repair.UNQUOTED_VALUE)
        return Bare(word)

    def _separated(
        self, value: object, closer: str, key: re.Pattern[str] | None
    ) -> tuple[bool, bool]:
        """Step over the comma; (whether there was one, whether `value` is known to be complete)."""
        closed = isinstance(value, str | list | LooseObject)
        self._skip_blank()
        if comma := _COMMA.match(self.text, self.at):
            return True, self._after_comma(comma, value)
        if self.text.startswith(closer, self.at):
            return False, True
        if self._at_end():
            cut = self.at >= len(self.text)
            self.state = "cut"
            return False, closed or not cut
        missing = (
            self.text[self.at] in "\"'\u201c\u2018"
            if key is None
            else key.match(self.text, self.at)
        )
        if not missing:
            self._stop()
            return False, False
        self.repairs.add(Repair.MISSING_COMMA)
        return False, True

    def _after_comma(self, comma: re.Match[str], value: object) -> bool:
        self.at = comma.end()
        if comma[0] != ",":
            self.repairs.add(Repair.PUNCTUATION)
        # "0," at the very end may be the beginning of a decimal comma
        return not (self.at >= len(self.text) and type(value) is int)

    def _skip_blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        if match is None:
            return
        if match[0].strip(_JSON_BLANKS):
            self.repairs.add(Repair.PUNCTUATION if match[0].isspace() else Repair.COMMENT)
        self.at = match.end()

    def _at_end(self) -> bool:
        return _END.match(self.text, self.at) is not None

    def _stop(self, part: re.Match[str] | None = None) -> None:
        self.at = part.end() if part else self.at
        self.state = "cut" if self._at_end() else "broken"
