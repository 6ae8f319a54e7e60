"""JSON (one array of objects) and JSON lines (one object per line), streamed.

Keys are the columns in order; numbers, booleans, lists and null are what they are.
"""

import io
import json
from collections.abc import Sequence
from typing import BinaryIO

from overnight.report.columns import Column, Record, as_iso

_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    separators=(", ", ": "),
    default=as_iso,
    check_circular=False,  # a cell holds no more than a list of texts or numbers
).encode


def json_line(names: Sequence[str], record: Record) -> str:
    """A row as one JSON object, without the end of the line."""
    return _encode(dict(zip(names, record, strict=True)))


class JsonLinesWriter:
    """One object per line, UTF-8; lines end in LF."""

    before, between, after = "", "\n", "\n"

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._names = [column.name for column in columns]
        self._text.write(self.before)
        self._empty = True

    def write(self, record: Record) -> None:
        """Add one row."""
        line = json_line(self._names, record)
        self._text.write(line if self._empty else self.between + line)
        self._empty = False

    def close(self) -> None:
        """End the document and hand everything to the file, which stays open."""
        if not self._empty or self.before:
            self._text.write(self.after)
        self._text.detach()  # flushes

    def abandon(self) -> None:
        """Let go of the file without a word."""


class JsonWriter(JsonLinesWriter):
    """One array, one object of it per line, UTF-8."""

    before, between, after = "[\n", ",\n", "\n]\n"
