"""Looks at labels, counted: by the run that ends, and by the commands that show figures."""

import os
import time
from dataclasses import dataclass

from overnight.domain.experiment import Experiment
from overnight.errors import OvernightError
from overnight.store.database import Database
from overnight.store.looks import Labels, Look, add_look, find_look, labels_of
from overnight.store.parts import Part
from overnight.store.study import Study

_PATIENCE = 2.0  # seconds that a reading command waits to write its look


@dataclass(frozen=True, slots=True)
class Looked:
    """A look as it is counted, and whether it is new; or why it could not be counted."""

    look: Look | None = None
    is_new: bool = False
    uncounted: str | None = None


def look_at(study: Study, part: Part) -> Looked:
    """Count the look that a command is about to give; one that is counted already writes nothing.

    A reading command writes nothing else, waits for nobody, and does not touch the database of
    another user.
    """
    labels = labels_of(study.database, study.experiment.dataset_id, part)
    if not labels.n:
        return Looked()
    with study.database.read() as connection:
        known = find_look(connection, study.experiment, labels)
    if known:
        return Looked(known)
    if why := _not_ours(study.database):
        return Looked(uncounted=why)
    try:
        return Looked(_counted(study, labels), is_new=True)
    except OvernightError as error:
        return Looked(uncounted=str(error))


def look_of(database: Database, experiment: Experiment, part: Part) -> Look | None:
    """The look that was counted when the run ended; nothing is written."""
    labels = labels_of(database, experiment.dataset_id, part)
    with database.read() as connection:
        return find_look(connection, experiment, labels)


def _counted(study: Study, labels: Labels) -> Look | None:
    """The look that is written: with it, since a snapshot of before does not show it."""
    checksum, experiment = study.dataset.checksum, study.experiment
    with study.database.writer() as writer, writer.write(_PATIENCE) as connection:
        add_look(connection, experiment, labels, checksum, time.time())
        return find_look(connection, experiment, labels)


def _not_ours(database: Database) -> str | None:
    """Why nothing is written to a database, where that is so."""
    path = database.path
    if path.stat().st_uid != os.geteuid():
        return f"{path} belongs to another user"
    return None if os.access(path, os.W_OK) else f"{path} may only be read"
