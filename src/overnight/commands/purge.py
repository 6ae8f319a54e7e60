"""`purge`: delete an experiment such that nothing of it is left, for an ethics board."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from overnight.commands.removal import Removable, delete_backups, owned, removable, remove, wipe
from overnight.domain.experiment import Experiment
from overnight.errors import ExperimentOwned, UsageError
from overnight.events import Handler, Said
from overnight.store.database import Database
from overnight.store.experiments import find_experiment
from overnight.store.labels import count_labelled
from overnight.store.members import repetitions_of
from overnight.store.open import connected
from overnight.store.removal import is_used_by_others, unused_datasets
from overnight.store.reuse import copies_of
from overnight.store.shelf import backups_of, leftovers_of


@dataclass(frozen=True, slots=True)
class Purge:
    """What a purge is about. Backups hold whole databases: other experiments too."""

    found: Removable
    data_source: str | None  # the data file whose narratives go too; None: others use them
    backups: tuple[Path, ...]
    with_backups: bool
    n_labelled: int = 0  # narratives that go too, labelled by people
    repetitions: tuple[Experiment, ...] = ()  # of it; they stay
    copies: tuple[Experiment, ...] = ()  # that have answers of it, which stay
    done: bool = False
    n_narratives: int = 0
    n_unused: int = 0  # narratives of no experiment at all; they stay


def purge(
    name: str,
    *,
    db: Path | str | None = None,
    with_backups: bool = False,
    confirm: Callable[[Purge], bool],
    handler: Handler,
) -> Purge:
    """Delete an experiment with its rows, files and, unless others use them, its narratives.

    No backup is made. `with_backups` deletes those beside the database as well. Raises
    ExperimentOwned while somebody works on it.
    """
    if name == "latest":
        raise UsageError("purge takes an id: `latest` may be another one tomorrow")
    with connected(db, writes=handler) as database:
        asked = _asked(database, name, with_backups=with_backups)
        if asked.found.view.is_alive:
            raise ExperimentOwned(owned(asked.found))
        if not confirm(asked):
            return asked
        n_narratives = remove(database, asked.found, with_data=True)
        for note in wipe(database):
            handler(Said(note, warning=True))
        if with_backups:
            delete_backups(asked.backups)
        n_unused = sum(one.n_narratives for one in unused_datasets(database) if one.is_complete)
        return replace(asked, done=True, n_narratives=n_narratives, n_unused=n_unused)


def _asked(database: Database, name: str, *, with_backups: bool) -> Purge:
    experiment = find_experiment(database, name)
    found = removable(database, experiment)
    with database.read() as connection:
        shared = is_used_by_others(connection, experiment)
        repetitions = repetitions_of(connection, experiment)
        copies = copies_of(connection, experiment)
        n_labelled = 0 if shared else count_labelled(connection, experiment.dataset_id)
    source = found.view.summary.row["data_file"]
    backups = (*backups_of(database.path), *leftovers_of(database.path))
    return Purge(
        found,
        None if shared else source or "",
        backups,
        with_backups,
        n_labelled=n_labelled,
        repetitions=tuple(repetitions),
        copies=tuple(copies),
    )
