"""jsonl: one object per line, its keys the columns."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from overnight.errors import DataError
from overnight.ingest.readers import NotOneValue, OpenFile, Row, as_text, is_blank
from overnight.ingest.textfile import TextFile


class JsonLines:
    """A jsonl file as a Table; rows are numbered by line, from 1.

    The columns are the keys of all objects, which takes a pass of its own: a label that only
    some lines carry must not be missed. A key that an object lacks is a missing cell.
    """

    def __init__(self, file: OpenFile, *, encoding: str | None) -> None:
        self.where = str(file.path)
        self.notes: list[str] = []
        self._text = TextFile(file, encoding)
        keys: dict[str, None] = {}
        for _, item in self._objects():
            keys.update(dict.fromkeys(item))
        if not keys:
            raise DataError(f"{self.where}: the file holds no rows; one JSON object per line")
        self._keys = list(keys)
        self.columns = [key.strip() for key in keys]

    def rows(self, wanted: Sequence[int]) -> Iterator[Row]:
        """See Table. A line that is no object, or a value that is no text, is a DataError."""
        keys = [self._keys[at] for at in wanted]
        for line, item in self._objects():
            if is_blank(item.values()):
                continue
            try:
                yield line, [as_text(item.get(key)) for key in keys]
            except NotOneValue:
                raise self._nested(line, item, keys) from None

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        decode = json.JSONDecoder(object_pairs_hook=_unique).decode
        with self._text.decoding():
            for number, line in enumerate(self._text.open(newline="\n"), 1):
                if line.isspace():
                    continue
                try:
                    item = decode(line)
                    if "\\ud" in line or "\\uD" in line:
                        _refuse_half_characters(item)
                except (ValueError, RecursionError) as error:
                    raise self._broken(number, line, error) from None
                if not isinstance(item, dict):
                    raise self._broken(number, line, ValueError("no object"))
                yield number, item

    def _broken(self, number: int, line: str, error: Exception) -> DataError:
        if number == 1 and line.lstrip()[:1] == "[":
            what = "the file is one JSON list"
        elif isinstance(error, json.JSONDecodeError):
            what = f"not valid JSON at column {error.colno}"
        elif isinstance(error, RecursionError):
            what = "nested too deeply"
        else:
            what = str(error)
        return DataError(
            f"{self.where}, line {number}: {what}; each line must be one JSON object with the "
            "columns as keys"
        )

    def _nested(self, line: int, item: dict[str, Any], keys: list[str]) -> DataError:
        key = next(key for key in keys if isinstance(item.get(key), list | dict))
        return DataError(
            f"{self.where}, line {line}: {key} holds a list or an object; a text, a number, "
            "true, false or null is needed"
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return item


def _refuse_half_characters(item: object) -> None:
    """No database takes half of a surrogate pair; better said here, with the line."""
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate such as \\ud83d)") from None
