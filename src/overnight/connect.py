"""Where the database is, opened; and where an experiment's files lie beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from overnight.errors import UsageError
from overnight.events import Handler, Said
from overnight.store.backup import back_up
from overnight.store.database import Database, open_database

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
