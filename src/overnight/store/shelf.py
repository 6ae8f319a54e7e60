"""Where backups lie and what they are called; leftovers of killed ones, and the old ones."""

import errno
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from overnight.errors import RefusedError, UsageError
from overnight.private import private_folder, sync_folder

_KEPT = 5
_LEFTOVER = ".partial"
BEFORE_MIGRATION = "-before-migration"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def backups_of(database: Path) -> list[Path]:
    """The backups beside a database, newest first; of a killed one nothing is among them."""
    real = database.resolve()
    name = re.compile(_name_pattern(real))
    folder = default_folder(real)
    if not folder.is_dir():
        return []
    found = [file for file in folder.iterdir() if name.fullmatch(file.name)]
    return sorted(found, key=_age, reverse=True)


def leftovers_of(database: Path) -> list[Path]:
    """What killed backups left beside a database, or one that is being written right now."""
    real = database.resolve()
    folder = default_folder(real)
    return list(_partials(folder, f"{_name_pattern(real)}\\.[0-9a-f]+"))


def default_folder(real: Path) -> Path:
    """Where backups lie, unless another place is named."""
    return real.parent / "backups"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a backup goes. `name` is None where it is made from the time."""

    folder: Path
    name: str | None
    beginning: str
    ending: str
    token: str  # tells this database's temporary files on a share from those of others
    leftovers: str  # a pattern: the temporary files that are nobody else's

    @property
    def partial(self) -> Path:
        """The name under which a backup is written."""
        return self.folder / f"{next(self.names())}.{self.token}{_LEFTOVER}"

    def names(self) -> Iterator[str]:
        """The names that it may get, the best one first."""
        if self.name is not None:
            yield self.name
            return
        present = [file for file in self.folder.iterdir() if file.name.startswith(self.beginning)]
        first = 1 + max((_age(file)[1] for file in present), default=0)
        for number in range(first, first + 100):
            again = "" if number == 1 else f"-{number}"
            yield f"{self.beginning}{again}{self.ending}"


def find_place(real: Path, out: Path | str | None, kind: str) -> Place:
    """Where a backup of the database at this real path goes. Raises where `out` cannot be used."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    whose = f"{socket.gethostname()}:{real}".encode("utf-8", "surrogateescape")
    token = hashlib.sha256(whose).hexdigest()[:8]
    folder, name = (default_folder(real), None) if out is None else _named(out)
    leftovers = f"{_name_pattern(real)}\\.{token if out else '[0-9a-f]+'}"
    return Place(
        folder=folder,
        name=name,
        beginning=f"{real.stem}-{stamp}",
        ending=f"{kind}{real.suffix}",
        token=token,
        leftovers=f"{re.escape(name)}\\.{token}" if name else leftovers,
    )


def _named(out: Path | str) -> tuple[Path, str | None]:
    """The folder and, where a file is meant, its name. Raises where it cannot be written."""
    path = Path(out).expanduser().absolute()
    if path.is_dir():
        return path, None
    if os.path.lexists(path):
        raise RefusedError(f"{path} exists; a backup replaces nothing, so name another file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it, or name another with --out")
    if str(out).endswith("/"):
        return private_folder(path), None
    return path.parent, path.name


def _name_pattern(real: Path) -> str:
    stem, suffix = re.escape(real.stem), re.escape(real.suffix)
    return rf"{stem}-\d{{8}}-\d{{6}}(-\d+)?({BEFORE_MIGRATION})?{suffix}"


def _age(backup: Path) -> tuple[str, int]:
    """What sorts backups by the time in their names, and those of one second by their number."""
    match = re.search(r"-(\d{8}-\d{6})(?:-(\d+))?(?:-before-migration)?(?:\.[^.]*)?$", backup.name)
    return (match[1], int(match[2] or 1)) if match else ("", 0)


def sweep(place: Place) -> None:
    """Remove what killed backups left: whoever holds the lock is the only one that writes."""
    for file in _partials(place.folder, place.leftovers):
        with suppress(FileNotFoundError):
            file.unlink()


def _partials(folder: Path, pattern: str) -> Iterator[Path]:
    name = re.compile(pattern + re.escape(_LEFTOVER))
    if folder.is_dir():
        yield from [file for file in folder.iterdir() if name.fullmatch(file.name)]


def publish(partial: Path, place: Place) -> Path:
    """Give a verified copy its name, replacing nothing."""
    for name in place.names():
        final = place.folder / name
        try:
            _link(partial, final)
        except FileExistsError:
            continue
        _sync(place.folder)
        return final
    raise RefusedError(f"{place.folder / next(place.names())} exists; a backup replaces nothing")


def _link(partial: Path, final: Path) -> None:
    """Unlike a rename, a hard link never replaces a file; not every drive knows them."""
    try:
        final.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        if os.path.lexists(final):
            raise FileExistsError from None
        partial.rename(final)


def _sync(folder: Path) -> None:
    try:
        sync_folder(folder)
    except OSError as error:  # a network drive may know no such thing
        if error.errno not in _NO_SYNC:
            raise


def rotate(database: Path, made: Path) -> None:
    """Keep the newest five of this kind; the one just made in any case (clocks go backwards)."""
    is_before = BEFORE_MIGRATION in made.name
    kind = [b for b in backups_of(database) if (BEFORE_MIGRATION in b.name) == is_before]
    for old in [backup for backup in kind if backup != made][_KEPT - 1 :]:
        with suppress(OSError):  # the new one is there: that is what was asked for
            old.unlink()
