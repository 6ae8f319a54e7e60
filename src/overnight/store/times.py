"""Times as the database holds them: `YYYY-MM-DD HH:MM:SS.sss`, UTC."""

import time
from datetime import datetime


def as_text(seconds: float) -> str:
    """Seconds since the epoch as the database's text; cuts to milliseconds."""
    whole = int(seconds)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole))
    return f"{stamp}.{int((seconds - whole) * 1000):03d}"


def from_text(text: str) -> datetime:
    """The database's text as an aware UTC time."""
    return datetime.fromisoformat(f"{text}+00:00")
