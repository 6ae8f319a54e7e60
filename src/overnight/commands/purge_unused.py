"""`purge --unused`: delete narratives that no experiment is about, such that nothing is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from overnight.commands.removal import wipe
from overnight.connect import connected
from overnight.errors import RefusedError
from overnight.events import Handler, Said
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.removal import UnusedDataset, discard_dataset, unused_datasets
from overnight.store.shelf import backups_of, leftovers_of


@dataclass(frozen=True, slots=True)
class UnusedPurge:
    """What was found, and whether it was deleted."""

    found: tuple[UnusedDataset, ...]
    backups: tuple[Path, ...] = ()
    with_backups: bool = False
    done: bool = False


def purge_unused(
    *,
    db: Path | str | None = None,
    with_backups: bool = False,
    confirm: Callable[[UnusedPurge], bool],
    handler: Handler,
) -> UnusedPurge:
    """Delete the narratives that no experiment uses: it was cleaned up, or none was begun.

    No backup is made. Raises RefusedError while a file is being loaded: an experiment is about to
    use it.
    """
    with connected(db, writes=handler) as database, _nobody_loads(database):
        backups = (*backups_of(database.path), *leftovers_of(database.path))
        asked = UnusedPurge(tuple(unused_datasets(database)), backups, with_backups)
        if not asked.found or not confirm(asked):
            return asked
        deleted = [one for one in asked.found if discard_dataset(database, one.dataset_id)]
        for backup in backups if with_backups else ():
            backup.unlink(missing_ok=True)
        for note in wipe(database):
            handler(Said(note, warning=True))
        return replace(asked, found=tuple(deleted), done=True)


@contextmanager
def _nobody_loads(database: Database) -> Iterator[None]:
    if not lock.acquire(database.path, lock.LOADING):
        raise RefusedError(
            "a file is being loaded into this database; wait for it, then type the same command "
            "again"
        )
    try:
        yield
    finally:
        lock.release(database.path, lock.LOADING)
