"""csv and tsv, streamed; a row that does not fit its header is never guessed at."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from overnight.errors import DataError
from overnight.ingest.readers import OpenFile, Row, is_blank
from overnight.ingest.textfile import TextFile

if TYPE_CHECKING:
    from _csv import Reader  # the type of csv.reader(...), which has a name only here

_DELIMITERS = ",;\t|"
# Beyond any narrative; a quote that is never closed ends here and not with the memory.
_LONGEST_FIELD = 10_000_000
_HEADER = 1 << 18  # characters; enough for thousands of column names
_QUOTED = re.compile('"[^"]*"')


class Delimited:
    """A csv or tsv file as a Table; rows are numbered by record, as a spreadsheet shows them.

    Quotes are read strictly: a text with a quote that is not doubled would lose it, or shift
    its row, without a word. Without `delimiter`, the one of , ; tab | that parts the header
    into most columns (in a .tsv the tab, if there is one).
    """

    def __init__(self, file: OpenFile, *, encoding: str | None, delimiter: str | None) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
        self.where = str(file.path)
        self.notes: list[str] = []
        self._text = TextFile(file, encoding)
        with self._text.decoding():
            self._delimiter = delimiter or self._sniffed()
            _, header = next(self._records(), (0, []))
        if not header:
            raise DataError(f"{self.where}: the file is empty; a row with column names is needed")
        self.columns = [name.strip() for name in header]

    def rows(self, wanted: Sequence[int]) -> Iterator[Row]:
        """See Table. A row with too many or too few fields is a DataError naming its line."""
        pick = _picker(wanted)
        with self._text.decoding():
            records = self._records()
            next(records, None)  # the header
            for number, fields in records:
                yield number, pick(fields)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Number and fields of each record that is not blank; the first is the header."""
        reader = self._reader(self._delimiter)
        width, begins = 0, 1
        try:
            for number, fields in enumerate(reader, 1):
                if not is_blank(fields):
                    width = width or len(fields)
                    if len(fields) != width:
                        raise self._ragged(begins, len(fields), width)
                    yield number, fields
                begins = reader.line_num + 1
        except csv.Error as error:
            raise self._broken(begins, reader.line_num, str(error)) from None

    def _reader(self, delimiter: str) -> "Reader":
        if delimiter in '"\r\n':
            raise DataError(
                f"{self.where}: data.delimiter {delimiter!r} cannot part columns; "
                "usual are a comma, a semicolon, \\t and |"
            )
        return csv.reader(self._text.open(), delimiter=delimiter, strict=True)

    def _sniffed(self) -> str:
        """The delimiter that stands most often in the header, outside of quotes."""
        head = _QUOTED.sub("x", self._text.open().read(_HEADER))
        lines = (line for line in re.split("[\r\n]", head) if line.strip(_DELIMITERS + " "))
        header = next(lines, "")
        if self.where.lower().endswith(".tsv") and "\t" in header:
            return "\t"
        return max(_DELIMITERS, key=header.count)

    def _ragged(self, line: int, found: int, width: int) -> DataError:
        return DataError(
            f"{self.where}, line {line}: {found} fields where the header has {width}; a text with "
            f"{_NAMES.get(self._delimiter, self._delimiter)} or a line break in it must stand in "
            "quotes: correct the row, or export the data as xlsx"
        )

    def _broken(self, begins: int, line: int, error: str) -> DataError:
        where = f"{self.where}, line {begins}"
        if "unexpected end" in error or "field limit" in error:
            return DataError(
                f"{where}: a quote in the row that begins here is never closed; close it"
            )
        return DataError(
            f"{where}: the quotes of this row do not pair (seen in line {line}); a quote within "
            'a quoted text is written twice (""): correct the row, or export the data as xlsx'
        )


_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


def _picker(wanted: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    if len(wanted) == 1:  # itemgetter would return the bare cell
        return lambda fields: (fields[wanted[0]],)
    return itemgetter(*wanted)
