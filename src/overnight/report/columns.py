"""The columns of an export: what stands in each, before any format has its say."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Literal

from overnight.domain.answer import AnswerSpec, FieldType, ItemType, Value
from overnight.domain.result import Result

Cell = Value | datetime
Record = tuple[Cell, ...]
Kind = FieldType | Literal["time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, the type of its cells (None is a cell of every type), its source."""

    name: str
    kind: Kind
    get: Callable[[Result], Cell]
    of: ItemType = "string"  # items of a list


@dataclass(frozen=True, slots=True)
class Beside:
    """What an experiment has beside its answers: kept columns, and whether a part is set apart."""

    kept: Sequence[str] = ()
    split: bool = False


NOTHING = Beside()

_as_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

# What every export begins and ends with; the fields of the answer stand in between.
_BEFORE: tuple[tuple[str, Kind], ...] = (
    ("row_num", "integer"),
    ("incident_id", "string"),
    ("narrative_type", "string"),
    ("label", "string"),
    ("gold", "boolean"),
    ("case_gold", "boolean"),
)
_AFTER: tuple[tuple[str, Kind], ...] = (
    ("correct", "boolean"),
    ("error_category", "string"),
    ("error_message", "string"),
    ("repaired", "list"),
    ("attempt_count", "integer"),
    ("response_sec", "number"),
    ("processed_at", "time"),
    ("prompt_tokens", "integer"),
    ("completion_tokens", "integer"),
    ("copied_from", "string"),
)
_TEXTS = {"narrative_text": "text", "raw_response": "raw_reply"}
_MILLISECONDS = len("2026-01-31T23:59:59.999")  # what follows is the time zone
_TEST_PART = "test_part"
_FIXED = frozenset(name for name, _ in (*_BEFORE, *_AFTER)) | _TEXTS.keys() | {_TEST_PART}


def columns_of(
    spec: AnswerSpec, *, with_text: bool = False, beside: Beside = NOTHING
) -> tuple[Column, ...]:
    """The columns in order; those with narrative and raw reply only on request."""
    names = answer_names(spec)
    return (
        *(_fixed(name, kind) for name, kind in _BEFORE),
        *(
            Column(names[f.name], f.type, _answer(f.name, _CLEAN[f.type]), of=f.of)
            for f in spec.fields
        ),
        *(_fixed(name, kind) for name, kind in _AFTER),
        *(
            Column(shown, "string", _kept(name))
            for name, shown in kept_names(beside.kept, names.values()).items()
        ),
        *((_fixed(_TEST_PART, "boolean"),) if beside.split else ()),
        *(_fixed(name, "string", source) for name, source in _TEXTS.items() if with_text),
    )


def answer_names(spec: AnswerSpec) -> dict[str, str]:
    """Field -> column. A field named like a fixed column, in any case, is `answer_` + its name.

    Case does not count because DuckDB, R users and spreadsheets' tables do not count it; it
    does not depend on `with_text`, so that a column keeps its name from export to export.
    """
    names: dict[str, str] = {}
    declared = {field.name for field in spec.fields}
    for field in spec.fields:
        name = field.name
        while name.casefold() in _FIXED or (name != field.name and name in declared):
            name = f"answer_{name}"
        names[field.name] = name
    return names


def kept_names(kept: Sequence[str], answers: Iterable[str]) -> dict[str, str]:
    """Kept column -> column. One named like another, in any case, is `kept_` + its name."""
    taken = {*_FIXED, *(name.casefold() for name in answers)}
    names: dict[str, str] = {}
    for name in kept:
        shown = name
        while shown.casefold() in taken:
            shown = f"kept_{shown}"
        taken.add(shown.casefold())
        names[name] = shown
    return names


def flat_cell(kind: Kind) -> Callable[[Cell], Cell] | None:
    """How a cell becomes a number or a text, for formats that have nothing else; None: it is.

    Booleans are 1 and 0, lists are JSON text (unambiguous, whatever their items hold).
    """
    return {"boolean": int, "list": as_json, "time": as_iso}.get(kind)  # type: ignore[return-value]


def as_json(value: Cell) -> str:
    """A list as JSON text, readable (no escapes for letters beyond ASCII)."""
    return _as_json(value)


def as_iso(moment: Cell) -> Cell:
    """A time in UTC as text, always of the same length, so that texts sort as times do."""
    if not isinstance(moment, datetime):
        return moment
    return f"{moment.isoformat('T', 'milliseconds')[:_MILLISECONDS]}Z"


def place(record: Record) -> str:
    """Which row this is, for messages; ids are no narrative text."""
    return f"incident {record[1]}, {record[2]} (row {record[0]})"


def _fixed(name: str, kind: Kind, source: str | None = None) -> Column:
    read, clean = attrgetter(source or name), _CLEAN[kind]

    def get(result: Result) -> Cell:
        value = read(result)
        # No repairs are no value, as in the database: whatever is not empty was repaired.
        return None if value is None or value == () else clean(value)

    return Column(name, kind, get)


def _answer(name: str, clean: Callable[[Cell], Cell]) -> Callable[[Result], Cell]:
    def get(result: Result) -> Cell:
        output: Mapping[str, Value] | None = result.output
        value = output.get(name) if output else None
        return None if value is None else clean(value)

    return get


def _kept(name: str) -> Callable[[Result], Cell]:
    def get(result: Result) -> Cell:
        value = result.kept.get(name) if result.kept else None
        return None if value is None else _text(value)

    return get


def _text(value: Cell) -> Cell:
    """Text that UTF-8 can hold.

    A model may answer with half a surrogate pair: it becomes U+FFFD, and two halves that belong
    together become the character they are.
    """
    text = value if isinstance(value, str) else str(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _number(value: Cell) -> Cell:
    """A number that JSON can hold; NaN and infinity (which no valid answer has) are missing."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _list(value: Cell) -> Cell:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return [_text(v) if isinstance(v, str) else _number(v) for v in value]  # type: ignore[misc]


def _moment(value: Cell) -> Cell:
    if not isinstance(value, datetime) or value.tzinfo is UTC:
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_CLEAN: dict[Kind, Callable[[Cell], Cell]] = {
    "boolean": lambda value: value,
    "number": _number,
    "integer": _number,
    "string": _text,
    "enum": _text,
    "list": _list,
    "time": _moment,
}
