"""Opening a database, and the two kinds of transaction: one writes, one reads."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.pool import QueuePool

from overnight.errors import DatabaseRefused, OvernightError, StoppedError, UsageError
from overnight.private import private_folder
from overnight.store.filesystem import refuse_network_drive
from overnight.store.schema import APPLICATION_ID, SCHEMA_VERSION, VIEWS, metadata

_BUSY_MS = 30_000
_PRAGMAS = (
    "synchronous = FULL",  # a committed result survives a power cut
    "fullfsync = 1",  # ... on macOS too; elsewhere it changes nothing
    "foreign_keys = ON",
    f"busy_timeout = {_BUSY_MS}",
    f"journal_size_limit = {64 * 1024 * 1024}",
    "temp_store = MEMORY",
)


class Database:
    """A SQLite database of ours. Every transaction is explicit and short."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One immediate transaction: all of it is committed at the end, or nothing."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database, blocking nobody."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with _explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql(begin)
            yield connection  # when this raises, returning the connection rolls back
            connection.exec_driver_sql("COMMIT")

    def use_wal(self) -> None:
        """Let readers and a writer work side by side; the file remembers it."""
        with _explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(path: Path, *, create: bool = False) -> Database:
    """Open the database at `path`; with `create`, make it where there is none.

    Raises UsageError where there is none, DatabaseRefused where it is not ours to use, or lies
    on a network drive.
    """
    refuse_network_drive(path)  # before anything is opened: even looking takes locks
    if not path.exists():
        if not create:
            raise UsageError(
                f"there is no database at {path}; `overnight run CONFIG` makes one, "
                "--db PATH names another"
            )
        _create_file(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; --db takes a file in it, such as overnight.db")
    database = Database(path)
    try:
        _prepare(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: Database, *, create: bool) -> None:
    """See that the file is ours, and make the schema where there is none yet."""
    with database.read() as connection:
        version = _version(connection, database.path)
    if version == 0 and not create:
        raise DatabaseRefused(f"{database.path} is empty; --db PATH names another database")
    database.use_wal()  # not before it is known to be ours
    if version == 0:
        _create_schema(database)


def _create_file(path: Path) -> None:
    """An empty private file: SQLite gives its journal the same permissions."""
    try:
        private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UsageError(f"no database can be made at {path}: {error.strerror}") from None


def _version(connection: Connection, path: Path) -> int:
    """The schema's version; 0 for an empty file. Refuses files that are not ours."""
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    owner = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    if owner == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise DatabaseRefused(
                f"{path} was written by a newer overnight (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update overnight: pip install -U overnight"
            )
        return version
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        raise DatabaseRefused(f"{path} is a database of another program; --db PATH names another")
    return 0


def _create_schema(database: Database) -> None:
    """All tables and views in one transaction, or none; two creators make one schema."""
    with database.write() as connection:
        if _version(connection, database.path) == SCHEMA_VERSION:
            return
        metadata.create_all(connection, checkfirst=False)
        for name, select in VIEWS.items():
            connection.execute(text(f"CREATE VIEW {name} AS {select}"))
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


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

    return engine


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says into one sentence for the user."""
    try:
        yield
    except DatabaseError as error:
        raise _explanation(error, path) from error


def _explanation(error: DBAPIError, path: Path) -> OvernightError:
    said = str(error.orig)
    if "disk is full" in said or "disk I/O error" in said:
        return StoppedError(
            f"the disk that holds {path} is full or failing ({said}); make room, then type the "
            "same command again"
        )
    if "locked" in said or "busy" in said:
        return StoppedError(
            f"another program has held {path} locked for {_BUSY_MS // 1000} s; close it, then "
            "type the same command again"
        )
    if "readonly" in said or "unable to open" in said:
        return UsageError(f"{path} cannot be written here ({said}); check its permissions")
    if "not a database" in said or "malformed" in said:
        return DatabaseRefused(
            f"{path} is damaged or no SQLite database ({said}); restore a copy of it "
            "(overnight doctor names the newest), or name another with --db"
        )
    return StoppedError(f"{path}: {said}")
