"""Workbooks: xlsx, and what else calamine reads."""

import io
from collections.abc import Callable, Iterator, Sequence

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from overnight.errors import DataError
from overnight.ingest.readers import OpenFile, Row, as_text, is_blank

_SURE = 10.0**15  # a spreadsheet keeps 15 digits of a number

Fits = Callable[[Sequence[str]], bool]


class Sheet:
    """A sheet as a Table; its first row that is not blank holds the column names.

    Cells with an error (#N/A) and formulas without a stored value are empty, as calamine
    gives them; of merged cells the first has the value.
    """

    def __init__(self, where: str, sheet: CalamineSheet) -> None:
        self.where = where
        self.notes: list[str] = []
        self._sheet = sheet
        header = next((cells for _, cells in self._filled()), [])
        self.columns = [(as_text(cell) or "").strip() for cell in header]

    def rows(self, wanted: Sequence[int]) -> Iterator[Row]:
        """See Table."""
        rows, rounded = self._filled(), 0
        next(rows, None)  # the header
        for number, cells in rows:
            picked = [cells[at] for at in wanted]
            rounded += sum(isinstance(cell, float) and abs(cell) >= _SURE for cell in picked)
            yield number, [as_text(cell) for cell in picked]
        if rounded:
            self.notes.append(
                f"{self.where}: {rounded} cells hold a number of more than 15 digits, which a "
                "spreadsheet rounds; if they are ids, format the column as text and enter it anew"
            )

    def _filled(self) -> Iterator[tuple[int, list[object]]]:
        """Number and cells of each row that is not blank; the first is the header."""
        for number, cells in enumerate(self._sheet.iter_rows(), 1):
            if not is_blank(cells):
                yield number, list[object](cells)


def open_sheet(file: OpenFile, wanted: str | int | None, fits: Fits) -> Sheet:
    """The sheet of that name, or of that number counted from 1 (a name wins over a number).

    Without one: the first visible sheet whose columns fit, else the first with any columns.
    Raises DataError for a file that is no workbook, and lists the sheets where none is meant.
    """
    book = _open_workbook(file)
    names = _worksheets(book)
    if wanted is not None:
        return _sheet(file, book, _named(file, names, wanted))
    visible = _worksheets(book, only_visible=True) or names
    if len(visible) == 1:
        return _sheet(file, book, visible[0])
    return _first_that_fits(file, [_sheet(file, book, name) for name in visible], fits)


def _open_workbook(file: OpenFile) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(file.stream().read()))
    except PasswordError:
        raise DataError(
            f"{file.path}: the workbook is protected by a password; save it without one"
        ) from None
    except CalamineError:
        raise DataError(
            f"{file.path}: not a readable workbook; save it again as xlsx, "
            "or give the file the ending of its format"
        ) from None


def _worksheets(book: CalamineWorkbook, *, only_visible: bool = False) -> list[str]:
    return [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet
        and (not only_visible or sheet.visible == SheetVisibleEnum.Visible)
    ]


def _named(file: OpenFile, names: list[str], wanted: str | int) -> str:
    key = str(wanted).strip().casefold()
    same = [n for n in names if n == str(wanted)] or [
        n for n in names if n.strip().casefold() == key
    ]
    if len(same) == 1:
        return same[0]
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return names[wanted - 1]
    listed = ", ".join(f"{at} {name!r}" for at, name in enumerate(names, 1))
    raise DataError(f"{file.path}: data.sheet {wanted!r} names no sheet; there are: {listed}")


def _sheet(file: OpenFile, book: CalamineWorkbook, name: str) -> Sheet:
    try:
        return Sheet(f"{file.path}, sheet {name!r}", book.get_sheet_by_name(name))
    except CalamineError:
        raise DataError(
            f"{file.path}: the sheet {name!r} cannot be read; save the file again as xlsx"
        ) from None


def _first_that_fits(file: OpenFile, sheets: list[Sheet], fits: Fits) -> Sheet:
    fitting = [sheet for sheet in sheets if fits(sheet.columns)]
    if len(fitting) > 1:
        others = ", ".join(sheet.where.rpartition(", sheet ")[2] for sheet in fitting[1:])
        fitting[0].notes.append(
            f"{fitting[0].where}: only this sheet is read; also with narratives: {others} "
            "(data.sheet names another)"
        )
    if not sheets:
        raise DataError(f"{file.path}: the workbook has no worksheet")
    return next(iter(fitting or [s for s in sheets if s.columns] or sheets))
