"""What SQLite cannot say of an old value: functions for the statements of the conversion."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from overnight.domain.narrative import as_binary
from overnight.store.connection import Connection
from overnight.store.times import as_text

_EARLIEST = 1e8  # seconds since the epoch (1973): a smaller number is no time of a run
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def add_functions(connection: Connection) -> None:
    """Make `r_utc`, `r_flag`, `r_digest`, `r_answer` known to this connection."""
    for name, function, n in (
        ("r_utc", as_utc, 1),
        ("r_flag", as_flag, 1),
        ("r_digest", _digest, 1),
        ("r_answer", as_output, 4),
    ):
        connection.create_function(name, n, function, deterministic=True)


def as_utc(value: object) -> str | None:
    """A local time of this machine's zone as the database's text; None for what is no time."""
    if isinstance(value, int | float) and value > _EARLIEST:
        return as_text(value)  # R's POSIXct, written as it is
    if not isinstance(value, str):
        return None
    words = value.strip().split(" ")
    for n in (len(words), 2):  # "2025-10-27 14:03:22 EDT": the zone is this machine's
        try:
            at = datetime.fromisoformat(" ".join(words[:n]))
            return as_text(at.astimezone(UTC).timestamp())
        except (ValueError, OverflowError, OSError):
            continue
    return None


def as_flag(value: object) -> int | None:
    """R's TRUE and FALSE, however they were written, as 1 and 0."""
    flag = as_binary(None if value is None else str(value))
    return None if flag is None else int(flag)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def as_output(detected: object, confidence: object, indicators: object, rationale: object) -> str:
    """The four columns of an answer as `output_json`; what is missing is left out."""
    flag = as_flag(detected)
    values: dict[str, Any] = {
        "detected": None if flag is None else bool(flag),
        "confidence": confidence,
        "indicators": _items(indicators),
        "rationale": rationale,
    }
    return _encode({name: value for name, value in values.items() if value is not None})


def _items(indicators: object) -> list[Any] | None:
    """A list, from the JSON that R made of it; a text that is none is its one item."""
    if not isinstance(indicators, str):
        return None
    try:
        found = json.loads(indicators)
    except ValueError:
        found = indicators
    if isinstance(found, list):
        return found
    return [] if found in ("", {}, None) else [found]
