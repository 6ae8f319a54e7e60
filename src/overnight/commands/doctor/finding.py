"""What a check is given, and what it finds."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to do or to type, line by line."""

    check: str
    state: State
    message: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The database that is examined, open for reading."""

    path: Path  # real
    db_option: str  # what must be added to a command that is typed here
    connection: sqlite3.Connection

    @property
    def folder(self) -> Path:
        """Where its other files lie."""
        return self.path.parent

    def beside(self, ending: str) -> Path:
        """A file that belongs to the database by its name."""
        return self.path.with_name(self.path.name + ending)
