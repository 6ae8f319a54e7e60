"""Looks at labels, counted: by the run that ends, and by the commands that show figures."""

import os
import time
from dataclasses import dataclass

from overnight.domain.experiment import Experiment
from overnight.errors import OvernightError
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.looks import Labels, Look, add_look, find_look, labels_of
from overnight.store.parts import Part

_PATIENCE = 2.0  # seconds that a reading command waits to write its look


@dataclass(frozen=True, slots=True)
class Looked:
    """A look as it is counted, and whether it is new; or why it could not be counted."""

    look: Look | None = None
    is_new: bool = False
    uncounted: str | None = None


def look_at(database: Database, experiment: Experiment, part: Part) -> Looked:
    """Count the look that a command is about to give; one that is counted already writes nothing.

    A reading command writes nothing else, waits for nobody, and does not touch the database of
    another user.
    """
    labels = labels_of(database, experiment.dataset_id, part)
    if not labels.n:
        return Looked()
    if known := find_look(database, experiment, labels):
        return Looked(known)
    why = _not_ours(database)
    if why is None:
        try:
            _write(database, experiment, labels)
        except OvernightError as error:
            why = str(error)
    if why is not None:
        return Looked(uncounted=why)
    return Looked(find_look(database, experiment, labels), is_new=True)


def look_of(database: Database, experiment: Experiment, part: Part) -> Look | None:
    """The look that was counted when the run ended; nothing is written."""
    return find_look(database, experiment, labels_of(database, experiment.dataset_id, part))


def _write(database: Database, experiment: Experiment, labels: Labels) -> None:
    checksum = get_dataset(database, experiment.dataset_id).checksum
    with database.writer() as writer, writer.write(_PATIENCE) as connection:
        add_look(connection, experiment, labels, checksum, time.time())


def _not_ours(database: Database) -> str | None:
    """Why nothing is written to a database, where that is so."""
    path = database.path
    if path.stat().st_uid != os.geteuid():
        return f"{path} belongs to another user"
    return None if os.access(path, os.W_OK) else f"{path} may only be read"
