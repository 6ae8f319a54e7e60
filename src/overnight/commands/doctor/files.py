"""Checks of what lies beside the database, and the list of it."""

import itertools
import shlex
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from overnight.commands.doctor.finding import Finding, Subject
from overnight.domain.experiment import Status
from overnight.store import examine, lock
from overnight.store.filesystem import untrusted_place
from overnight.store.rescue import DAMAGED
from overnight.store.shelf import backups_of, default_folder, leftovers_of
from overnight.words import size_text

_BYTES_UNKNOWN = 2048  # per result, while there is none to measure
_LARGE_JOURNAL = 256 * 1024 * 1024
_AN_HOUR = 3600.0
_NAMED = 20  # files whose permissions are named one by one
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class File:
    """A file that holds narratives, answers or ids. `n_bytes` is None if it is not there."""

    path: Path
    kind: str
    holds: str
    n_bytes: int | None
    mode: int | None


def list_files(subject: Subject) -> list[File]:
    """Every file beside the database, and those that it names, that others should not read."""
    return [_file(path, kind) for path, kind in _paths(subject)]


_HOLDS = {
    "database": "narratives and answers",
    "export": "answers; narratives if --with-text, or to label",
    "backup": "narratives and answers",
    "leftover": "narratives and answers, perhaps in part",
    "rescue": "answers",
    "log": "ids and counts, no text",
    "source": "narratives",
}


def _file(path: Path, kind: str) -> File:
    try:
        found = path.stat()
    except OSError:
        return File(path, kind, _HOLDS[kind], None, None)
    return File(path, kind, _HOLDS[kind], found.st_size, stat.S_IMODE(found.st_mode))


def _paths(subject: Subject) -> Iterator[tuple[Path, str]]:
    family = [subject.beside(ending) for ending in ("", "-wal", "-shm", "-journal")]
    yield from ((path, "database") for path in family if path.exists())
    yield from ((path, "rescue") for path in _rescue_files(subject))
    yield from ((path, "backup") for path in backups_of(subject.path))
    yield from ((path, "leftover") for path in leftovers_of(subject.path))
    exports = _below(subject.folder / "exports")
    yield from ((path, "leftover" if _is_staged(path) else "export") for path in exports)
    yield from ((path, "log") for path in _below(subject.folder / "logs" / "experiments"))
    for name, kind in _known_files(subject).items():
        if kind == "source" or not Path(name).is_relative_to(subject.folder / "exports"):
            yield Path(name), kind


def _known_files(subject: Subject) -> dict[str, str]:
    try:
        return examine.known_files(subject.connection)
    except sqlite3.DatabaseError:
        return {}  # damaged: the checks say so


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_staged(path: Path) -> bool:
    return any(part.startswith(".export-") for part in path.parts)


def _rescue_files(subject: Subject) -> list[Path]:
    return sorted(subject.folder.glob("*.rescue.jsonl"))


def check_place(subject: Subject) -> list[Finding]:
    """Whether the database lies where SQLite's locks hold."""
    where = untrusted_place(subject.path)
    if where is None:
        return [Finding("place", "ok", "the database is on a local disk")]
    message = f"the database is {where}, where SQLite's locks cannot be trusted"
    advice = "end what runs on it, move it to a local disk, and name it there with --db"
    return [Finding("place", "problem", message, advice)]


def check_room(subject: Subject) -> list[Finding]:
    """Whether what remains to be done fits on the disk."""
    needed = 0.0
    for state in examine.states(subject.connection):
        if state.status != Status.COMPLETED and state.remaining > 0:
            each = examine.bytes_per_result(subject.connection, state.experiment_key)
            needed += state.remaining * (each or _BYTES_UNKNOWN)
    free = shutil.disk_usage(subject.folder).free
    message = f"{size_text(free)} free, about {size_text(needed)} needed by what remains to be done"
    if free < needed:
        return [Finding("room", "problem", message, f"make room on the disk of {subject.folder}")]
    if free < subject.path.stat().st_size:
        return [Finding("room", "note", f"{message}; no room for a backup")]
    return [Finding("room", "ok", message)]


def check_journal(subject: Subject) -> list[Finding]:
    """A journal that grows is held by somebody who reads for hours (or by a backup)."""
    journal = subject.beside("-wal")
    size = journal.stat().st_size if journal.exists() else 0
    if size <= _LARGE_JOURNAL or lock.is_held(subject.path, lock.BACKING_UP):
        return [Finding("journal", "ok", f"{size_text(size)} in the write-ahead journal")]
    return [
        Finding(
            "journal",
            "problem",
            f"{journal} has grown to {size_text(size)}: some program has been reading for long",
            "close notebooks and database browsers that have the database open",
        )
    ]


def check_rescue(subject: Subject) -> list[Finding]:
    """Results that could not be committed are not lost."""
    return [
        Finding("rescue", "note", f"{file} {_rescue_text(file)}") for file in _rescue_files(subject)
    ] or [Finding("rescue", "ok", "no results wait to be read in")]


def _rescue_text(file: Path) -> str:
    if file.name.endswith(DAMAGED):
        return "is damaged; what could be read of it has been read in, and it can be removed"
    return "holds uncommitted results: the next session reads it in"


def check_leftovers(subject: Subject) -> list[Finding]:
    """What dead exports and backups left; their successors remove it."""
    found = []
    if not lock.is_held(subject.path, lock.BACKING_UP):
        found = [(file, "backup") for file in leftovers_of(subject.path)]
    for folder in sorted((subject.folder / "exports").glob("*/.export-*.partial")):
        if time.time() - folder.stat().st_mtime > _AN_HOUR:  # a younger one may be at work
            found.append((folder, "export"))
    return [
        Finding("leftovers", "note", f"{path} was left by a dead {what}; the next one removes it")
        for path, what in found
    ] or [Finding("leftovers", "ok", "dead exports and backups left nothing")]


def check_permissions(subject: Subject) -> list[Finding]:
    """Nobody else may read what overnight has written. The data file is the user's own affair."""
    written = [path for path, kind in _paths(subject) if kind != "source"]
    folders = [default_folder(subject.path), subject.folder / "exports", subject.folder / "logs"]
    inner = [path for folder in folders[1:] for path in folder.rglob("*") if path.is_dir()]
    everything = [*written, lock.lock_path(subject.path), *folders, *inner]
    opened = [path for path in everything if path.exists() and path.stat().st_mode & _OTHERS]
    if not opened:
        return [Finding("permissions", "ok", "nobody else can read what overnight has written")]
    found = [_readable(path) for path in itertools.islice(opened, _NAMED)]
    if len(opened) > _NAMED:
        rest = " ".join(shlex.quote(str(path)) for path in folders if path.exists())
        found.append(
            Finding(
                "permissions",
                "problem",
                f"so can {len(opened) - _NAMED:,} more",
                f"chmod -R go= {rest}",
            )
        )
    return found


def _readable(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    wanted = "700" if path.is_dir() else "600"
    advice = f"chmod {wanted} {shlex.quote(str(path))}"
    return Finding("permissions", "problem", f"others can get at {path} (mode {mode:o})", advice)


DATABASE_CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("room", check_room),
)
CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("place", check_place),
    ("journal", check_journal),
    ("rescue", check_rescue),
    ("leftovers", check_leftovers),
    ("permissions", check_permissions),
)
