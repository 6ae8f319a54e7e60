"""What comes from a server may hold what no database takes."""

from operator import itemgetter
from typing import Any

_LARGEST = 2**63 - 1


def storable(value: object) -> object:
    """`value` as a database can hold it.

    Half a surrogate pair (of a text that a server cut) and NUL become other characters; a whole
    number that no column can hold is no number.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        return None
    return value


def storable_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row as a database can hold it; nearly every one is that already."""
    texts = "".join([value for value in row if type(value) is str])
    numbers = [value for value in row if type(value) is int]
    fine = texts.isascii() and "\0" not in texts
    if fine and all(-_LARGEST <= number <= _LARGEST for number in numbers):
        return row
    return tuple([storable(value) for value in row])


def storable_text(text: str) -> str:
    """A text as a database can hold it; also one that was typed in another encoding."""
    if "\0" in text or not text.isascii():
        return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return text


def filled(
    columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns, two at least, that are not NULL in all rows; the rows without the others.

    sqlite3 looks for an adapter for each None: that costs three times what a number does.
    """
    full = [i for i, cells in enumerate(zip(*rows, strict=True)) if cells.count(None) < len(cells)]
    if len(full) == len(columns):
        return columns, rows
    return tuple(columns[i] for i in full), list(map(itemgetter(*full), rows))
