"""How long a server asks to wait, in the many ways in which servers say so."""

import contextlib
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PART = re.compile(rf"({_NUMBER.pattern}) ?(ms|milli|[smhd])[a-z]*", re.IGNORECASE)
_DURATION = re.compile(rf"(?:{_PART.pattern} ?)+", re.IGNORECASE)  # 6m0s, 20ms, 26 seconds
_IN_WORDS = re.compile(
    rf"(?:try again|retry)(?: it)? (?:in|after) ({_DURATION.pattern})", re.IGNORECASE
)
_RESETS = "x-ratelimit-reset"
_EPOCH, _EPOCH_MS = 1e9, 1e12  # from here on a number is a moment, not a duration


def retry_after(
    headers: Mapping[str, str], said: str = "", *, limited: bool = False
) -> float | None:
    """Seconds that the server asks to wait; None where it does not say.

    The names of `headers` are in lower case. `said` is the error body, for servers that name the
    time in words. `limited`: this is a 429, and what remains of a rate limit counts, too.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _seconds_or_date(headers.get(name, "").strip(), scale)
        if seconds is not None:
            return seconds
    if words := _IN_WORDS.search(said):
        return _finite(_total(words[1]))
    return _until_reset(headers) if limited else None


def says_when(said: str) -> bool:
    """Whether an error body names, in words, a time after which to try again."""
    return _IN_WORDS.search(said) is not None


def _seconds_or_date(value: str, scale: float) -> float | None:
    if _NUMBER.fullmatch(value):
        return _finite(float(value) * scale)
    if _DURATION.fullmatch(value):
        return _finite(_total(value))
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        at = parsedate_to_datetime(value) if value else None
        if at is not None and at.tzinfo is not None:
            return max(0.0, at.timestamp() - time.time())
    return None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Until the limit that is used up is there again; until the first one, if none says it is."""
    waits: dict[bool, list[float]] = {True: [], False: []}
    for name, value in headers.items():
        if not name.startswith(_RESETS):
            continue
        remaining = headers.get(name.replace("-reset", "-remaining"), "").strip()
        seconds = _from_now(value.strip())
        if seconds is not None and seconds > 0:
            waits[remaining == "0"].append(seconds)
    return min(waits[True] or waits[False], default=None)


def _from_now(value: str) -> float | None:
    seconds = _seconds_or_date(value, 1.0)
    if seconds is None or seconds < _EPOCH:
        return seconds
    moment = seconds / 1000 if seconds >= _EPOCH_MS else seconds
    return max(0.0, moment - time.time())


def _total(duration: str) -> float:
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(duration))


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
