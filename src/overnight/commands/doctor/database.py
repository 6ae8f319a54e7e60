"""Checks of the database itself: whose it is, whether it is whole, whether its rows add up."""

import shlex
import sqlite3
from collections.abc import Callable

from overnight.commands.doctor.finding import Finding, Subject
from overnight.store import examine, lock
from overnight.store.schema.from_r.tables import IS_R_DATABASE
from overnight.store.schema.tables import APPLICATION_ID, SCHEMA_VERSION
from overnight.store.shelf import backups_of
from overnight.store.snapshot import is_whole


def refusal(subject: Subject) -> Finding | None:
    """Why nothing more can be said of the file as a database of ours; None if it is one."""
    try:
        found = examine.identity(subject.connection)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            return Finding("integrity", "problem", f"{subject.path} cannot be read ({error})")
        return damaged(subject, f"{subject.path} is no SQLite database, or its head is destroyed")
    if found.application_id == APPLICATION_ID:
        if found.user_version <= SCHEMA_VERSION:
            return None
        message = f"{subject.path} was written by a newer overnight: update this one"
    elif found.application_id == 0 and subject.connection.execute(IS_R_DATABASE).fetchone()[0]:
        message = f"{subject.path} was written by the earlier R implementation"
        advice = f"overnight migrate{subject.db_option}"
        return Finding("integrity", "problem", message, advice)
    elif found.n_objects:
        message = f"{subject.path} is a database of another program: --db PATH names another"
    else:
        message = f"{subject.path} is empty: --db PATH names another"
    return Finding("integrity", "problem", message)


def check_integrity(subject: Subject) -> list[Finding]:
    """Every page, every index, every reference."""
    try:
        faults = examine.faults(subject.connection)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        faults = [str(error)]
    if faults:
        more = f", and {len(faults) - 1} more faults" if len(faults) > 1 else ""
        return [damaged(subject, f"the database is damaged ({faults[0]}{more})")]
    broken = examine.broken_references(subject.connection)
    if broken:
        return [damaged(subject, f"rows are missing: {text}") for text in broken]
    return [Finding("integrity", "ok", "every page, index and reference is in order")]


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether it is the file that is at fault."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(subject: Subject, message: str) -> Finding:
    """A damaged database, with the commands that put the newest whole backup in its place."""
    database, aside = shlex.quote(str(subject.path)), shlex.quote(f"{subject.path}.damaged")
    whole = next((file for file in backups_of(subject.path) if is_whole(file)), None)
    if whole is None:
        advice = (
            "there is no whole backup beside it; what can still be read is saved by\n"
            f"sqlite3 {database} .recover | sqlite3 {aside}.recovered"
        )
        return Finding("integrity", "problem", message, advice)
    family = [subject.beside(ending) for ending in ("", "-wal", "-shm")]
    present = " ".join(shlex.quote(str(file)) for file in family if file.exists())
    advice = (
        f"end what runs on it, then put the newest whole backup ({whole.name}) in its place\n"
        f"mkdir -m 700 {aside} && mv {present} {aside}/\n"
        f"cp -p {shlex.quote(str(whole))} {database}"
    )
    return Finding("integrity", "problem", message, advice)


def check_accounting(subject: Subject) -> list[Finding]:
    """Every narrative is accounted for: total = completed + remaining, and nothing strays."""
    connection = subject.connection
    connection.execute("BEGIN")  # one moment: a run may go on
    try:
        found = [*_datasets(connection), *_labels(connection), *_experiments(connection)]
    finally:
        connection.execute("ROLLBACK")
    return found or [Finding("accounting", "ok", "every narrative and every call is accounted for")]


def _datasets(connection: sqlite3.Connection) -> list[Finding]:
    found = []
    for d in examine.datasets(connection):
        if not d.is_loaded:
            continue
        which = f"dataset {d.dataset_id} ({d.data_source})"
        if d.n_narratives != d.counted:
            found.append(f"{which} should hold {d.n_narratives:,} narratives, not {d.counted:,}")
        if d.n_left_out != d.counted_left_out:
            found.append(
                f"{which} should name {d.n_left_out:,} narratives left out, not "
                f"{d.counted_left_out:,}"
            )
        if d.counted and (d.first_row, d.last_row) != (1, d.counted):
            found.append(f"{which} does not number its narratives from 1 to {d.counted:,}")
    return [_unaccounted(text) for text in found]


def _labels(connection: sqlite3.Connection) -> list[Finding]:
    strays = examine.stray_labels(connection)
    if not strays:
        return []
    return [_unaccounted(f"{strays:,} narratives have another label than the newest on record")]


def _experiments(connection: sqlite3.Connection) -> list[Finding]:
    found = []
    stray_calls = examine.stray_attempts(connection)
    for state in examine.states(connection):
        which = f"{state.experiment_id[:8]} ({state.name})"
        remaining = examine.remaining_rows(connection, state)
        if state.n_results + remaining != state.n_total:
            found.append(
                f"{which} covers {state.n_total:,} narratives, but {state.n_results:,} have a "
                f"result and {remaining:,} have none"
            )
        if strays := examine.stray_results(connection, state):
            found.append(f"{which} has {strays:,} results of narratives that it does not cover")
        if strays := stray_calls.get(state.experiment_key, 0):
            found.append(f"{which} has {strays:,} calls for narratives of another dataset")
    return [_unaccounted(text) for text in found]


def _unaccounted(message: str) -> Finding:
    advice = (
        "somebody has written to the tables by hand, or overnight has an error: keep the database "
        "as it is, and compare with a backup"
    )
    return Finding("accounting", "problem", message, advice)


def check_datasets(subject: Subject) -> list[Finding]:
    """What is half loaded is either being loaded, or was left by a process that died."""
    half = [d for d in examine.datasets(subject.connection) if not d.is_loaded]
    if not half:
        return [Finding("datasets", "ok", "all are loaded completely")]
    if lock.is_held(subject.path, lock.LOADING):
        return [Finding("datasets", "ok", f"{half[-1].data_source} is being loaded")]
    return [
        Finding(
            "datasets",
            "note",
            f"{d.data_source} was left half loaded ({d.counted:,} narratives) by a process that "
            "died; the next one that loads removes it",
        )
        for d in half
    ]


def check_backups(subject: Subject) -> list[Finding]:
    """The newest one, by name."""
    found = backups_of(subject.path)
    if not found:
        advice = f"overnight backup{subject.db_option}"
        return [Finding("backups", "note", "there is none beside the database", advice)]
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return [Finding("backups", "ok", f"the newest is {found[0]}{others}")]


CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("integrity", check_integrity),
    ("accounting", check_accounting),
    ("datasets", check_datasets),
    ("backups", check_backups),
)
