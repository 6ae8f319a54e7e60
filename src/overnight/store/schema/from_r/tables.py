"""The three tables of the R implementation: recognised, moved aside, their own columns kept."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from overnight.store.connection import Connection
from overnight.store.schema.tables import columns_made_by, statements

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
    return bool(connection.value(IS_R_DATABASE))


def columns_in(connection: Connection) -> Columns:
    """The columns of the old tables, in their order."""
    ours = columns_made_by(becomes())
    return {table: tuple(_columns(connection, table, ours)) for table in _MARKS}


def becomes() -> list[str]:
    """The statements that make the tables, indexes and views of what such a database becomes."""
    script = files(__package__).joinpath("schema_2.sql")
    return list(statements(script.read_text(encoding="utf-8")))


def _columns(connection: Connection, table: str, ours: Mapping[str, set[str]]) -> Iterable[Column]:
    home, view = _HOMES[table]
    known, shown = ours[home], ours[view]
    review = shown - _OURS[table]
    rows = connection.rows(f'PRAGMA table_info("{ASIDE[table]}")')
    taken = known | shown | {row[1] for row in rows}
    for _, name, kind, *_rest in rows:
        if name.lower() in review:
            yield Column(name, kind, None)
        elif name.lower() in known | shown:
            kept = f"r_{name}"  # the name is ours, with a meaning of ours
            yield Column(name, kind, kept if kept not in taken else f"r_{kept}")
        else:
            yield Column(name, kind, name)


def set_aside(connection: Connection) -> list[str]:
    """Give the three names free, and every other name of ours; what else was renamed."""
    connection.execute("PRAGMA legacy_alter_table = ON")  # views of users stay as written
    try:
        renamed = list(_clear(connection))
        for table, aside in ASIDE.items():
            indexes = connection.column(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
                " AND sql IS NOT NULL",
                (table,),
            )
            for index in indexes:
                connection.execute(f'DROP INDEX "{index}"')
            connection.execute(f'ALTER TABLE "{table}" RENAME TO "{aside}"')
    finally:
        connection.execute("PRAGMA legacy_alter_table = OFF")
    return renamed


def _clear(connection: Connection) -> Iterable[str]:
    """Rename tables and views of users that bear a name of ours."""
    ours = set(columns_made_by(becomes())) - set(_MARKS)
    rows = connection.rows(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view')"
    )
    for kind, name, sql in rows:
        if name.lower() not in ours:
            continue
        if kind == "table":
            connection.execute(f'ALTER TABLE "{name}" RENAME TO "r_{name}"')
        else:
            connection.execute(f'DROP VIEW "{name}"')
            connection.execute(_VIEW_NAME.sub(f'CREATE VIEW "r_{name}"', sql, count=1))
        yield f"{name} is now called r_{name}"


def keep_columns(connection: Connection, columns: Columns) -> None:
    """Give our tables the columns that only the old ones had."""
    for table, found in columns.items():
        for column in found:
            if column.kept_as:
                connection.execute(
                    f'ALTER TABLE {_HOMES[table][0]} ADD COLUMN "{column.kept_as}" {column.type}'
                )


def drop_old(connection: Connection) -> None:
    """Remove the old tables, those that point to others first."""
    for table in ("narrative_results", "source_narratives", "experiments"):
        connection.execute(f'DROP TABLE "{ASIDE[table]}"')
