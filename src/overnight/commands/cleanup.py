"""`cleanup`: delete what was abandoned, after a backup."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from overnight.app import connected
from overnight.commands.removal import Removable, removable, remove
from overnight.config.models import as_seconds
from overnight.domain.experiment import Status
from overnight.errors import ExperimentOwned, UsageError
from overnight.events import Handler, Said
from overnight.store.backup import back_up
from overnight.store.database import Database
from overnight.store.experiments import list_experiments
from overnight.store.times import from_text

ABANDONED = ("running", "failed", "cancelled")
Confirm = Callable[[Sequence[Removable]], bool]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was found, and what became of it."""

    found: tuple[Removable, ...]
    deleted: tuple[Removable, ...] = ()


def cleanup(
    *,
    db: Path | str | None = None,
    older_than: str = "7d",
    statuses: Sequence[str] = ABANDONED,
    confirm: Confirm,
    handler: Handler,
) -> Cleaned:
    """Delete experiments that nobody has worked on for so long, if `confirm` says so.

    Never one with a living owner. Narratives stay: `purge` deletes them too. What an earlier
    deletion has left half done is found however old it is.
    """
    before = time.time() - _seconds(older_than)
    known = _known(statuses)
    with connected(db, writes=handler) as database:
        found = tuple(_abandoned(database, known, before))
        if not found or not confirm(found):
            return Cleaned(found)
        made = back_up(database, skip_unchanged=True)
        handler(Said(f"backup: {made.path}"))
        deleted = [one for one in found if _remove(database, one, handler)]
        return Cleaned(found, tuple(deleted))


def _seconds(duration: str) -> float:
    try:
        seconds = as_seconds(duration)
    except ValueError as error:
        raise UsageError(f"--older-than {duration}: {error}") from None
    return float(str(seconds))


def _known(statuses: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for status in statuses for name in status.split(",")]
    known = [str(status) for status in Status]
    for name in names:
        if name not in known:
            raise UsageError(f"no status is called {name!r}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def _abandoned(database: Database, statuses: Sequence[str], before: float) -> list[Removable]:
    oldest = datetime.fromtimestamp(before, UTC)
    found = (removable(database, one) for one in list_experiments(database, statuses))
    return [
        one
        for one in found
        if not one.view.is_alive and (one.half_deleted or last_progress(one) < oldest)
    ]


def last_progress(found: Removable) -> datetime:
    """When somebody last worked on an experiment."""
    row, view = found.view.summary.row, found.view
    texts = [row["created_at"], row["last_progress_update"]]
    times = [from_text(text) for text in texts if text]
    return max([*times, view.last_alive] if view.last_alive else times)


def _remove(database: Database, found: Removable, say: Handler) -> bool:
    try:
        remove(database, found, with_data=False)
    except ExperimentOwned as owned:  # since it was found
        say(Said(str(owned), warning=True))
        return False
    return True
