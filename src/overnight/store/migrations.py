"""How the schema came to be what it is: a step for each version, all of them in one transaction."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from overnight.errors import ConfigError
from overnight.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    human_labels,
    limits,
    looks,
    members,
    metadata,
    pauses,
    sample_members,
    samples,
)
from overnight.store.schema_views import VIEWS

FROM_R = -1  # in the place of a version: a database of the earlier R implementation
# Tables that may have columns of an older program, and the view that shows them too.
_SHOWN = {"source_narratives": "narratives n", "narrative_results": "results r"}


def create_schema(connection: Connection) -> None:
    """Make every table, index and view in an empty database."""
    _create_tables(connection)
    _finish(connection)


def _create_tables(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)


def migrate_schema(connection: Connection, version: int) -> list[str]:
    """Bring an older database up to date, inside the caller's transaction; what is worth saying."""
    if version == FROM_R:
        from overnight.store.from_r.convert import convert  # noqa: PLC0415 - hardly ever needed

        notes = convert(connection, _create_tables)
        _count_tokens(connection)
        _finish(connection)
        return notes
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](connection)
    for name in _views_in(connection):
        connection.exec_driver_sql(f'DROP VIEW "{name}"')
    _finish(connection)
    return []


def _finish(connection: Connection) -> None:
    for name, select in VIEWS.items():
        shown = _with_kept_columns(connection, name, select)
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {shown}")
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _with_kept_columns(connection: Connection, view: str, select: str) -> str:
    """A view's text, with the columns that an older program had and that are kept."""
    if view not in _SHOWN:
        return select
    table, alias = _SHOWN[view].split()
    ours = {column.name for column in metadata.tables[table].columns}
    found = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
    kept = [row[1] for row in found if row[1] not in ours]
    added = "".join(f', {alias}."{name}"' for name in kept)
    return select.replace(f"FROM {_SHOWN[view]}", f"{added} FROM {_SHOWN[view]}", 1)


def _views_in(connection: Connection) -> list[str]:
    """The views of ours that are there; those that users made stay as they are."""
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'view'")
    return [name for name in found.scalars() if name in VIEWS]


def _from_1(connection: Connection) -> None:
    """Sessions keep how long they worked by their own clock, when they paused, and the limit.

    Narratives keep columns of their file, people label samples of them, and it is counted how
    often labels were looked at.
    """
    for column in ("runtime_sec FLOAT", "stood_still_sec FLOAT", "stop_asked_at TEXT"):
        connection.exec_driver_sql(f"ALTER TABLE run_sessions ADD COLUMN {column}")
    connection.exec_driver_sql("ALTER TABLE run_sessions ADD COLUMN stop_asked_by TEXT")
    for new in (pauses, limits, looks, members, samples, sample_members, human_labels):
        new.create(connection)
    for column in ("reuse_of TEXT", "reused_rows INTEGER", "repeat_of TEXT", "repeat_no INTEGER"):
        connection.exec_driver_sql(f"ALTER TABLE experiments ADD COLUMN {column}")
    connection.exec_driver_sql("ALTER TABLE results ADD COLUMN copied INTEGER")
    connection.exec_driver_sql(
        "CREATE INDEX ix_results_copied ON results (experiment_key, copied)"
        " WHERE copied IS NOT NULL"
    )
    for table, column in (
        ("datasets", "kept_json TEXT"),
        ("narratives", "kept TEXT"),
        ("experiments", "run_order TEXT NOT NULL DEFAULT 'file'"),
        ("experiments", "configuration_sha256 TEXT"),
        ("run_sessions", "prompt_tokens INTEGER NOT NULL DEFAULT 0"),
        ("run_sessions", "completion_tokens INTEGER NOT NULL DEFAULT 0"),
        ("run_sessions", "n_with_tokens INTEGER NOT NULL DEFAULT 0"),
    ):
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column}")
    connection.exec_driver_sql(
        "UPDATE run_sessions SET runtime_sec = max(0.0, round((julianday(coalesce(ended_at,"
        " last_seen_at, started_at)) - julianday(started_at)) * 86400.0, 3))"
    )
    _count_tokens(connection)
    _tell_configurations(connection)


def _tell_configurations(connection: Connection) -> None:
    """Let each experiment know its configuration's digest, by which looks at labels are counted.

    It stays unknown where a variable that the configuration uses is not set, or is another now.
    """
    from overnight.config import restore_config  # noqa: PLC0415 - hardly ever needed
    from overnight.config.binding import binding_digest, configuration_digest  # noqa: PLC0415

    rows = connection.exec_driver_sql(
        "SELECT experiment_key, config_json, binding_sha256 FROM experiments"
    ).all()
    for key, stored, binding in rows:
        with suppress(ConfigError):
            values = restore_config(json.loads(stored), Path("/")).values
            if binding_digest(values) == binding:
                connection.exec_driver_sql(
                    "UPDATE experiments SET configuration_sha256 = ? WHERE experiment_key = ?",
                    (configuration_digest(values), key),
                )


def _count_tokens(connection: Connection) -> None:
    """Let each session know the tokens of its calls, which an older program did not count."""
    connection.exec_driver_sql(
        "UPDATE run_sessions SET prompt_tokens = told.prompt, completion_tokens = told.completion,"
        " n_with_tokens = told.n"
        " FROM (SELECT session_id, coalesce(sum(prompt_tokens), 0) AS prompt,"
        "       coalesce(sum(completion_tokens), 0) AS completion,"
        "       count(prompt_tokens + completion_tokens) AS n"
        "       FROM attempts GROUP BY session_id) AS told"
        " WHERE told.session_id = run_sessions.session_id"
    )


_STEPS: Mapping[int, Callable[[Connection], None]] = {1: _from_1}
