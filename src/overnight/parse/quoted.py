r"""Quoted texts in JSON that is nearly right: where one ends, and what its escapes mean.

The first unescaped quote ends a text only if what follows can follow a text there; so the inner
quotes of `"He said "stop" to her"` are kept, and right JSON is read as JSON says.
"""

import re
from typing import NamedTuple

from overnight.parse.repairs import Repair

# Repetition is possessive or atomic, and comments are bounded: nothing backtracks, all is linear.
# A group is atomic, `(?>(?:ab)*)`, never possessive, `(?:ab)*+`, which Python matches wrongly
# before 3.11.5 (gh-106052).
BLANK = (
    r"(?>(?:\s++|//[^\n]{0,300}+|\#[^\n]{0,300}+"
    r"|/\*(?>(?:[^*]|\*(?!/)){0,300})\*/)*)"
)
OPENING = r"\"'`\u201c\u201d\u201e\u2018\u2019"  # every quote that may open a text
QUOTED_KEY = (
    r'(?:"(?>(?:[^"\\\n]|\\.){0,200})"'
    r"|'(?>(?:[^'\\\n]|\\.){0,200})'"
    r"|`[^`\n]{0,200}+`"
    r"|[\u201c\u201d\u201e][^\u201c\u201d\n]{0,200}+[\u201c\u201d]"
    r"|[\u2018\u2019][^\u2018\u2019\n]{0,200}+[\u2018\u2019])"
)
BARE_KEY = r"[^\W\d][\w\-]{0,200}+"
COLON = rf"{BLANK}[:\uff1a]"
END = r"(?:\Z|```|~~~)"  # the object is over, whether it was closed or not
COMMA = r"[,\uff0c]"

PART_OF_KEY = rf"[{OPENING}][^{OPENING}:\n]{{0,200}}+[{OPENING}]?\s*+\Z"
VALUE_START = rf"(?:[{OPENING}\[{{]|-?\d|(?:true|false|null|True|False|None)\b)"

# What may follow a text. Only the end of everything, which proves little, is captured as a group.
AFTER_MEMBER = re.compile(
    rf"{BLANK}(?:\}}|{COMMA}{BLANK}(?:(?:{QUOTED_KEY}|{BARE_KEY}){COLON}|\}}"
    rf"|({PART_OF_KEY}|{END}))|{QUOTED_KEY}{COLON}|({END}))"
)
AFTER_ITEM = re.compile(
    rf"{BLANK}(?:\]|{COMMA}{BLANK}(?:{VALUE_START}|\]|({END}))|[\"'\u201c\u2018]|({END}))"
)
# The quotes that may close what each quote opens, and the text up to the next of them.
_CLOSERS = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": '\u201c\u201d"',
    "\u201d": '\u201c\u201d"',
    "\u201e": '\u201c\u201d"',
    "\u2018": "\u2018\u2019",
    "\u2019": "\u2018\u2019",
}
_UP_TO = {
    opener: re.compile(rf"[^{closers}\\]*+(?>(?:\\.[^{closers}\\]*+)*)[{closers}]", re.DOTALL)
    for opener, closers in _CLOSERS.items()
}
OPENERS = frozenset(_UP_TO)

_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "/": "/"}


class Quoted(NamedTuple):
    """A text and the place after its closing quote."""

    text: str
    end: int


def read_quoted(text: str, at: int, after: re.Pattern[str], repairs: set[Repair]) -> Quoted | None:
    """The text whose opening quote stands at `at`; None if it never ends.

    `after` is what must follow a closing quote here. Takes time linear in what it reads.
    """
    opener, place, inner = text[at], at + 1, False
    while piece := _UP_TO[opener].match(text, place):
        place = piece.end()
        follows = after.match(text, place)
        # Of several quotes before a cut, no one is known to be the last.
        if follows and not (inner and follows.lastindex):
            _note(opener, repairs, inner=inner)
            return Quoted(unescape(text[at + 1 : place - 1], opener, repairs), place)
        inner = True
    return None


def _note(opener: str, repairs: set[Repair], *, inner: bool) -> None:
    if opener != '"':
        repairs.add(Repair.QUOTES)
    if inner:
        repairs.add(Repair.INNER_QUOTE)


def unescape(raw: str, quote: str, repairs: set[Repair]) -> str:
    """What `raw`, between two quotes, stands for."""
    if _CONTROL.search(raw):
        repairs.add(Repair.LINE_BREAK)
    if "\\" not in raw:
        return raw

    def meaning(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] != "u" and code not in _ESCAPED and code != quote:
            repairs.add(Repair.ESCAPE)
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)

    decoded = _ESCAPE.sub(meaning, raw)
    return _join_surrogates(decoded) if "\\u" in raw else decoded


def _join_surrogates(text: str) -> str:
    """Two halves of a character written as two escapes, made one; lone halves stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
