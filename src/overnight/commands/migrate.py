"""`migrate`: bring an older database up to date."""

from dataclasses import dataclass
from pathlib import Path

from overnight.events import Handler, Said
from overnight.store.open import connected


@dataclass(frozen=True, slots=True)
class Migrated:
    """A database as it is now, and what was said on the way; nothing if it was up to date."""

    database: Path
    said: tuple[str, ...]


def migrate(*, db: Path | str | None = None, handler: Handler) -> Migrated:
    """Bring the database up to date in one transaction, after a backup."""
    said: list[str] = []

    def keep(event: object) -> None:
        if isinstance(event, Said):
            said.append(event.message)
            handler(event)

    with connected(db, writes=keep) as database:
        return Migrated(database.path, tuple(said))
