"""What all readers share: the file held open, the table made of it, cells as text."""

import datetime as dt
import hashlib
import io
import math
import os
import stat
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Protocol, runtime_checkable

from overnight.errors import DataError

_TICK = 60.0  # seconds after a write in which its times are not trusted
_BUFFER = 1 << 18  # bytes per read: large enough for hashing at full speed

Row = tuple[int, Sequence[str | None]]  # its number as a spreadsheet shows it, the wanted cells


@runtime_checkable
class Table(Protocol):
    """A data file as named columns and rows of text.

    `where` names the table in errors (the file, and the sheet where there is one); `columns`
    are the names in file order, trimmed; `notes` are sentences for the user, complete once
    the rows have been read.
    """

    @property
    def where(self) -> str: ...  # noqa: D102 - see the class

    @property
    def columns(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def notes(self) -> list[str]: ...  # noqa: D102

    def rows(self, wanted: Sequence[int]) -> Iterator[Row]:
        """The cells at the positions `wanted`, row by row. Raises DataError naming the row.

        Rows that are blank in every column are left out, but counted in the row's number.
        """
        ...


class OpenFile:
    """A data file held open: what is saved in its place later does not change what is read.

    A program that writes into the very same file does; hence `checksum`, which reads all of
    it anew at every call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = _open(path)
        self._closer = weakref.finalize(self, os.close, self._fd)

    def stream(self) -> io.BufferedReader:
        """The bytes from the beginning, with a position of its own; closing it closes nothing."""
        return io.BufferedReader(_Bytes(self), _BUFFER)

    def read(self, size: int, at: int) -> bytes:
        """Up to `size` bytes from the position `at`."""
        return os.pread(self._fd, size, at)

    def read_into(self, buffer: memoryview, at: int) -> int:
        """Fill `buffer` with the bytes from the position `at`; how many there were."""
        return os.preadv(self._fd, [buffer], at)

    def size(self) -> int:
        """How many bytes there are now."""
        return os.fstat(self._fd).st_size

    def checksum(self) -> str:
        """`sha256:` and the hex digest of the bytes as they are now."""
        return "sha256:" + hashlib.file_digest(self.stream(), "sha256").hexdigest()

    def stamp(self) -> tuple[int, ...] | None:
        """What no ordinary write to the file leaves as it is; None if it has just been written to.

        The system's clock ticks: two writes at nearly the same time have the same times. A write
        through a memory map shows when the system gets round to it, after half a minute.
        """
        now = os.fstat(self._fd)
        if time.time() - max(now.st_mtime, now.st_ctime) < _TICK:
            return None
        return now.st_size, now.st_mtime_ns, now.st_ctime_ns

    def close(self) -> None:
        """Let the file go; a second time does nothing."""
        self._closer()


class _Bytes(io.RawIOBase):
    """A reader with its own position, so that two passes over a file do not disturb each other."""

    def __init__(self, file: OpenFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._at, self._file.size())[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # BufferedReader hands in a memoryview
        n = self._file.read_into(buffer, self._at)
        self._at += n
        return n


def _open(path: Path) -> int:
    """A descriptor of a regular file; everything else is refused before it could block."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise DataError(f"{path}: this is {kind}; data.file must name a data file")
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; correct data.file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


class NotOneValue(ValueError):
    """A cell holds a list, an object or bytes."""


def as_text(cell: object) -> str | None:
    """A cell as text: 123456.0 is "123456", True is "true", dates are ISO 8601; NaN is None.

    Raises NotOneValue for a list, an object or bytes.
    """
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | Decimal):
        return _number_as_text(cell)
    if isinstance(cell, dt.date | dt.time):  # a datetime is a date
        return cell.isoformat()
    if isinstance(cell, int | dt.timedelta):
        return str(cell)
    raise NotOneValue


def _number_as_text(number: float | Decimal) -> str | None:
    if math.isnan(number):
        return None
    if math.isfinite(number) and number == int(number):
        return str(int(number))
    return str(number)


def is_blank(cells: Iterable[object]) -> bool:
    """Whether all cells are missing or nothing but white space."""
    for cell in cells:
        if isinstance(cell, str):
            if cell and not cell.isspace():
                return False
        elif cell is not None:
            return False
    return True
