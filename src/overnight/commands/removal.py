"""What `cleanup` and `purge` have in common: deleting an experiment with its files, for good."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from overnight.domain.experiment import Experiment
from overnight.errors import ExperimentOwned, UsageError
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.experiments import get_experiment, list_experiments
from overnight.store.open import folder_of
from overnight.store.removal import BEING_DELETED, remove_experiment
from overnight.store.rescue import rescue_files
from overnight.views import ExperimentView, view_experiment

_MARGIN = 16 * 1024 * 1024  # bytes that are left to others on the disk
NOT_CONFIRMED = "nothing was deleted: there is no terminal to ask on; --yes deletes without asking"


@dataclass(frozen=True, slots=True)
class Removable:
    """An experiment, and every file of it that is known."""

    experiment: Experiment
    view: ExperimentView
    files: tuple[Path, ...]

    @property
    def half_deleted(self) -> bool:
        """Whether an earlier deletion of it was broken off."""
        return self.experiment.status_reason == BEING_DELETED

    @property
    def named(self) -> tuple[str, ...]:
        """Files that the R implementation noted, from a folder that is not known here."""
        names = (self.view.summary.row[column] for column in ("csv_file", "json_file"))
        return tuple(name for name in names if name and not Path(name).is_absolute())

    @property
    def n_bytes(self) -> int:
        """The size of its files."""
        return sum(file.stat().st_size for file in self.files if file.exists())


def removable(database: Database, experiment: Experiment) -> Removable:
    """An experiment with its files."""
    view = view_experiment(database, experiment)
    return Removable(experiment, view, tuple(_files(database, experiment, view)))


def _files(database: Database, experiment: Experiment, view: ExperimentView) -> Iterator[Path]:
    folders = _folders(database, experiment)
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if not path.is_dir())
    yield from rescue_files(database.path, experiment.experiment_id)
    for column in ("csv_file", "json_file"):
        file = Path(view.summary.row[column] or "")
        elsewhere = file.is_absolute() and file.is_file()
        if elsewhere and not any(file.is_relative_to(folder) for folder in folders):
            yield file


def _folders(database: Database, experiment: Experiment) -> list[Path]:
    kinds = ("exports", "logs/experiments")
    return [folder_of(database, kind, experiment.experiment_id) for kind in kinds]


def remove(database: Database, found: Removable, *, with_data: bool) -> int:
    """Delete an experiment and its files; how many narratives went with it.

    Raises ExperimentOwned if somebody has begun to work on it, UsageError where a file cannot be
    deleted: then the rest is gone, and the same command tries again.
    """
    key = found.experiment.experiment_key
    if not lock.acquire(database.path, key):
        raise ExperimentOwned(owned(found))
    try:
        experiment = get_experiment(database, key)
        _unlink(database, found)
        return remove_experiment(database, experiment, with_data=with_data)
    finally:
        lock.release(database.path, key)


def owned(found: Removable) -> str:
    """Why a living one is not deleted."""
    short = found.experiment.experiment_id[:8]
    return (
        f"{short} ({found.experiment.name}) is being worked on and was not deleted; to stop it: "
        f"overnight cancel {short}"
    )


def _unlink(database: Database, found: Removable) -> None:
    """Delete the files. They go first: as long as one is left, the experiment can be named."""
    try:
        for file in found.files:
            file.unlink(missing_ok=True)
        for folder in _folders(database, found.experiment):
            with suppress(FileNotFoundError):
                shutil.rmtree(folder)
    except OSError as error:
        raise UsageError(f"{_undeletable(error)} type the same command again") from error


def delete_backups(backups: Sequence[Path]) -> None:
    """Delete copies of the database. Raises UsageError where one cannot be deleted."""
    try:
        for backup in backups:
            backup.unlink(missing_ok=True)
    except OSError as error:  # what was to be purged is gone, and cannot be named any more
        how = "overnight purge --unused --with-backups"
        raise UsageError(f"{_undeletable(error)} type: {how}") from error


def _undeletable(error: OSError) -> str:
    why = error.strerror
    return f"{error.filename} cannot be deleted ({why}); change its permissions, then"


def wipe(database: Database) -> list[str]:
    """Leave no trace of what was deleted in the database's files; what could not be done."""
    notes = []
    if any(view_experiment(database, one).is_alive for one in list_experiments(database)):
        notes.append(
            "another experiment is being worked on, so the database was not written anew; what was "
            "deleted has been overwritten, and the file shrinks with the next purge"
        )
    elif shutil.disk_usage(database.path.parent).free < database.path.stat().st_size + _MARGIN:
        notes.append(
            "there is no room to write the database anew; what was deleted has been overwritten, "
            "and the file does not shrink"
        )
    else:
        database.compact()
    if not database.empty_journal():
        notes.append(
            f"another program is reading the database: until it ends, {database.path}-wal may hold "
            "what was deleted; after that, any command of overnight empties it"
        )
    return notes
