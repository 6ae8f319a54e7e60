"""Backups: whole copies of a database, made while runs go on. One at a time per database.

A backup is written under a temporary name, checked, brought to disk, and only then given its
name: a file with such a name is always whole.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from overnight.errors import (
    DatabaseRefused,
    NoRoom,
    OvernightError,
    StoppedError,
    UsageError,
)
from overnight.private import private_folder
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.shelf import (
    BEFORE_MIGRATION,
    NO_ROOM,
    Place,
    backups_of,
    find_place,
    publish,
    rotate,
    sweep,
)
from overnight.store.snapshot import Snapshot, Tell, snapshot

_MARGIN = 16 * 1024 * 1024  # bytes that are left to others on the disk
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup. `is_new` is False where nothing was committed since one was made: this one."""

    path: Path
    n_bytes: int
    seconds: float
    is_new: bool


def back_up(
    database: Database | Path,
    out: Path | str | None = None,
    *,
    before_migration: bool = False,
    skip_unchanged: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Backup:
    """Copy the database as it is now, and verify the copy.

    Without `out` into `backups/` beside the database, where the newest five are kept; those
    made `before_migration` are kept apart. With `out` to that file, which must not exist, or
    into that folder, which may be on a network drive; nothing is ever removed there.
    With `skip_unchanged` (and without `out`) no copy is made if the newest one holds it all.

    `on_progress` is given the bytes copied and the bytes in all, several times a second; once a
    second (0, 0) while another backup of the same database is waited for. What it raises ends
    the backup and leaves nothing behind.

    Raises NoRoom if the disk has none, RefusedError if `out` exists, else UsageError or
    StoppedError.
    """
    started = time.monotonic()
    path = database if isinstance(database, Path) else database.path
    place = find_place(path.resolve(), out, BEFORE_MIGRATION if before_migration else "")
    tell = on_progress or (lambda _done, _total: None)
    with _explained(path, place.folder), _alone(path, tell):
        if out is None:
            private_folder(place.folder)
        sweep(place)
        with snapshot(path) as moment:
            newest = _newest_unchanged(moment, path) if skip_unchanged and out is None else None
            made = newest or _write(moment, place, path, tell)
        if out is None and newest is None:
            rotate(path, made)
        n_bytes = made.stat().st_size
    return Backup(made, n_bytes, time.monotonic() - started, is_new=newest is None)


@contextmanager
def _alone(database: Path, tell: Tell) -> Iterator[None]:
    """Wait until no other backup of this database is being made."""
    say_at = time.monotonic() + 1.0
    while not lock.acquire(database, lock.BACKING_UP):
        time.sleep(0.05)
        if time.monotonic() >= say_at:
            say_at += 1.0
            tell(0, 0)
    try:
        yield
    finally:
        lock.release(database, lock.BACKING_UP)


def _newest_unchanged(moment: Snapshot, database: Path) -> Path | None:
    newest = next(iter(backups_of(database)), None)
    return newest if newest is not None and moment.is_unchanged_since(newest) else None


def _write(moment: Snapshot, place: Place, database: Path, tell: Tell) -> Path:
    partial = place.partial
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _refuse_without_room(moment.n_bytes, place.folder, database)
        moment.copy(partial, tell)
        problem = moment.check(partial, tell)
        if problem is not None:
            raise StoppedError(
                f"the copy of {database} does not pass its check ({problem}), so it was not kept; "
                "what is wrong with the database says: overnight doctor"
            )
        return publish(partial, place)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _refuse_without_room(n_bytes: int, folder: Path, database: Path) -> None:
    """Raise NoRoom before anything is written. The journal grows while a copy is made."""
    with suppress(FileNotFoundError):
        n_bytes += database.resolve().with_name(f"{database.resolve().name}-wal").stat().st_size
    free = shutil.disk_usage(folder).free
    if free < n_bytes + _MARGIN:
        raise NoRoom(
            f"the disk that holds {folder} has no room for a backup: {_mb(n_bytes + _MARGIN)} "
            f"needed, {_mb(free)} free; make room there, then type the same command again"
        )


@contextmanager
def _explained(database: Path, folder: Path) -> Iterator[None]:
    """Turn what the system and SQLite say into one sentence for the user."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explanation(error, database, folder) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _full(folder) from error
        raise UsageError(
            f"no backup can be written to {folder} ({error.strerror or error}); name another "
            "place with --out"
        ) from error


def _explanation(error: sqlite3.Error, database: Path, folder: Path) -> OvernightError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return _full(folder)
    if code in _DAMAGED:
        return DatabaseRefused(
            f"{database} is damaged ({error}), so no backup was made of it; what can be done "
            "says: overnight doctor"
        )
    if code in _LOCKED:
        return StoppedError(
            f"another program holds {database} locked; close it, then type the same command again"
        )
    return StoppedError(f"no backup of {database} can be written to {folder} ({error})")


def _full(folder: Path) -> NoRoom:
    return NoRoom(
        f"the disk that holds {folder} became full, and nothing of the backup was kept; make room "
        "there, then type the same command again"
    )


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB"
