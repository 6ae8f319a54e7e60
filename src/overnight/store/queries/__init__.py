"""Our longest questions, as files of SQL that can be read, and run by hand with `.parameter set`.

SQLite has no statistics of our tables and takes some words as orders. `status <> 'answered'` and
`error_category IS NOT NULL` let it use the small indexes of what is seldom; `CROSS JOIN` keeps
the order of the tables; a plus before a column keeps it from that column's index.
"""

from functools import cache
from importlib.resources import files


@cache
def query(name: str, **conditions: str) -> str:
    """The statement in NAME.sql; each condition takes the place of its comment `/* and KEY */`."""
    statement = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    for key, condition in conditions.items():
        statement = statement.replace(f"/* and {key} */", f"AND ({condition})")
    return statement
