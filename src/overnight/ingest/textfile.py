"""Text files: their encoding, and where it proves wrong."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager

from overnight.errors import DataError
from overnight.ingest.readers import OpenFile

_MARKS = (  # the longer ones first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20


class TextFile:
    """A file as text in the encoding given, else in that of its byte order mark, else UTF-8.

    Raises DataError for an encoding that does not exist.
    """

    def __init__(self, file: OpenFile, encoding: str | None) -> None:
        self.file = file
        self.encoding = encoding or _marked(file.read(4, 0)) or "utf-8"
        try:
            self.open().close()
        except LookupError:
            raise DataError(
                f"{file.path}: data.encoding {self.encoding!r} is no known text encoding; "
                "known are utf-8, utf-16, cp1252, latin-1 and Python's others"
            ) from None
        except UnicodeError:
            pass  # said with its place when the rows are read

    def open(self, newline: str = "") -> io.TextIOWrapper:
        """The text from the beginning, line ends untouched, a byte order mark left out."""
        text = io.TextIOWrapper(self.file.stream(), encoding=self.encoding, newline=newline)
        if text.read(1) != "\ufeff":
            text.seek(0)
        return text

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Turns bytes that cannot be decoded into a DataError naming line and byte."""
        try:
            yield
        except UnicodeError:
            raise self._undecodable() from None

    def _undecodable(self) -> DataError:
        """Where the first wrong byte stands: the decoder knows it only within its chunk."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        line, done, stream = 1, 0, self.file.stream()
        while chunk := stream.read(_CHUNK):
            pending = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(self.encoding, "ignore")
                at = done - pending + error.start
                return self._wrong(line + good.count("\n"), at, error.object[error.start])
            except UnicodeError:  # UTF-16 without a byte order mark
                break
            done += len(chunk)
        return self._wrong(line, done, None)

    def _wrong(self, line: int, at: int, byte: int | None) -> DataError:
        what = "the text ends within a character" if byte is None else f"0x{byte:02x}"
        other = "cp1252" if codecs.lookup(self.encoding).name == "utf-8" else "utf-8"
        return DataError(
            f"{self.file.path}, line {line}, byte {at + 1}: not {self.encoding} ({what}); "
            f"save the file as UTF-8, or try data.encoding: {other}"
        )


def _marked(head: bytes) -> str | None:
    if head[1::2] == b"\0\0" and head[2:3] != b"\0":  # the mark is missing, but no text looks so
        return "utf-16-le"
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)
