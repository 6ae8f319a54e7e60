"""A data file opened, told by its checksum, and read as narratives."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Self

from overnight.config.models import DataSection
from overnight.domain.narrative import LeftOut, SourceNarrative, as_binary
from overnight.errors import DataError
from overnight.ingest.delimited import Delimited
from overnight.ingest.jsonl import JsonLines
from overnight.ingest.mapping import Cells, Layout, fits, resolve
from overnight.ingest.parquet import Parquet
from overnight.ingest.readers import OpenFile, Table
from overnight.ingest.xlsx import open_sheet

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SUFFIXES = (*WORKBOOKS, ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

OTHER_LABELS = "(others)"
_ODD_LABELS = 20  # distinct ones that are kept by name
LONGEST_LABEL = 40  # characters; what is longer may be a narrative, and is not repeated


class Source:
    """A data file, held open: `checksum` is of the very bytes that `narratives` parses.

    Opening reads the bytes once, for the checksum; the file is parsed only when `layout`,
    `notes` or `narratives` is asked for. A context manager; letting it go closes it too.

    `odd_labels` counts, after `narratives`, the label texts (of narratives and of cases) that
    are no yes or no: at most 20 distinct ones, the rest as OTHER_LABELS.
    """

    def __init__(self, data: DataSection, path: Path) -> None:
        self.path = path
        self.odd_labels: Counter[str] = Counter()
        self._data = data
        self._suffix = _known_suffix(path)
        self._file = OpenFile(path)
        self._stamp = self._file.stamp()
        self.checksum = self._file.checksum()

    @property
    def layout(self) -> str:
        """`wide`, `long` or `mapped`. Raises DataError where the columns are not understood."""
        return self._layout.name

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that are kept, by their names in the file. Raises DataError as `layout`."""
        return tuple(name for name, _ in self._layout.kept)

    @property
    def notes(self) -> list[str]:
        """What the user should know, as sentences; complete after `narratives`."""
        return list(self._table.notes)

    def narratives(self) -> Iterator[SourceNarrative | LeftOut]:
        """Every narrative and every left-out part, in file order; can be called again.

        Duplicate keys are not looked for here. Raises DataError for a file that cannot be
        read as configured, or that was changed since it was opened (at the end: what was
        yielded before must then not be kept).
        """
        self.odd_labels.clear()
        try:
            yield from self._parsed()
        except DataError:
            self._verify()  # half-written rows look broken: then say what really happened
            raise
        self._verify()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _parsed(self) -> Iterator[SourceNarrative | LeftOut]:
        layout, where = self._layout, self._table.where
        binary: set[str] = set()  # labels seen to be fine: few, and asked for often
        for row, cells in self._table.rows(layout.wanted):
            _refuse_nul(where, row, cells)
            for part in layout.split(row, cells):
                if isinstance(part, SourceNarrative):
                    for label in (part.label, part.case_label):
                        if label is not None and label not in binary and not self._is_odd(label):
                            binary.add(label)
                yield part

    def _is_odd(self, label: str) -> bool:
        """Whether it is no yes or no; then it is counted."""
        if as_binary(label) is not None:
            return False
        name = label
        if len(label) > LONGEST_LABEL:
            name = f"(more than {LONGEST_LABEL} characters)"
        if name not in self.odd_labels and len(self.odd_labels) >= _ODD_LABELS:
            name = OTHER_LABELS
        self.odd_labels[name] += 1
        return True

    def _verify(self) -> None:
        """See that nobody has written to the file; hash it again where its times cannot tell."""
        if self._stamp is not None and self._file.stamp() == self._stamp:
            return
        if self._file.checksum() != self.checksum:
            raise DataError(
                f"{self.path}: the file was changed while it was being read; "
                "start again when nothing writes to it"
            ) from None

    @cached_property
    def _layout(self) -> Layout:
        data = self._data
        return resolve(self._table.columns, data.columns, self._table.where, data.kept)

    @cached_property
    def _table(self) -> Table:
        file, data = self._file, self._data
        if file.size() == 0:
            raise DataError(f"{self.path}: the file is empty")
        if self._suffix in WORKBOOKS:
            return open_sheet(file, data.sheet, partial(fits, mapping=data.columns))
        if self._suffix in (".csv", ".tsv"):
            return Delimited(file, encoding=data.encoding, delimiter=data.delimiter)
        if self._suffix == ".parquet":
            return Parquet(file)
        return JsonLines(file, encoding=data.encoding)


def open_source(data: DataSection, path: Path) -> Source:
    """Open the data file at `path`, to be read as `data` says, and compute its checksum.

    Raises DataError for a file that is not there, is not readable or of no known format.
    """
    return Source(data, path)


def checksum_of(path: Path) -> str:
    """`sha256:` and the hex digest of a file's bytes, streamed. Raises DataError."""
    file = OpenFile(path)
    try:
        return file.checksum()
    finally:
        file.close()


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: a file name must end with its format; known are {', '.join(SUFFIXES)}"
        )
    return suffix


def _refuse_nul(where: str, row: int, cells: Cells) -> None:
    """PostgreSQL takes no NUL, and in a text file it mostly means another encoding."""
    for cell in cells:
        if cell and "\0" in cell:
            raise DataError(
                f"{where}, row {row}: a NUL character; remove it, or, if the file is UTF-16, "
                "set data.encoding: utf-16"
            )
