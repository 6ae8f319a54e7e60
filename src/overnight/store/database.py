"""Opening a database, and the two kinds of transaction: one writes, one reads."""

import os
import shlex
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - for users without SQLAlchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from overnight.errors import (
    DatabaseRefused,
    UsageError,
)
from overnight.private import private_folder
from overnight.store.explain import PATIENCE, explained
from overnight.store.filesystem import refuse_network_drive
from overnight.store.from_r.tables import is_r_database
from overnight.store.functions import add_functions
from overnight.store.hot import HotConnection
from overnight.store.migrations import FROM_R, create_schema, migrate_schema
from overnight.store.schema import APPLICATION_ID, SCHEMA_VERSION

_PRAGMAS = (
    "synchronous = FULL",  # a committed result survives a power cut
    "fullfsync = 1",  # ... on macOS too; elsewhere it changes nothing
    "foreign_keys = ON",
    f"busy_timeout = {int(PATIENCE * 1000)}",
    f"journal_size_limit = {64 * 1024 * 1024}",
    "temp_store = MEMORY",
    "secure_delete = ON",  # what is deleted is overwritten: narratives are sensitive
)

_ONE_TRY_MS = 1000  # for which SQLite waits for a lock without looking up


class Database:
    """A SQLite database of ours. Every transaction is explicit and short."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)

    @contextmanager
    def write(self, hurried: Callable[[], bool] = lambda: False) -> Iterator[Connection]:
        """One immediate transaction: all of it is committed at the end, or nothing.

        Raises DatabaseBusy if another program keeps the database locked for too long, or for a
        second when somebody is `hurried`; then nothing of the block has been carried out.
        """
        began = time.monotonic()
        with (
            explained(self.path, lambda: time.monotonic() - began),
            self._engine.connect() as connection,
        ):
            _begin_immediate(connection, hurried)
            yield connection  # when this raises, returning the connection rolls back
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def remove(self) -> Iterator[Connection]:
        """Like `write`, for deleting rows that nothing points to, as the caller has seen.

        SQLite would look for pointers in tables without an index for it: hours at a million rows.
        """
        with explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.invalidate()  # rolls back; nobody gets a connection without keys
                raise
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database, blocking nobody."""
        with explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """A connection for one thread that writes all the time."""
        with self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - what the engine is made for
            yield Writer(HotConnection(raw), self.path)

    def use_wal(self) -> None:
        """Let readers and a writer work side by side; the file remembers it.

        SQLite does not wait where two processes change the mode at once: so we do.
        """
        deadline = time.monotonic() + PATIENCE
        with explained(self.path), self._engine.connect() as connection:
            while connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() != "wal":
                try:
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                except OperationalError as error:
                    if "locked" not in str(error.orig) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def compact(self) -> None:
        """Write the database anew without the room that deleted rows have left."""
        with explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")

    def empty_journal(self) -> bool:
        """Cut the journal to nothing; False where another program needs it to read."""
        with explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1000")
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        return not busy

    @property
    def journal_bytes(self) -> int:
        """How large the journal beside the database is; normally some megabytes."""
        journal = self.path.with_name(f"{self.path.name}-wal")
        return journal.stat().st_size if journal.exists() else 0

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


class Writer:
    """Makes transactions on a connection of its own; see `Database.write`."""

    def __init__(self, hot: HotConnection, path: Path) -> None:
        self._hot, self._path = hot, path

    @contextmanager
    def write(self, patience: float) -> Iterator[HotConnection]:
        """One immediate transaction: all of it is committed at the end, or nothing.

        Raises DatabaseBusy if another program keeps the database locked for `patience` seconds.
        """
        with explained(self._path, lambda: patience), self._hot.transaction(patience) as connection:
            yield connection

    @contextmanager
    def scratch(self) -> Iterator[HotConnection]:
        """The connection, with room for temporary tables on disk: they are gone at the end.

        Outside a transaction of `write`: whoever fills such a table holds up nobody.
        """
        with explained(self._path):
            self._hot.exec_driver_sql("PRAGMA temp_store = FILE")
            try:
                yield self._hot
            finally:
                self._hot.exec_driver_sql("PRAGMA temp_store = MEMORY")


