"""How the schema came to be what it is: a step for each version, all of them in one transaction."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from overnight.store.schema import APPLICATION_ID, SCHEMA_VERSION, VIEWS, limits, metadata, pauses


def create_schema(connection: Connection) -> None:
    """Make every table, index and view in an empty database."""
    metadata.create_all(connection, checkfirst=False)
    _finish(connection)


def migrate_schema(connection: Connection, version: int) -> None:
    """Bring a database of an older version of ours up to date, inside the caller's transaction."""
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](connection)
    for name in _views_in(connection):
        connection.exec_driver_sql(f'DROP VIEW "{name}"')
    _finish(connection)


def _finish(connection: Connection) -> None:
    for name, select in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select}")
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _views_in(connection: Connection) -> list[str]:
    """The views of ours that are there; those that users made stay as they are."""
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'view'")
    return [name for name in found.scalars() if name in VIEWS]


def _from_1(connection: Connection) -> None:
    """Sessions keep how long they worked by their own clock, when they paused, and the limit."""
    for column in ("runtime_sec FLOAT", "stood_still_sec FLOAT", "stop_asked_at TEXT"):
        connection.exec_driver_sql(f"ALTER TABLE run_sessions ADD COLUMN {column}")
    connection.exec_driver_sql("ALTER TABLE run_sessions ADD COLUMN stop_asked_by TEXT")
    pauses.create(connection)
    limits.create(connection)
    connection.exec_driver_sql(
        "UPDATE run_sessions SET runtime_sec = max(0.0, round((julianday(coalesce(ended_at,"
        " last_seen_at, started_at)) - julianday(started_at)) * 86400.0, 3))"
    )


_STEPS: Mapping[int, Callable[[Connection], None]] = {1: _from_1}
