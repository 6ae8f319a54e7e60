"""Every table, index and view, as schema.sql and views.sql beside this module say."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from importlib.resources import files

SCHEMA_VERSION = 2
APPLICATION_ID = 0x6F766E74  # "ovnt"; SQLite keeps it in the file's header


def schema() -> list[str]:
    """The statements that make every table and index."""
    return list(statements(_text("schema.sql")))


def views() -> dict[str, str]:
    """The statement that makes each view, by its name; tables come first."""
    return {_name(statement): statement for statement in statements(_text("views.sql"))}


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: SQLite's own way would commit before the first."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def columns_made_by(script: Iterable[str]) -> dict[str, set[str]]:
    """The columns of each table and view that these statements make, by its name."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        for statement in script:
            scratch.execute(statement)
        found: dict[str, set[str]] = {}
        for table, column in scratch.execute(
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
        ):
            found.setdefault(table, set()).add(column)
    return found


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _name(statement: str) -> str:
    found = re.search(r"^CREATE VIEW (\w+)", statement, re.MULTILINE)
    assert found is not None, statement  # noqa: S101 - our own file
    return found[1]