def _begin_immediate(connection: Connection, hurried: Callable[[], bool]) -> None:
    """Begin as soon as nobody else writes.

    SQLite waits for a second at a time: a signal is heard in between.
    """
    deadline = time.monotonic() + PATIENCE
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_ONE_TRY_MS}")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                is_over = time.monotonic() > deadline or hurried()
                if "locked" not in str(error.orig) or is_over:
                    raise
            else:
                return
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")


BeforeUpgrade = Callable[["Database"], None]
Tell = Callable[[str], None]


def open_database(
    path: Path,
    *,
    create: bool = False,
    before_upgrade: BeforeUpgrade | None = None,
    tell: Tell = lambda _note: None,
) -> Database:
    """Open the database at `path`; with `create`, make it where there is none.

    One of an older version, or of the earlier R implementation, is brought up to date after
    `before_upgrade` has been called (it makes a backup); `tell` is given what is worth saying of
    it. Without `before_upgrade` such a one is refused. Raises UsageError where there is none,
    DatabaseRefused where it is not ours to use, or lies on a network drive.
    """
    refuse_network_drive(path)  # before anything is opened: even looking takes locks
    if not path.exists():
        if not create:
            raise UsageError(
                f"there is no database at {path}{_one_nearby(path)}; `overnight run CONFIG` makes "
                "one, --db PATH names another"
            )
        _create_file(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; --db takes a file in it, such as overnight.db")
    database = Database(path)
    try:
        _prepare(database, create=create, before_upgrade=before_upgrade, tell=tell)
    except BaseException:
        database.close()
        raise
    return database


def _one_nearby(path: Path) -> str:
    """Where one of this name lies one folder further down: runs are often started from above."""
    try:
        found = next(path.parent.glob(f"*/{path.name}"), None)
    except (OSError, ValueError):  # a name that is no pattern, a folder that may not be read
        return ""
    return f", but one at {found}: cd {found.parent.name}, or --db {found}" if found else ""


def _prepare(
    database: Database, *, create: bool, before_upgrade: BeforeUpgrade | None, tell: Tell
) -> None:
    """See that the file is ours, and make the schema or bring it up to date."""
    with database.read() as connection:
        version = _version(connection, database.path)
    if version == 0 and not create:
        raise DatabaseRefused(f"{database.path} is empty; --db PATH names another database")
    if version != 0 and version < SCHEMA_VERSION:
        if before_upgrade is None:
            by = "the earlier R implementation" if version == FROM_R else "an earlier overnight"
            raise DatabaseRefused(
                f"{database.path} was written by {by}; bring it up to date with: "
                f"overnight migrate --db {shlex.quote(str(database.path))}"
            )
        before_upgrade(database)
    database.use_wal()  # not before it is known to be ours
    if version < SCHEMA_VERSION:
        for note in _make_current(database):
            tell(note)


def _create_file(path: Path) -> None:
    """An empty private file: SQLite gives its journal the same permissions."""
    try:
        private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UsageError(f"no database can be made at {path}: {error.strerror}") from None


def _version(connection: Connection, path: Path) -> int:
    """The schema's version; 0 for an empty file, FROM_R for one of the R implementation.

    Refuses files that are not ours.
    """
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    owner = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    if owner == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise DatabaseRefused(
                f"{path} was written by a newer overnight (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update overnight: pipx install --force . in its newer folder"
            )
        return version
    if owner == 0 and is_r_database(connection):
        return FROM_R
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        raise DatabaseRefused(f"{path} is a database of another program; --db PATH names another")
    return 0


def _make_current(database: Database) -> list[str]:
    """The whole schema in one transaction, or none of it; whoever comes second finds it done.

    What is worth saying of it.
    """
    with database.write() as connection:
        version = _version(connection, database.path)
        if version == 0:
            create_schema(connection)
        elif version < SCHEMA_VERSION:
            return migrate_schema(connection, version)
    return []


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,  # they are narratives and replies
        poolclass=QueuePool,
        pool_reset_on_return="rollback",
        connect_args={"isolation_level": None, "cached_statements": 256},
        execution_options={"isolation_level": "AUTOCOMMIT"},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
        connection.execute("PRAGMA page_size = 8192")  # counts only for a file still empty
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        add_functions(connection)

    return engine
