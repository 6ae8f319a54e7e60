"""`purge --unused`: delete narratives that no experiment is about, such that nothing is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from overnight.commands.removal import delete_backups, wipe
from overnight.errors import RefusedError
from overnight.events import Handler, Said
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.open import connected
from overnight.store.removal import UnusedDataset, discard_dataset, unused_datasets
from overnight.store.shelf import backups_of, leftovers_of


@dataclass(frozen=True, slots=True)
class UnusedPurge:
    """What was found, and whether it was deleted."""

    found: tuple[UnusedDataset, ...]
    backups: tuple[Path, ...] = ()
    with_backups: bool = False
    done: bool = False

    @property
    def n_narratives(self) -> int:
        """In all of them."""
        return sum(one.n_narratives for one in self.found)

    @property
    def n_looks(self) -> int:
        """At their labels."""
        return sum(one.n_looks for one in self.found)


def purge_unused(
    *,
    db: Path | str | None = None,
    with_backups: bool = False,
    confirm: Callable[[UnusedPurge], bool],
    handler: Handler,
) -> UnusedPurge:
    """Delete the narratives that no experiment uses: it was cleaned up, or none was begun.

    No backup is made; `with_backups` deletes those beside the database as well, also where no such
    narratives are left but in them. Raises RefusedError while a file is being loaded: an
    experiment is about to use it. UsageError where a backup cannot be deleted: the rest is gone.
    """
    with connected(db, writes=handler) as database:
        with _nobody_loads(database):
            found = tuple(unused_datasets(database))
        backups = (*backups_of(database.path), *leftovers_of(database.path))
        asked = UnusedPurge(found, backups, with_backups)
        if not (found or (with_backups and backups)) or not confirm(asked):
            return asked
        deleted = _discard(database, found)
        for note in wipe(database):
            handler(Said(note, warning=True))
        if with_backups:
            delete_backups(backups)
        return replace(asked, found=deleted, done=True)


def _discard(database: Database, found: tuple[UnusedDataset, ...]) -> tuple[UnusedDataset, ...]:
    """Delete those that are still as they were shown; nobody waits for the answer of a person."""
    with _nobody_loads(database):
        still = [one for one in unused_datasets(database) if one in found]
        return tuple(one for one in still if discard_dataset(database, one.dataset_id))


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
