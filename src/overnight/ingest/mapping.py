"""Which columns hold what, and a row taken apart accordingly. Pure: no files."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from overnight.config.models import ColumnMapping
from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.errors import DataError, UnknownColumn
from overnight.ingest.suggest import example, shown

WIDE = ColumnMapping(
    id="IncidentID",
    text={"cme": "NarrativeCME", "le": "NarrativeLE"},
    label={"cme": "ipv_manualCME", "le": "ipv_manualLE"},
    case_label="ipv_manual",
)
LONG = ("incident_id", "narrative_type", "narrative_text")
_UNKEPT = frozenset('"\\')  # they would need escapes in a path into JSON
_LONG_LABELS = ("manual_flag_ind", "manual_flag")

Cells = Sequence[str | None]
Split = list[SourceNarrative | LeftOut]


@runtime_checkable
class Layout(Protocol):
    """How the rows of a table become narratives.

    `name` is wide, long or mapped; `wanted` the positions of the columns whose cells `split`
    takes, in that order; `kept` names the columns to keep, with their places within `wanted`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def wanted(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def kept(self) -> tuple[tuple[str, int], ...]: ...  # noqa: D102

    def split(self, row: int, cells: Cells) -> Split:
        """The narratives and left-out parts of one row."""
        ...


@dataclass(frozen=True, slots=True)
class PerColumn:
    """A row per incident, a column per type: the wide layout and `data.columns`.

    Each narrative is (type, place of its text, place of its label or None); places count
    within `wanted`, whose first `n_ids` are the parts of the id.
    """

    name: str
    wanted: tuple[int, ...]
    n_ids: int
    texts: tuple[tuple[str, int, int | None], ...]
    case_label: int | None
    kept: tuple[tuple[str, int], ...] = ()

    def split(self, row: int, cells: Cells) -> Split:
        """One part per type, in the mapping's order; an empty id leaves all of them out."""
        incident = joined_id(cells[: self.n_ids])
        case, kept = label_at(cells, self.case_label), _kept_at(cells, self.kept)
        return [
            _part(row, incident, kind, cells[text], _Beside(label_at(cells, label), case, kept))
            for kind, text, label in self.texts
        ]


@dataclass(frozen=True, slots=True)
class PerRow:
    """A row per narrative, its type in a column: the long layout."""

    wanted: tuple[int, ...]
    label: int | None
    case_label: int | None
    name: str = "long"
    kept: tuple[tuple[str, int], ...] = ()

    def split(self, row: int, cells: Cells) -> Split:
        """One part. Without a type there is no key either: left out as `empty type`."""
        kind = (cells[1] or "").strip().lower()
        incident = joined_id(cells[:1])
        if not kind:
            return [LeftOut(row, incident or None, None, "empty type")]
        label, case = label_at(cells, self.label), label_at(cells, self.case_label)
        beside = _Beside(label, case, _kept_at(cells, self.kept))
        return [_part(row, incident, kind, cells[2], beside)]


class _Beside(NamedTuple):
    """What stands beside a text."""

    label: str | None
    case_label: str | None
    kept: Mapping[str, str] | None


def _part(
    row: int, incident: str, kind: str, text: str | None, beside: _Beside
) -> SourceNarrative | LeftOut:
    if not incident:
        return LeftOut(row, None, kind, "empty id")
    if not text or text.isspace():
        return LeftOut(row, incident, kind, "empty text")
    return SourceNarrative(incident, kind, text, beside.label, beside.case_label, row, beside.kept)


def _kept_at(cells: Cells, kept: Sequence[tuple[str, int]]) -> Mapping[str, str] | None:
    """Column -> its trimmed text, without the blank ones; None where nothing is kept."""
    if not kept:
        return None
    return {name: text for name, place in kept if (text := label_at(cells, place)) is not None}


def joined_id(parts: Cells) -> str:
    r"""The id: its parts trimmed and joined by `|`; empty only if all of them are.

    A `|` within a part is written `\|`, so that two ids never become one.
    """
    if len(parts) == 1:
        return (parts[0] or "").strip()
    trimmed = [(part or "").strip() for part in parts]
    if not any(trimmed):
        return ""
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in trimmed)


def label_at(cells: Cells, place: int | None) -> str | None:
    """A label, or a cell to keep, trimmed; None where it is blank, 1.0 is "1" in every format."""
    if place is None or not (cell := cells[place]):
        return None
    label = cell.strip()
    if label.endswith(".0") and label[:-2].removeprefix("-").isdecimal():
        label = label[:-2]
    return label or None


def fits(columns: Sequence[str], mapping: ColumnMapping | None) -> bool:
    """Whether a table with these columns can be read."""
    return bool(_chosen(columns, mapping))


def resolve(
    columns: Sequence[str],
    mapping: ColumnMapping | None,
    where: str,
    keep: Mapping[str, str] | None = None,
) -> Layout:
    """The layout of a table; `keep` maps columns to keep to the fields that name them.

    Names match exactly, else without regard to case and outer blanks. Raises DataError, beginning
    with `where`, for a column that is missing or stands twice, and with an example to paste where
    no layout is known.
    """
    find = _Finder(columns, where)
    if mapping is not None:
        return _per_column("mapped", mapping, find, keep or {})
    layout = _chosen(columns, None)
    if layout == "wide":
        return _per_column(layout, WIDE, find, keep or {})
    if layout == "long":
        return _per_row(find, keep or {})
    raise DataError(_unknown(columns, where))


