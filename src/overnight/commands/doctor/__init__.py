"""`doctor`: is all well? Looks at everything, takes no lock and changes nothing."""

import shlex
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from overnight.commands.doctor import database, files, work
from overnight.commands.doctor.files import File
from overnight.commands.doctor.finding import Finding, Subject
from overnight.errors import UsageError
from overnight.store.examine import looked_at, stamp
from overnight.store.open import find_database

__all__ = ["File", "Finding", "Report", "doctor"]

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `files` is None unless they were asked for."""

    database: Path
    findings: tuple[Finding, ...]
    files: tuple[File, ...] | None

    @property
    def is_fine(self) -> bool:
        """Whether there is no problem; notes are none."""
        return all(finding.state != "problem" for finding in self.findings)


def doctor(
    *,
    db: Path | str | None = None,
    with_files: bool = False,
    on_check: Callable[[str], None] = lambda _: None,
) -> Report:
    """Check the database and what lies beside it; `on_check` is told the name of each check.

    Raises UsageError where there is no database; whatever is wrong with one is a finding.
    """
    named = find_database(db)
    path = named.resolve()
    if not path.exists() or path.is_dir():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"there is no database to examine: {path} {what}; --db PATH names one")
    option = "" if find_database(None) == named else f" --db {shlex.quote(str(path))}"
    for _ in range(_LOOKS):
        before = stamp(path)
        report = _examine(path, option, on_check, with_files=with_files)
        if report.is_fine or before == stamp(path):
            break  # else somebody has begun to write to what nobody had open
    return report


def _examine(
    path: Path, db_option: str, on_check: Callable[[str], None], *, with_files: bool
) -> Report:
    with looked_at(path) as connection:
        subject = Subject(path, db_option, connection)
        refusal = database.refusal(subject)
        checks = files.CHECKS
        if refusal is None:
            checks = (*database.CHECKS, *work.CHECKS, *files.DATABASE_CHECKS, *files.CHECKS)
        findings = [] if refusal is None else [refusal]
        for name, check in checks:
            on_check(name)
            findings += _tried(name, check, subject)
        listed = tuple(files.list_files(subject)) if with_files else None
    return Report(path, tuple(findings), listed)


def _tried(name: str, check: Callable[[Subject], list[Finding]], subject: Subject) -> list[Finding]:
    """What a check finds; that it could not look is a finding too."""
    try:
        return check(subject)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise  # Ctrl-C
        why = "the database is damaged there" if database.is_damage(error) else str(error)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return [Finding(name, "problem", f"could not be checked: {why}")]
