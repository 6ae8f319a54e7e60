"""Opening a database: which file is meant, whether it is ours, and of which version."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from overnight.errors import DatabaseRefused, UsageError
from overnight.events import Handler, Said
from overnight.private import private_folder
from overnight.store.backup import back_up
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.filesystem import refuse_network_drive
from overnight.store.schema.from_r.tables import is_r_database
from overnight.store.schema.migrations import FROM_R, create_schema, migrate_schema
from overnight.store.schema.tables import APPLICATION_ID, SCHEMA_VERSION

DATABASE_VARIABLES = ("OVERNIGHT_DB", "EXPERIMENTS_DB")
DEFAULT_DATABASE = "overnight.db"


def find_database(named: str | Path | None, config_file: Path | None = None) -> Path:
    """The database that is meant: named, in the environment, beside the configuration, or here."""
    name = named or next((os.environ[v] for v in DATABASE_VARIABLES if os.environ.get(v)), None)
    if name is None:
        return (config_file.resolve().parent if config_file else Path.cwd()) / DEFAULT_DATABASE
    if "://" in str(name):
        raise UsageError(
            "this version keeps its database in a SQLite file: --db takes a path, not a URL"
        )
    return Path(name).expanduser().absolute()


def connect(
    named: str | Path | None = None,
    config_file: Path | None = None,
    *,
    create: bool = False,
    writes: Handler | None = None,
) -> Database:
    """Open the database that is meant (see `find_database`).

    Who `writes` also brings an older one up to date, after a backup, and is told so; for others
    an older database is refused.
    """
    return open_database(
        find_database(named, config_file),
        create=create,
        before_upgrade=None if writes is None else partial(_before_upgrade, writes),
        tell=lambda note: writes(Said(note)) if writes else None,
    )


def _before_upgrade(say: Handler, database: Database) -> None:
    made = back_up(database, before_migration=True)
    say(Said(f"{database.path} is brought up to date; as it was: {made.path}"))


@contextmanager
def connected(
    named: str | Path | None = None,
    config_file: Path | None = None,
    *,
    create: bool = False,
    writes: Handler | None = None,
) -> Iterator[Database]:
    """The database that is meant (see `connect`), open for as long as it is used."""
    database = connect(named, config_file, create=create, writes=writes)
    try:
        yield database
    finally:
        database.close()


def folder_of(database: Database, kind: str, experiment_id: str) -> Path:
    """Where an experiment's files lie, beside the database: `exports` or `logs/experiments`."""
    return database.path.resolve().parent / kind / experiment_id


BeforeUpgrade = Callable[[Database], None]
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
    version: int = connection.value("PRAGMA user_version")
    owner = connection.value("PRAGMA application_id")
    if owner == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise DatabaseRefused(
                f"{path} was written by a newer overnight (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update overnight: pipx install --force . in its newer folder"
            )
        return version
    if owner == 0 and is_r_database(connection):
        return FROM_R
    if connection.value("SELECT count(*) FROM sqlite_master"):
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
