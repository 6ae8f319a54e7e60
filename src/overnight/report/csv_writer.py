"""CSV for people who double-click it, and for programs that read what people leave behind.

UTF-8 with a byte order mark: without it Excel reads letters beyond ASCII wrongly; readr, pandas,
DuckDB and `encoding="utf-8-sig"` skip it. Ids keep their leading zeros in the file, but Excel
drops them from what it shows; for Excel the xlsx export is the better one, also where its list
separator is ";". Line breaks inside a text stay what they are.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import BinaryIO

from overnight.report.columns import Cell, Column, Record, flat_cell

# Spreadsheets skip blanks and invisible characters before they look for a formula, and those in
# East Asian settings take the full-width signs for the plain ones. A leading tab or carriage
# return alone is guarded too: some importers split there, and what follows becomes a cell.
_INVISIBLE = r"\s\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff"
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_FORMULA = re.compile(rf"[\t\r]|[{_INVISIBLE}]*[{_SIGNS}]")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def guard(text: Cell) -> Cell:
    """A text cell with one leading apostrophe if a spreadsheet would take it for a formula.

    A text that is a plain number ("-1" as a label) is shown as that number, so it stays.
    """
    if not isinstance(text, str) or text[:1].isalnum():  # the usual case, and the fast one
        return text
    if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


class CsvWriter:
    """Rows as comma-separated values, one header line, lines end in CR LF (RFC 4180)."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._text)
        self._cells = [_converter(column) for column in columns]
        self._csv.writerow([guard(column.name) for column in columns])

    def write(self, record: Record) -> None:
        """Add one row."""
        self._csv.writerow(
            [
                value if convert is None or value is None else convert(value)
                for convert, value in zip(self._cells, record, strict=True)
            ]
        )

    def close(self) -> None:
        """Hand everything to the file, which stays open."""
        self._text.detach()  # flushes

    def abandon(self) -> None:
        """Let go of the file without a word."""


def _converter(column: Column) -> Callable[[Cell], Cell] | None:
    return guard if column.kind in ("string", "enum") else flat_cell(column.kind)
