"""Times as the database holds them: `YYYY-MM-DD HH:MM:SS.sss`, UTC."""

import time
from datetime import datetime
from functools import lru_cache


def as_text(seconds: float) -> str:
    """Seconds since the epoch as the database's text; cuts to milliseconds."""
    whole = int(seconds)
    return f"{_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}"


@lru_cache(maxsize=16)  # calls of one second are recorded one after the other
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def from_text(text: str) -> datetime:
    """The database's text as an aware UTC time."""
    return datetime.fromisoformat(f"{text}+00:00")
