"""The order in which people expect values: years and numbers, Site 2 before Site 10."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DIGITS = re.compile(r"([0-9]+)")

_Key = tuple[int, float, list[tuple[int, str]], str]


def natural(values: Iterable[str | None]) -> list[str | None]:
    """Numbers ascending, then words with the numbers in them taken as numbers, None at the end."""
    return sorted(values, key=_key)


def _key(value: str | None) -> _Key:
    if value is None:
        return 2, 0.0, [], ""
    word = value.strip()
    if _NUMBER.fullmatch(word):
        return 0, float(word), [], value
    return 1, 0.0, [_piece(one) for one in _DIGITS.split(word.casefold())], value


def _piece(piece: str) -> tuple[int, str]:
    """Digits without leading zeros compare as numbers do once the longer one is the larger."""
    if not _DIGITS.fullmatch(piece):
        return 0, piece
    digits = piece.lstrip("0")
    return len(digits), digits
