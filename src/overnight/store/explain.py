"""What SQLite says, in one sentence for the user."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from overnight.errors import (
    DatabaseBusy,
    DatabaseRefused,
    NoRoom,
    OvernightError,
    StoppedError,
    UsageError,
)
from overnight.store.connection import PATIENCE, primary_code
from overnight.store.shelf import backups_of


@contextmanager
def explained(path: Path, waited: Callable[[], float] = lambda: PATIENCE) -> Iterator[None]:
    """Turn what SQLite says into one sentence for the user; `waited` for a lock, in seconds."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explanation(error, path, waited()) from error


def _explanation(error: sqlite3.Error, path: Path, waited: float) -> OvernightError:
    match primary_code(error):
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return NoRoom(
                f"the disk that holds {path} is full or failing ({error}; {_room(path)} free); "
                "make room, then type the same command again"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseBusy(
                f"another program has held {path} locked for {waited:.0f} s; close it, then "
                "type the same command again"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return UsageError(f"{path} cannot be written here ({error}); check its permissions")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return DatabaseRefused(
                f"{path} is damaged or no SQLite database ({error}); restore a copy of it"
                f"{_newest_backup(path)}, or name another with --db; what is wrong says: "
                "overnight doctor"
            )
        case _:
            return StoppedError(f"{path}: {error}")


def _room(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.resolve().parent).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown room"


def _newest_backup(path: Path) -> str:
    newest = next(iter(backups_of(path)), None)
    return f" (the newest: {newest})" if newest else ""
