"""Databases as version 1 left them."""

import contextlib
import sqlite3
from pathlib import Path

_SCHEMA = Path(__file__).parent / "store" / "older" / "schema_1.sql"


def make_older(new: Path) -> None:
    """Put in the place of a database one of version 1, with what both have room for."""
    old = new.with_name("older.db")
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.executescript(_SCHEMA.read_text(encoding="utf-8"))
        connection.execute("ATTACH ? AS new", (str(new),))
        for (table,) in connection.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table'"
        ).fetchall():
            columns = ", ".join(
                name
                for (name,) in connection.execute(
                    f"SELECT name FROM pragma_table_info('{table}', 'main')"
                )
            )
            connection.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"
            )
        connection.commit()
    for suffix in ("", "-wal", "-shm"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    old.rename(new)
