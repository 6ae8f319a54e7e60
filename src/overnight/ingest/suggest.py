"""What to write under `data.columns` for a file in an unknown layout: a guess to correct."""

import difflib
import json
import re
from collections.abc import Sequence

_SHOWN = 30  # columns named in an error
_LONGEST_NAME = 60  # what is longer is no column name; perhaps a narrative, where no header is
_IDS = (
    "incidentid",
    "incidentnumber",
    "caseid",
    "casenumber",
    "caseno",
    "recordid",
    "id",
    "uid",
    "key",
)
_NO_ID = re.compile(r"(year|date|month|day|time|type)$")  # what incidents share
_TEXT = re.compile(r"narratives?|narr|texts?|description|summary|notes?|report")
# The last word of a name that speaks of a text but holds none: NarrativeId, report_date.
_NO_TEXT = frozenset(
    ("id", "ids", "no", "nr", "number", "date", "year", "time", "type", "code", "count", "length")
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LABEL = re.compile(r"manual|label|gold|flag|coded|truth")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def shown(columns: Sequence[str]) -> str:
    """Column names for an error: not too many, and none that may be a narrative."""
    names = [
        repr(c) if len(c) <= _LONGEST_NAME else f"(a text of {len(c)} characters)"
        for c in columns[:_SHOWN]
    ]
    more = len(columns) - len(names)
    listed = ", ".join(names) or "no columns"
    return f"{listed} and {more} more" if more > 0 else listed


def example(columns: Sequence[str]) -> str:
    """YAML to paste, with the likely columns; words in capitals where nothing looks likely."""
    names = [column for column in columns if len(column) <= _LONGEST_NAME]
    key = _likely_id(names)
    labels = [name for name in names if _LABEL.search(_plain(name)) and name != key]
    texts = _likely_texts([name for name in names if name != key and name not in labels])
    lines = ["data:", "  columns:", f"    id: {_scalar(key or 'ID_COLUMN')}"]
    lines.append(f"    text: {_flow(texts or {'text': 'TEXT_COLUMN'})}")
    if found := _likely_labels(texts, labels):
        lines.append(f"    label: {_flow(found)}")
    return "\n".join(lines)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _likely_id(names: list[str]) -> str | None:
    plain = {_plain(n): n for n in reversed(names) if not _NO_ID.search(_plain(n))}
    for cutoff in (1.0, 0.75):
        for word in _IDS:
            if close := difflib.get_close_matches(word, plain, n=1, cutoff=cutoff):
                return plain[close[0]]
    return next((name for name in names if _plain(name).endswith("id")), None)


def _likely_texts(names: list[str]) -> dict[str, str]:
    """Type to column; the type is what the column's name says beside "narrative"."""
    found: dict[str, str] = {}
    for name in names:
        plain = _plain(name)
        if _TEXT.search(plain) and not _is_beside_a_text(name):
            found.setdefault(_TEXT.sub("", plain) or "text", name)
    return found


def _is_beside_a_text(name: str) -> bool:
    """Whether a name is that of an id, a date, a number of a text: `ReportID`, `reportid`."""
    words = _WORD.findall(name)
    last = words[-1].lower() if words else ""
    return last in _NO_TEXT or (last.endswith("id") and bool(_TEXT.fullmatch(last[:-2])))


def _likely_labels(texts: dict[str, str], labels: list[str]) -> dict[str, str]:
    found = {
        kind: name
        for kind in texts
        for name in labels
        if _plain(name).endswith(kind) or _plain(name).startswith(kind)
    }
    if not found and len(texts) == len(labels) == 1:
        return {next(iter(texts)): labels[0]}
    return found


def _flow(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f"{_scalar(k)}: {_scalar(v)}" for k, v in pairs.items()) + "}"


def _scalar(word: str) -> str:
    """A YAML scalar; JSON's quoting is YAML's."""
    if _PLAIN.fullmatch(word) and word.lower() not in _YAML_WORDS:
        return word
    return json.dumps(word, ensure_ascii=False)
