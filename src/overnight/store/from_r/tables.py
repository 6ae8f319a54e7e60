"""The three tables of the R implementation: recognised, moved aside, their own columns kept."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from overnight.store.schema import metadata
from overnight.store.schema_views import VIEWS

# What a table must have to be the one of that implementation, and not a namesake.
_MARKS = {
    "source_narratives": {"incident_id", "narrative_type", "narrative_text"},
    "experiments": {"experiment_id", "experiment_name", "status", "model_name"},
    "narrative_results": {"experiment_id", "incident_id", "narrative_type", "detected"},
}
_MARKED = " OR ".join(
    f"m.name = '{table}' AND c.name = '{mark}'" for table in _MARKS for mark in _MARKS[table]
)
IS_R_DATABASE = (
    f"SELECT count(*) = {sum(map(len, _MARKS.values()))} FROM sqlite_master m"
    f" JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND ({_MARKED})"
)
ASIDE = {name: f"r_{name}" for name in _MARKS}
# Where the rows of an old table live from now on, and the view that spells them out.
_HOMES = {
    "source_narratives": ("narratives", "source_narratives"),
    "experiments": ("experiments", "experiments"),
    "narrative_results": ("results", "narrative_results"),
}
# What only we have; the other columns of ours are those of the review, and mean the same.
_OURS = {
    "source_narratives": {"dataset_id", "row_num", "label", "case_label", "text_sha256", "kept"},
    "experiments": {
        "experiment_key",
        "status_reason",
        "dataset_id",
        "data_checksum",
        "max_narratives",
        "config_json",
        "config_file",
        "binding_sha256",
        "served_model",
        "structured",
        "primary_type",
        "reuse_of",
        "reused_rows",
        "repeat_of",
        "repeat_no",
        "run_order",
        "configuration_sha256",
    },
    "narrative_results": {
        "output_json",
        "repaired",
        "primary_value",
        "label",
        "case_label",
        "narrative_id",
        "copied",
        "copied_from",
        "tokens_used",  # a sum here, and more than the sum where only it was stored
    },
}
_VIEW_NAME = re.compile(r"(?is)^\s*create\s+view\s+(\"[^\"]+\"|`[^`]+`|\[[^\]]+\]|\w+)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an old table; `kept_as` is its name in ours, None if it is known there."""

    name: str
    type: str
    kept_as: str | None


Columns = Mapping[str, tuple[Column, ...]]  # by old table


def is_r_database(connection: Connection) -> bool:
    """Whether the three tables are there, with the columns that tell them."""
    return bool(connection.exec_driver_sql(IS_R_DATABASE).scalar_one())


def columns_in(connection: Connection) -> Columns:
    """The columns of the old tables, in their order."""
    return {table: tuple(_columns(connection, table)) for table in _MARKS}


def _columns(connection: Connection, table: str) -> Iterable[Column]:
    home, view = _HOMES[table]
    known = {column.name for column in metadata.tables[home].columns}
    shown = _shown_by(view) if view in VIEWS else known
    review = shown - _OURS[table]
    rows = connection.exec_driver_sql(f'PRAGMA table_info("{ASIDE[table]}")').all()
    taken = known | shown | {row[1] for row in rows}
    for _, name, kind, *_rest in rows:
        if name.lower() in review:
            yield Column(name, kind, None)
        elif name.lower() in known | shown:
            kept = f"r_{name}"  # the name is ours, with a meaning of ours
            yield Column(name, kind, kept if kept not in taken else f"r_{kept}")
        else:
            yield Column(name, kind, name)


def _shown_by(view: str) -> set[str]:
    """The names of a view's columns, read off its text."""
    head = " ".join(VIEWS[view].split()).partition(" FROM ")[0]
    return set(re.findall(r"(\w+)(?=,|$)", head))


def set_aside(connection: Connection) -> list[str]:
    """Give the three names free, and every other name of ours; what else was renamed."""
    connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")  # views of users stay as written
    try:
        renamed = list(_clear(connection))
        for table, aside in ASIDE.items():
            indexes = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
                " AND sql IS NOT NULL",
                (table,),
            )
            for index in indexes.scalars().all():
                connection.exec_driver_sql(f'DROP INDEX "{index}"')
            connection.exec_driver_sql(f'ALTER TABLE "{table}" RENAME TO "{aside}"')
    finally:
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
    return renamed


def _clear(connection: Connection) -> Iterable[str]:
    """Rename tables and views of users that bear a name of ours."""
    ours = (set(metadata.tables) | set(VIEWS)) - set(_MARKS)
    rows = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view')"
    ).all()
    for kind, name, sql in rows:
        if name.lower() not in ours:
            continue
        if kind == "table":
            connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "r_{name}"')
        else:
            connection.exec_driver_sql(f'DROP VIEW "{name}"')
            connection.exec_driver_sql(_VIEW_NAME.sub(f'CREATE VIEW "r_{name}"', sql, count=1))
        yield f"{name} is now called r_{name}"


def keep_columns(connection: Connection, columns: Columns) -> None:
    """Give our tables the columns that only the old ones had."""
    for table, found in columns.items():
        for column in found:
            if column.kept_as:
                connection.exec_driver_sql(
                    f'ALTER TABLE {_HOMES[table][0]} ADD COLUMN "{column.kept_as}" {column.type}'
                )


def drop_old(connection: Connection) -> None:
    """Remove the old tables, those that point to others first."""
    for table in ("narrative_results", "source_narratives", "experiments"):
        connection.exec_driver_sql(f'DROP TABLE "{ASIDE[table]}"')
