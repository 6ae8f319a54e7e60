"""What SQLite says, in one sentence for the user."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from overnight.errors import (
    DatabaseBusy,
    DatabaseRefused,
    NoRoom,
    OvernightError,
    StoppedError,
    UsageError,
)
from overnight.store.shelf import backups_of

PATIENCE = 30.0  # seconds to wait for a database that another program has locked


@contextmanager
def explained(path: Path, waited: Callable[[], float] = lambda: PATIENCE) -> Iterator[None]:
    """Turn what SQLite says into one sentence for the user; `waited` for a lock, in seconds."""
    try:
        yield
    except DatabaseError as error:
        raise _explanation(str(error.orig), path, waited()) from error
    except sqlite3.Error as error:
        raise _explanation(str(error), path, waited()) from error


def _explanation(said: str, path: Path, waited: float) -> OvernightError:
    if "disk is full" in said or "disk I/O error" in said:
        return NoRoom(
            f"the disk that holds {path} is full or failing ({said}; {_room(path)} free); make "
            "room, then type the same command again"
        )
    if "locked" in said or "busy" in said:
        return DatabaseBusy(
            f"another program has held {path} locked for {waited:.0f} s; close it, then "
            "type the same command again"
        )
    if "readonly" in said or "unable to open" in said:
        return UsageError(f"{path} cannot be written here ({said}); check its permissions")
    if "not a database" in said or "malformed" in said:
        return DatabaseRefused(
            f"{path} is damaged or no SQLite database ({said}); restore a copy of it"
            f"{_newest_backup(path)}, or name another with --db; what is wrong says: overnight "
            "doctor"
        )
    return StoppedError(f"{path}: {said}")


def _room(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.resolve().parent).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown room"


def _newest_backup(path: Path) -> str:
    newest = next(iter(backups_of(path)), None)
    return f" (the newest: {newest})" if newest else ""