def _chosen(columns: Sequence[str], mapping: ColumnMapping | None) -> str | None:
    """The name of the layout whose necessary columns are all there."""
    candidates = {"wide": _needed(WIDE), "long": LONG}
    if mapping is not None:
        candidates = {"mapped": _needed(mapping)}
    for name, needed in candidates.items():
        if all(_places(columns, column) for column in needed):
            return name
    return None


def _needed(mapping: ColumnMapping) -> tuple[str, ...]:
    return (*_ids(mapping), *mapping.text.values())


def _ids(mapping: ColumnMapping) -> list[str]:
    return [mapping.id] if isinstance(mapping.id, str) else mapping.id


def _places(columns: Sequence[str], name: str) -> list[int]:
    exact = [at for at, column in enumerate(columns) if column == name]
    key = name.strip().casefold()
    return exact or [at for at, column in enumerate(columns) if column.strip().casefold() == key]


class _Finder:
    """Finds columns by name and collects what is wanted of each row."""

    def __init__(self, columns: Sequence[str], where: str) -> None:
        self._columns, self.where = columns, where
        self.wanted: list[int] = []

    def need(self, name: str, field: str) -> int:
        """The place of a column within `wanted`; `field` is what names it in the file."""
        place = self.look(name)
        if place is None:
            raise UnknownColumn(self.where, field, name, self._nearest(name))
        return place

    def name_of(self, place: int) -> str:
        """What the file calls the column at a place within `wanted`."""
        return self._columns[self.wanted[place]]

    def look(self, name: str) -> int | None:
        """The same for a column that need not be there."""
        found = _places(self._columns, name)
        if not found:
            return None
        if len(found) > 1:
            listed = " and ".join(str(at + 1) for at in found)
            raise DataError(
                f"{self.where}: the column {name!r} stands {len(found)} times "
                f"(columns {listed}); rename all but one"
            )
        self.wanted.append(found[0])
        return len(self.wanted) - 1

    def _nearest(self, name: str) -> str:
        keys = {column.strip().casefold(): column for column in self._columns}
        close = difflib.get_close_matches(name.strip().casefold(), keys, n=1, cutoff=0.5)
        if close:
            return f"which is no column; did you mean {keys[close[0]]!r}?"
        return f"which is no column; there are: {shown(self._columns)}"


def _per_column(
    name: str, mapping: ColumnMapping, find: _Finder, keep: Mapping[str, str]
) -> PerColumn:
    """The columns of a mapping; labels of the known layout may be missing, named ones not."""
    ids = _ids(mapping)
    for column in ids:
        find.need(column, "data.columns.id")
    labels = {_kind(kind): column for kind, column in mapping.label.items()}
    texts: dict[str, tuple[str, int, int | None]] = {}
    for written, column in mapping.text.items():
        kind = _kind(written)
        if not kind or kind in texts:
            what = "is empty" if not kind else "stands twice: types are kept in lower case"
            raise DataError(f"data.columns.text: the type {written!r} {what}; rename it")
        place = find.need(column, f"data.columns.text.{written}")
        label = _label(find, name, labels.get(kind), f"data.columns.label.{kind}")
        texts[kind] = (kind, place, label)
    case = _label(find, name, mapping.case_label, "data.columns.case_label")
    kept = _kept(find, keep)
    return PerColumn(name, tuple(find.wanted), len(ids), tuple(texts.values()), case, kept)


def _kept(find: _Finder, keep: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Each column to keep under the name that the file gives it, once."""
    places: dict[str, int] = {}
    for column, field in keep.items():
        place = find.need(column, field)
        name = find.name_of(place)
        if _UNKEPT & set(name):
            raise DataError(
                f"{find.where}: the column {name!r} cannot be kept: rename it without quotes and "
                "backslashes"
            )
        places.setdefault(name, place)
    return tuple(places.items())


def _label(find: _Finder, layout: str, column: str | None, field: str) -> int | None:
    if column is None:
        return None
    return find.need(column, field) if layout == "mapped" else find.look(column)


def _kind(written: str) -> str:
    return written.strip().lower()


def _per_row(find: _Finder, keep: Mapping[str, str]) -> PerRow:
    for column in LONG:
        find.look(column)
    label, case = (find.look(column) for column in _LONG_LABELS)
    kept = _kept(find, keep)
    return PerRow(tuple(find.wanted), label, case, kept=kept)


def _unknown(columns: Sequence[str], where: str) -> str:
    """The one message for a file in an unknown layout."""
    named = [column for column in columns if column]
    return (
        f"{where}: the columns are in no known layout (wide: {', '.join(_needed(WIDE))}; "
        f"long: {', '.join(LONG)}). It has: {shown(named)}. Say in the experiment file which "
        f"column is which, for example:\n\n{example(named)}"
    )
