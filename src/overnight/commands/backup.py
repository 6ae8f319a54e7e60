"""`backup`: a whole, verified copy of the database, while runs go on."""

from collections.abc import Callable
from pathlib import Path

from overnight.store.backup import Backup, back_up
from overnight.store.open import connected

__all__ = ["Backup", "backup"]


def backup(
    *,
    db: Path | str | None = None,
    out: Path | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Backup:
    """Copy the database to `backups/` beside it, or to `out`, a new file or a folder."""
    with connected(db) as database:
        return back_up(database, out, on_progress=on_progress)
