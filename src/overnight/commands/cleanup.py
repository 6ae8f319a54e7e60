"""`cleanup`: delete what was abandoned, after a backup."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from overnight.commands.removal import Removable, removable, remove
from overnight.config.models import as_seconds
from overnight.domain.experiment import Status
from overnight.errors import ExperimentOwned, UsageError
from overnight.events import Handler, Said
from overnight.store.backup import back_up
from overnight.store.database import Database
from overnight.store.experiments import list_experiments
from overnight.store.open import connected
from overnight.store.times import from_text

ABANDONED = ("running", "failed", "cancelled")
Confirm = Callable[[Sequence[Removable]], bool]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was found, and what became of it."""

    found: tuple[Removable, ...]
    deleted: tuple[Removable, ...] = ()
    older_than: str = ""  # what was looked for
    statuses: tuple[str, ...] = ()
    n_younger: int = 0  # of these statuses, but worked on later than that


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
        idle = _idle(database, known)
        found = tuple(one for one in idle if _is_abandoned(one, before))
        seen = Cleaned(found, (), older_than, known, len(idle) - len(found))
        if not found or not confirm(found):
            return seen
        made = back_up(database, skip_unchanged=True)
        handler(Said(f"backup: {made.path}"))
        deleted = [one for one in found if _remove(database, one, handler)]
        return replace(seen, deleted=tuple(deleted))


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


def _idle(database: Database, statuses: Sequence[str]) -> list[Removable]:
    """Those of a status that nobody works on now."""
    found = (removable(database, one) for one in list_experiments(database, statuses))
    return [one for one in found if not one.view.is_alive]


def _is_abandoned(found: Removable, before: float) -> bool:
    return found.half_deleted or last_progress(found) < datetime.fromtimestamp(before, UTC)


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
