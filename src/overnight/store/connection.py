"""A connection to SQLite, with the few ways of asking that our statements need.

Statements are plain SQL with `:name` for each value. A list is one value: a JSON array, which
`IN (SELECT value FROM json_each(:name))` takes apart.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from overnight.store.functions import add_functions

Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Mapping[str, Any] | Sequence[Any]

PATIENCE = 30.0  # seconds to wait for a database that another program has locked

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_LOOK_UP_SEC = 1.0  # SQLite waits for a lock so long at a time: a signal is heard in between
_PRAGMAS = (
    "page_size = 8192",  # counts only for a file still empty
    "synchronous = FULL",  # a committed result survives a power cut
    "fullfsync = 1",  # ... on macOS too; elsewhere it changes nothing
    "foreign_keys = ON",
    f"journal_size_limit = {64 * 1024 * 1024}",
    "temp_store = MEMORY",
    "secure_delete = ON",  # what is deleted is overwritten: narratives are sensitive
)


class Connection(sqlite3.Connection):
    """A connection that one thread uses at a time; nothing begins a transaction by itself."""

    _busy_timeout: int | None = None  # milliseconds, as SQLite has it

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        """All rows."""
        return self.execute(statement, values).fetchall()

    def row(self, statement: str, values: Values = ()) -> Row:
        """The first row. Raises LookupError where there is none."""
        found = self.row_or_none(statement, values)
        if found is None:
            raise LookupError("a row that must be there is not")
        return found

    def row_or_none(self, statement: str, values: Values = ()) -> Row | None:
        """The first row; None where there is none."""
        found: Row | None = self.execute(statement, values).fetchone()
        return found

    def value(self, statement: str, values: Values = ()) -> Any:  # noqa: ANN401 - a cell
        """The first cell of the first row. Raises LookupError where there is none."""
        return self.row(statement, values)[0]

    def column(self, statement: str, values: Values = ()) -> list[Any]:
        """The first cell of every row."""
        return [row[0] for row in self.execute(statement, values)]

    def records(self, statement: str, values: Values = ()) -> list[dict[str, Any]]:
        """All rows, each by the names of its columns."""
        cursor = self.execute(statement, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def wait_for_locks(self, seconds: float) -> None:
        """How long a statement waits for another program's lock."""
        timeout = int(seconds * 1000)
        if timeout != self._busy_timeout:
            self.execute(f"PRAGMA busy_timeout = {timeout}")
            self._busy_timeout = timeout

    def begin_immediate(
        self, patience: float = PATIENCE, hurried: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin to write as soon as nobody else does.

        Raises sqlite3.OperationalError after `patience` seconds, or within one if `hurried`.
        """
        deadline = time.monotonic() + patience
        self.wait_for_locks(min(patience, _LOOK_UP_SEC))
        while True:
            try:
                self.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_locked(error) or time.monotonic() >= deadline or hurried():
                    raise
            else:
                return

    @contextmanager
    def ended(self) -> Iterator["Connection"]:
        """Commit the open transaction at the end of the block, or roll it back."""
        try:
            yield self
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise


def open_connection(path: Path) -> Connection:
    """A new connection to the database at `path`, set up as all of ours are."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,  # one thread after the other
        cached_statements=256,
        factory=Connection,
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.wait_for_locks(PATIENCE)
        add_functions(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program's lock is what SQLite complains of."""
    return primary_code(error) in _LOCKED


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's code of an error, without what distinguishes errors of one kind; None: no code."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
