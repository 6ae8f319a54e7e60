"""A database of ours: its connections, and the two kinds of transaction: one writes, one reads."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from overnight.store.connection import PATIENCE, Connection, is_locked, open_connection
from overnight.store.explain import explained


class Database:
    """A SQLite database of ours. Every transaction is explicit and short."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Connection] = []
        self._is_closed = False
        self._held = threading.local()  # the thread's snapshot

    @contextmanager
    def write(self, hurried: Callable[[], bool] = lambda: False) -> Iterator[Connection]:
        """One immediate transaction: all of it is committed at the end, or nothing.

        Raises DatabaseBusy if another program keeps the database locked for too long, or for a
        second when somebody is `hurried`; then nothing of the block has been carried out.
        """
        began = time.monotonic()
        with explained(self.path, lambda: time.monotonic() - began), self._connection() as mine:
            mine.begin_immediate(PATIENCE, hurried)
            with mine.ended():
                yield mine

    @contextmanager
    def remove(self) -> Iterator[Connection]:
        """Like `write`, for deleting rows that nothing points to, as the caller has seen.

        SQLite would look for pointers in tables without an index for it: hours at a million rows.
        """
        with explained(self.path), self._connection() as mine:
            mine.execute("PRAGMA foreign_keys = OFF")
            try:
                mine.begin_immediate()
                with mine.ended():
                    yield mine
            finally:
                mine.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database, blocking nobody: that of `snapshot` within one."""
        held: Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        with explained(self.path), self._connection() as mine:
            mine.execute("BEGIN")
            with mine.ended():
                yield mine

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that this thread reads meanwhile is of one moment."""
        before = getattr(self._held, "connection", None)
        with self.read() as connection:
            self._held.connection = connection
            try:
                yield
            finally:
                self._held.connection = before

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """A connection for one thread that writes all the time."""
        with self._connection() as mine:
            yield Writer(mine, self.path)

    def use_wal(self) -> None:
        """Let readers and a writer work side by side; the file remembers it.

        SQLite does not wait where two processes change the mode at once: so we do.
        """
        deadline = time.monotonic() + PATIENCE
        with explained(self.path), self._connection() as mine:
            while mine.value("PRAGMA journal_mode") != "wal":
                try:
                    mine.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not is_locked(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def compact(self) -> None:
        """Write the database anew without the room that deleted rows have left."""
        with explained(self.path), self._connection() as mine:
            mine.execute("VACUUM")

    def empty_journal(self) -> bool:
        """Cut the journal to nothing; False where another program needs it to read."""
        with explained(self.path), self._connection() as mine:
            mine.wait_for_locks(1)
            return not mine.value("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def journal_bytes(self) -> int:
        """How large the journal beside the database is; normally some megabytes."""
        journal = self.path.with_name(f"{self.path.name}-wal")
        return journal.stat().st_size if journal.exists() else 0

    def close(self) -> None:
        """Close every connection; one that is in use, when it is given back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection that nobody else uses meanwhile; one that failed is not used again."""
        try:
            mine = self._idle.pop()
        except IndexError:
            mine = open_connection(self.path)
        try:
            yield mine
            mine.wait_for_locks(PATIENCE)
        except BaseException:
            mine.close()
            raise
        self._idle.append(mine)
        if self._is_closed:
            self.close()


class Writer:
    """Makes transactions on a connection of its own; see `Database.write`."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    @contextmanager
    def write(self, patience: float) -> Iterator[Connection]:
        """One immediate transaction: all of it is committed at the end, or nothing.

        Raises DatabaseBusy if another program keeps the database locked for `patience` seconds.
        """
        with explained(self._path, lambda: patience):
            self._connection.begin_immediate(patience)
            with self._connection.ended():
                yield self._connection

    @contextmanager
    def scratch(self) -> Iterator[Connection]:
        """The connection, with room for temporary tables on disk: they are gone at the end.

        Outside a transaction of `write`: whoever fills such a table holds up nobody.
        """
        with explained(self._path):
            self._connection.execute("PRAGMA temp_store = FILE")
            try:
                yield self._connection
            finally:
                self._connection.execute("PRAGMA temp_store = MEMORY")
