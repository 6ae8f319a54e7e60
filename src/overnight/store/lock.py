"""Ownership: at most one process works on an experiment, and a dead one blocks nobody.

One file beside the database holds a POSIX record lock per experiment: the byte at the
experiment's key. The kernel drops the lock with the process, however it dies, so there is
nothing to clean up and no PID to believe. Such a lock is not inherited by forked children, but
is lost when the process closes *any* descriptor of the file: so each file is opened once per
process and never closed. Within one process record locks do not exclude each other: the set
`_held` does.
"""

import errno
import fcntl
import os
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path

# struct flock as F_GETLK wants it: the order of the fields differs
_FLOCK = "qqihh4x" if sys.platform == "darwin" else "hh4xqqi4x"

LOADING = 0  # the byte that is held while a dataset is being loaded; experiments begin at 1
BACKING_UP = 1 << 40  # ... while a backup is being made: far beyond any experiment

_guard = threading.Lock()
_files: dict[Path, int] = {}
_held: set[tuple[Path, int]] = set()
os.register_at_fork(after_in_child=_held.clear)  # a child holds nothing of its parent's


def lock_path(database: Path) -> Path:
    """The lock file of a database, the same through every link to it."""
    real = database.resolve()
    return real.with_name(real.name + ".lock")


def _descriptor(path: Path) -> int:
    if path not in _files:
        _files[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return _files[path]


def acquire(database: Path, key: int) -> bool:
    """Take the lock without waiting; False if somebody has it (this process included)."""
    path = lock_path(database)
    with _guard:
        if (path, key) in _held:
            return False
        try:
            fcntl.lockf(_descriptor(path), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, key)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        _held.add((path, key))
        return True


def release(database: Path, key: int) -> None:
    """Give the lock back; nothing happens if this process does not have it."""
    path = lock_path(database)
    with _guard:
        if (path, key) in _held:
            fcntl.lockf(_descriptor(path), fcntl.LOCK_UN, 1, key)
            _held.discard((path, key))


def is_held(database: Path, key: int) -> bool:
    """Whether any living process has the lock. Looks only: takes nothing, waits for nothing."""
    return holder(database, key) is not None


def holder(database: Path, key: int) -> int | None:
    """The process that has the lock, as this one would name it; 0 where it cannot; None: nobody."""
    path = lock_path(database)
    with _guard:
        if (path, key) in _held:
            return os.getpid()
        if not path.exists():
            return None
        kind, start, length = fcntl.F_WRLCK, key, 1
        if sys.platform == "darwin":
            query = struct.pack(_FLOCK, start, length, 0, kind, os.SEEK_SET)
            answer = struct.unpack(_FLOCK, fcntl.fcntl(_descriptor(path), fcntl.F_GETLK, query))
            pid, kind = answer[2], answer[3]
        else:
            query = struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0)
            answer = struct.unpack(_FLOCK, fcntl.fcntl(_descriptor(path), fcntl.F_GETLK, query))
            kind, pid = answer[0], answer[4]
        return None if kind == fcntl.F_UNLCK else max(0, pid)


def is_on_disk(database: Path) -> bool:
    """Whether the lock file that this process has open is the one that another would open."""
    path = lock_path(database)
    with _guard:
        if path not in _files:
            return True
        mine = os.fstat(_files[path])
        return path.exists() and os.path.samestat(mine, path.stat())


def has_lost_file(database: Path, pid: int) -> bool:
    """Whether a process of this machine holds its locks in a file that was deleted since.

    Told by /proc; False where there is none, or where the process is somebody else's.
    """
    path = lock_path(database)
    deleted = f"{path} (deleted)"
    with suppress(OSError):
        return any(str(fd.readlink()) == deleted for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False
