"""What a run is like in words: times, spans, rates, shares, sizes, pauses, progress."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from overnight.domain.flow import Toll
from overnight.events import Progressed, Waiting


def iso(time: datetime) -> str:
    """A time as JSON and logs print it: ISO 8601 in UTC."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """A span of time as people say it: 4.2 s, 12m 05s, 1h 52m, 2d 03h."""
    if seconds < 59.95:  # noqa: PLR2004 - what is rounded to less than a minute
        return f"{seconds:.1f} s"
    seconds = max(seconds, 60)
    minutes, secs = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02d}h"
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {secs:02d}s"


def rate_text(rate: float | None) -> str:
    """Narratives per second; per minute where that says more."""
    if rate is None:
        return "rate unknown yet"
    return f"{rate:,.2f}/s" if rate >= 0.1 else f"{rate * 60:.2f}/min"  # noqa: PLR2004


def percent(part: int, whole: int) -> str:
    """A share, rounded down, so that 100.0% means all."""
    return f"{part * 1000 // whole / 10 if whole else 100.0:.1f}%"


def local_time(at: datetime) -> str:
    """A time on the user's clock, to the minute."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def clock(at: datetime) -> str:
    """A time to come on the user's clock: today's as 18:05, others with their day."""
    there = at.astimezone()
    today = there.date() == datetime.now(UTC).astimezone().date()
    return f"{there:%H:%M}" if today else f"{there:%a %d %b %H:%M}"


def pause_text(waiting: Waiting) -> str:
    """A pause in words: paused since 03:12: cannot connect ..., next probe in 60 s."""
    return paused(
        datetime.fromtimestamp(waiting.since, UTC),
        waiting.reason,
        None if waiting.next_probe is None else datetime.fromtimestamp(waiting.next_probe, UTC),
    )


def paused(since: datetime, reason: str, next_probe: datetime | None) -> str:
    """The same of a pause that is on record."""
    wait = 0.0 if next_probe is None else (next_probe - datetime.now(UTC)).total_seconds()
    probe = f"next probe in {wait:.0f} s" if wait >= 1 else "probing now"
    return f"paused since {clock(since)}: {reason}, {probe}"


def toll_text(toll: Toll) -> str | None:
    """What the server's failures have cost, in one line; None if there were none."""
    if not (toll.n_pauses or toll.n_retried or toll.n_given_up):
        return None
    pauses = "1 pause" if toll.n_pauses == 1 else f"{toll.n_pauses} pauses"
    lasted = f" ({duration(toll.paused_sec)})" if toll.n_pauses else ""
    calls = "1 call" if toll.n_retried == 1 else f"{toll.n_retried:,} calls"
    lost = "1 narrative" if toll.n_given_up == 1 else f"{toll.n_given_up:,} narratives"
    return f"{pauses}{lasted}, {calls} retried, {lost} lost"


def progress_line(p: Progressed) -> str:
    """Where a run stands, as one line for a log or a file."""
    if p.waiting is not None:
        done = f"{p.completed:,}/{p.total:,} ({percent(p.completed, p.total)})"
        return f"[PROGRESS] {done} | {pause_text(p.waiting)} | errors {p.errors:,}"
    eta = f"ETA {local_time(p.eta)}" if p.eta else "ETA unknown yet"
    return (
        f"[PROGRESS] {p.completed:,}/{p.total:,} ({percent(p.completed, p.total)}) | "
        f"{rate_text(p.rate)} | {eta} | elapsed {duration(p.elapsed)} | errors {p.errors:,}"
    )


def last_line(p: Progressed) -> str:
    """Where a run stood when it ended: nothing is to come, so no ETA and no next probe."""
    rate = "" if p.rate is None else f"{rate_text(p.rate)} | "
    return (
        f"[PROGRESS] {p.completed:,}/{p.total:,} ({percent(p.completed, p.total)}) | "
        f"{rate}worked {duration(p.elapsed)} | errors {p.errors:,}"
    )


def size_text(n_bytes: float) -> str:
    """A size on disk: 0.4 MB, 3 MB, 82.2 GB."""
    if n_bytes >= 1e9:  # noqa: PLR2004
        return f"{n_bytes / 1e9:,.1f} GB"
    digits = 1 if 0 < n_bytes < 1e6 else 0  # noqa: PLR2004
    return f"{n_bytes / 1e6:,.{digits}f} MB"


def money(amount: float, currency: str) -> str:
    """An amount: 1,234.50 USD; a small one to two digits: 0.0042 USD."""
    if 0 < amount < 0.0001:  # noqa: PLR2004 - of nearly nothing no digit matters
        return f"less than 0.0001 {currency}"
    digits = 2 if amount == 0 or amount >= 0.1 else 1 - math.floor(math.log10(amount))  # noqa: PLR2004
    return f"{amount:,.{digits}f} {currency}"


def setting_text(value: object) -> str:
    """A value of an experiment file as people write it: nothing, true, SiteID, Year, test: 0.3."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_nested(one)}" for key, one in value.items()) or "nothing"
    if isinstance(value, list | tuple):
        return ", ".join(map(_nested, value)) or "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value)


def _nested(value: object) -> str:
    """One of several: in brackets where it has several itself."""
    several = isinstance(value, Mapping | list | tuple)
    return f"[{setting_text(value)}]" if several else setting_text(value)


def short_count(n: int) -> str:
    """A large number in few characters: 950, 12.3k, 4.5M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= size:
            return f"{n * 10 // size / 10:.1f}{letter}"
    return str(n)
