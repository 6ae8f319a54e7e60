"""Excel workbooks: texts are texts (never formulas, links or numbers), row by row to disk."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from overnight.errors import UsageError
from overnight.report.columns import Cell, Column, Record, flat_cell, place

MAX_TEXT = 32_767  # UTF-16 units in a cell
MAX_ROWS = 1_048_576  # with the header
_EXACT = 10**15  # Excel keeps 15 digits; longer integers are written as text, digit for digit
_LARGEST = 9.99e307
_LONGEST_LIST = 255  # characters of the values of a drop-down
# Control characters, non-characters, a literal _x0041_ (whose underscore is escaped), and <r>.
_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9a-fA-F]{4}_)|\A<(?=r>)")
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "use_zip64": True,
}


class XlsxWriter:
    """Rows on one sheet, named "results" unless told otherwise, with a header that stays in view.

    XlsxWriter keeps its scratch files in `scratch`. What a sheet cannot hold is refused with a
    UsageError that names the cell, never cut: texts above 32,767 characters, rows above 1,048,576.
    """

    def __init__(
        self, file: BinaryIO, columns: Sequence[Column], scratch: Path, *, sheet: str = "results"
    ) -> None:
        from xlsxwriter import Workbook  # noqa: PLC0415 - 50 ms that other commands do not pay

        self._book = Workbook(file, _OPTIONS | {"tmpdir": str(scratch)})
        self._sheet = self._book.add_worksheet(sheet)
        # XlsxWriter takes a text from <r> to </r> for rich text of its own making and writes it as
        # raw XML: a model that answers so could put a formula into the sheet, or break it. It also
        # overlooks escapes that overlap. So every text is escaped here.
        self._sheet._escape_control_characters = _escape  # noqa: SLF001
        self._names = [column.name for column in columns]
        self._cells = [flat_cell(column.kind) for column in columns]
        self._sheet.freeze_panes(1, 0)
        for number, name in enumerate(self._names):
            self._sheet.write_string(0, number, name)
        self._rows = 1

    def write(self, record: Record) -> None:
        """Add one row; UsageError where the sheet is full or a text too long for a cell."""
        if self._rows >= MAX_ROWS:
            raise UsageError(
                f"xlsx holds {MAX_ROWS - 1:,} results and there are more: "
                "choose csv, jsonl or parquet"
            )
        flat = [
            value if convert is None or value is None else convert(value)
            for convert, value in zip(self._cells, record, strict=True)
        ]
        self._check(flat, record)
        self._put(flat)
        self._rows += 1

    def offer(self, name: str, values: Sequence[str]) -> None:
        """A drop-down with the values of a column, in every row written; what else is refused.

        Nothing happens where Excel cannot hold the list.
        """
        listed = ",".join(values)
        if len(listed) > _LONGEST_LIST or any("," in value for value in values) or self._rows == 1:
            return
        at = self._names.index(name)
        self._sheet.data_validation(
            1, at, self._rows - 1, at, {"validate": "list", "source": list(values)}
        )

    def widen(self, widths: Mapping[str, int]) -> None:
        """Columns as wide as so many characters, their texts wrapped; before the first row."""
        wrapped = self._book.add_format({"text_wrap": True, "valign": "top"})
        for name, width in widths.items():
            at = self._names.index(name)
            self._sheet.set_column(at, at, width, wrapped)

    def close(self) -> None:
        """Complete the workbook in the file, which stays open."""
        from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415

        try:
            self._book.close()
        except FileCreateError as wrapped:  # a full disk should look like a full disk
            cause = wrapped.args[0] if wrapped.args else None
            raise cause if isinstance(cause, OSError) else wrapped from None

    def abandon(self) -> None:
        """Close the scratch file; the workbook is never written."""
        self._sheet.row_data_fh.close()

    def _check(self, flat: Sequence[Cell], record: Record) -> None:
        for name, value in zip(self._names, flat, strict=True):
            # A character is one or two units: only texts of half the limit need to be counted.
            if isinstance(value, str) and len(value) > MAX_TEXT // 2 and _units(value) > MAX_TEXT:
                raise UsageError(
                    f"{place(record)}: {name} has {_units(value):,} characters and a cell of xlsx "
                    f"holds {MAX_TEXT:,}: choose csv, jsonl or parquet"
                )

    def _put(self, flat: Sequence[Cell]) -> None:
        row, text, number = self._rows, self._sheet.write_string, self._sheet.write_number
        for position, value in enumerate(flat):
            if isinstance(value, str):
                text(row, position, value)
            elif isinstance(value, int | float):
                if -_EXACT < value < _EXACT or (isinstance(value, float) and _fits(value)):
                    number(row, position, value)
                else:
                    text(row, position, str(value))


def _fits(value: float) -> bool:
    return -_LARGEST < value < _LARGEST


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _escape(text: str) -> str:
    """What XML cannot hold, or a reader would take for something else, as Excel escapes it."""
    return _SPECIAL.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
