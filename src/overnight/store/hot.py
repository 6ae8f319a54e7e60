"""The writer's own connection: the hot path without what makes the others comfortable.

A commit of a few rows is seven short statements. Through SQLAlchemy each costs some 40 µs, more
than SQLite itself needs for all of them; this is the same connection, called directly.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, Protocol

Parameters = Sequence[Any] | Mapping[str, Any] | list[tuple[Any, ...]]


class Executes(Protocol):
    """What functions of the hot path need of a connection; SQLAlchemy's has it too."""

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Any:  # noqa: ANN401
        """Run a statement; once for each tuple if the parameters are a list."""


def filled(
    columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns, two at least, that are not NULL in all rows; the rows without the others.

    sqlite3 looks for an adapter for each None: that costs three times what a number does.
    """
    full = [i for i, cells in enumerate(zip(*rows, strict=True)) if cells.count(None) < len(cells)]
    if len(full) == len(columns):
        return columns, rows
    return tuple(columns[i] for i in full), list(map(itemgetter(*full), rows))


class HotConnection:
    """A connection of sqlite3, with as much of SQLAlchemy's manners as is needed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._timeout: int | None = None  # milliseconds, as the connection has it

    def exec_driver_sql(self, statement: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run a statement; once for each tuple if the parameters are a list."""
        if isinstance(parameters, list):
            return self._connection.executemany(statement, parameters)
        return self._connection.execute(statement, parameters)

    @contextmanager
    def transaction(self, patience: float) -> Iterator["HotConnection"]:
        """One immediate transaction; waits `patience` seconds for a locked database."""
        self._begin(patience)
        try:
            yield self
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _begin(self, patience: float) -> None:
        """SQLite waits for a second at a time: a signal is heard in between."""
        deadline = time.monotonic() + patience
        timeout = int(min(patience, 1.0) * 1000)
        if timeout != self._timeout:
            self._connection.execute(f"PRAGMA busy_timeout = {timeout}")
            self._timeout = timeout
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= deadline:
                    raise
            else:
                return
