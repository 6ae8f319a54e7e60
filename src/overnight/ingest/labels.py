"""A sheet that people have filled in, read as labels: csv or a workbook, as Excel saves them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from overnight.errors import DataError
from overnight.ingest.delimited import Delimited
from overnight.ingest.mapping import joined_id, label_at
from overnight.ingest.readers import OpenFile, Table
from overnight.ingest.source import WORKBOOKS
from overnight.ingest.xlsx import open_sheet

_NEEDED = ("incident_id", "narrative_type", "label")
_NOTE = "note"
_TEXTS = (".csv", ".tsv")


class Written(NamedTuple):
    """A row of the sheet; `label` and `note` are None where the cell is blank."""

    row: int  # as a spreadsheet numbers it
    incident_id: str
    narrative_type: str
    label: str | None
    note: str | None


def read_labels(file: Path) -> list[Written]:
    """Every row that is not blank. Raises DataError for a file that is no such sheet."""
    suffix = file.suffix.lower()
    if suffix not in (*WORKBOOKS, *_TEXTS):
        raise DataError(f"{file}: labels are read from {', '.join((*WORKBOOKS, *_TEXTS))}")
    if not file.is_file():
        raise DataError(f"{file}: there is no such file")
    opened = OpenFile(file)
    try:
        if suffix in WORKBOOKS:
            return list(_rows(open_sheet(opened, None, _fits)))
        try:
            return list(_rows(Delimited(opened, encoding=None, delimiter=None)))
        except DataError as error:
            if not isinstance(error.__context__, UnicodeError):
                raise
        # Excel saves csv as the system's code page, which garbles narratives; ids and labels of
        # plain letters are the same in all of them, and others will not be found.
        return list(_rows(Delimited(opened, encoding="latin-1", delimiter=None)))
    finally:
        opened.close()


def _rows(table: Table) -> Iterator[Written]:
    wanted = [_place(table, name) for name in _NEEDED]
    keys = [column.casefold() for column in table.columns]
    if _NOTE in keys:
        wanted.append(keys.index(_NOTE))
    for row, cells in table.rows(wanted):
        note = (cells[3] or "").strip() if len(cells) > len(_NEEDED) else ""
        kind = (cells[1] or "").strip().lower()
        yield Written(row, joined_id(cells[:1]), kind, label_at(cells, 2), note or None)


def _fits(columns: Sequence[str]) -> bool:
    keys = {column.casefold() for column in columns}
    return keys.issuperset(_NEEDED)


def _place(table: Table, name: str) -> int:
    found = [at for at, column in enumerate(table.columns) if column.casefold() == name]
    if len(found) != 1:
        what = "no column" if not found else f"{len(found)} columns"
        raise DataError(
            f"{table.where}: {what} named {name}; needed are {', '.join(_NEEDED)}, as "
            "`overnight sample` writes them"
        )
    return found[0]
