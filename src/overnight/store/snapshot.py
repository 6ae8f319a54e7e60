"""One moment of a database: copied to a single file, checked, compared. Others go on writing."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[[int, int], None]  # bytes copied, bytes in all

_STEP_PAGES = 2000  # 16 MB: some milliseconds between two looks at Ctrl-C
_TICK = 200_000  # instructions of SQLite between two such looks: some milliseconds as well
_BUSY_SEC = 30.0
_LOCKLESS = "mode=ro&nolock=1&immutable=1"

# What changes without a result, a dataset or an experiment being added or changed.
_PASSING = frozenset(
    (
        "status",
        "status_reason",
        "n_narratives_processed",
        "n_narratives_completed",
        "last_progress_update",
        "estimated_completion_time",
        "start_time",
        "end_time",
        "total_runtime_sec",
        "avg_time_per_narrative_sec",
        "csv_file",
        "json_file",
        "log_dir",
    )
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy must have in common with what it is a copy of."""

    application_id: int
    user_version: int
    rows: Mapping[str, int]  # by table


class Snapshot:
    """One moment of a database. What is committed later is not in it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def n_bytes(self) -> int:
        """How large a copy will be."""
        return _value(self._connection, "PRAGMA page_count") * self._page_bytes

    @property
    def _page_bytes(self) -> int:
        return _value(self._connection, "PRAGMA page_size")

    def copy(self, target: Path, tell: Tell) -> None:
        """Fill the empty file `target`; whole, on the disk and without a journal at the end.

        `tell` is called between steps; what it raises ends the copy.
        """
        page_bytes = self._page_bytes

        def progress(_status: int, remaining: int, total: int) -> None:
            tell((total - remaining) * page_bytes, total * page_bytes)

        # Without locks and journal, for a network drive can be trusted with neither. Nobody else
        # opens the file before it gets its real name: the lock beside the database keeps other
        # backups away from the temporary one; and a copy that fails is thrown away.
        with connected(target, "mode=rw&nolock=1") as copy:
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")  # once, at the end, does
            self._connection.backup(copy, pages=_STEP_PAGES, progress=progress)
        _make_single_file(target)

    def check(self, copy: Path, tell: Tell) -> str | None:
        """What is wrong with a copy of this moment; None if nothing is."""
        n_bytes = self.n_bytes
        with (
            connected(copy, _LOCKLESS) as other,
            stoppable(other, lambda: tell(n_bytes, n_bytes)),
            stoppable(self._connection, lambda: tell(n_bytes, n_bytes)),
        ):
            found = str(other.execute("PRAGMA quick_check(1)").fetchone()[0])
            if found != "ok":
                return " ".join(found.split())
            if contents(other) != contents(self._connection):
                return "it does not hold the same rows"
        return None

    def is_unchanged_since(self, copy: Path) -> bool:
        """Whether no result, dataset, experiment or look was added or changed since a copy.

        Looks at small tables only: every result that is committed is counted in its session.
        A column that only one of them knows is passed over.
        """
        try:
            with connected(copy, _LOCKLESS) as other:
                mine = self._connection
                return all(
                    _rows(mine, table, shared) == _rows(other, table, shared)
                    for table in ("datasets", "experiments", "looks")
                    for shared in (_columns(mine, table) & _columns(other, table) - _PASSING,)
                ) and _n_results(mine) == _n_results(other)
        except sqlite3.Error:
            return False  # damaged, or of another make: then a new one is due


@contextmanager
def snapshot(database: Path) -> Iterator[Snapshot]:
    """The database as it is now, for as long as it is needed.

    A read transaction is held all the while: writers are not blocked, and the copy need not
    start over when they commit. Their journal grows meanwhile, and shrinks after.
    """
    with connected(database, "mode=rw") as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on
        yield Snapshot(connection)


def contents(connection: sqlite3.Connection) -> Contents:
    """Whose it is, its version, and how many rows each table has."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
    ).fetchall()
    return Contents(
        application_id=_value(connection, "PRAGMA application_id"),
        user_version=_value(connection, "PRAGMA user_version"),
        rows={name: _value(connection, f'SELECT count(*) FROM "{name}"') for (name,) in tables},
    )


def is_whole(file: Path) -> bool:
    """Whether a backup passes SQLite's check."""
    try:
        with connected(file, _LOCKLESS) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False


@contextmanager
def connected(file: Path, options: str) -> Iterator[sqlite3.Connection]:
    """A connection of one's own to a file; `options` as in https://sqlite.org/uri.html."""
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{options}", uri=True, isolation_level=None, timeout=_BUSY_SEC
    )
    with closing(connection):
        yield connection


@contextmanager
def stoppable(connection: sqlite3.Connection, tick: Callable[[], None]) -> Iterator[None]:
    """Let `tick` (and Ctrl-C) end a long statement; SQLite itself swallows what it raises."""
    raised: list[BaseException] = []

    def handler() -> int:
        try:
            tick()
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)
        return bool(raised)

    connection.set_progress_handler(handler, _TICK)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        if not raised:  # Ctrl-C on the threshold of the handler, where nothing can catch it
            raise KeyboardInterrupt from None
    finally:
        connection.set_progress_handler(None, 0)
    if raised:
        raise raised[0]


def _make_single_file(file: Path) -> None:
    """Let the copy's header say rollback journal in place of WAL, and bring all of it to disk.

    These two bytes are the only difference (https://sqlite.org/fileformat.html, 1.3.3); asking
    SQLite for it would need the locks that a network drive may not have.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.pread(descriptor, 2, 18) == b"\x02\x02":
            os.pwrite(descriptor, b"\x01\x01", 18)
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Bring a file to the disk itself; on macOS that takes more than fsync."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    os.fsync(descriptor)
    if full is not None:
        fcntl.fcntl(descriptor, full)


def _value(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _n_results(connection: sqlite3.Connection) -> int:
    return _value(connection, "SELECT coalesce(sum(n_results), 0) FROM run_sessions")


def _columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(name for (name,) in found)


def _rows(connection: sqlite3.Connection, table: str, columns: frozenset[str]) -> list[object]:
    names = ", ".join(f'"{name}"' for name in sorted(columns))
    return connection.execute(f"SELECT {names} FROM {table} ORDER BY 1").fetchall()
