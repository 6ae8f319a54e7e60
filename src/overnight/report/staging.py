"""Files that appear whole or not at all, and that nobody else can read at any instant."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from overnight.errors import UsageError
from overnight.private import private_folder, sync_folder

_PREFIX, _SUFFIX = ".export-", ".partial"
_YOUNG_SEC = 60.0


class Staging:
    """A private folder inside the target folder, so that publishing is a rename on one disk.

    Scratch files of a writer (XlsxWriter keeps the rows in one) belong into `folder` as well:
    the system's /tmp may be small, and it is not the place for narratives.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        self.out, self.folder = out, folder

    def create(self, name: str) -> BinaryIO:
        """A new file under its temporary name, mode 0600 from its first instant."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.fdopen(os.open(self.folder / name, flags, 0o600), "w+b")

    def publish(self, names: Sequence[str]) -> list[Path]:
        """Give complete, synced files their real names; each takes its old one's place at once."""
        for name in names:
            (self.folder / name).replace(self.out / name)
        sync_folder(self.out)
        return [self.out / name for name in names]


@contextmanager
def staging(out: Path) -> Iterator[Staging]:
    """A folder to write in, gone at the end, also when that end is an exception.

    What a killed export left behind is removed by a later one. Raises UsageError if `out`
    cannot be a folder.
    """
    with _usable(out):
        private_folder(out)
        _sweep(out)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=out))  # mode 0700
    owned = _lock(folder)
    try:
        yield Staging(out, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if owned is not None:
            os.close(owned)


@contextmanager
def _usable(out: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UsageError(
            f"{out}: cannot hold the exports ({error.strerror}); name another folder"
        ) from error


def _sweep(out: Path) -> None:
    """Remove the folders of exports that died: nobody holds their lock.

    A young one may belong to an export that is just about to lock it.
    """
    for folder in out.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # somebody else was quicker
            if time.time() - folder.stat().st_mtime < _YOUNG_SEC:
                continue
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """The lock of a folder as a descriptor; None if it is taken, or the disk has no such locks.

    (Network drives may not lock folders. Then nothing is ever swept there: harmless.)
    """
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd
    return None
