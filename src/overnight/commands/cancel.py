"""`cancel`: stop an experiment, wherever its owner runs."""

import getpass
import socket
import time
from pathlib import Path

from overnight.domain.experiment import Experiment, Status
from overnight.errors import RefusedError
from overnight.events import Handler, Said
from overnight.session import cancel_crashed
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.experiments import find_experiment, get_experiment
from overnight.store.open import connected
from overnight.store.sessions import ask_to_stop
from overnight.views import ExperimentView, view_experiment

_LOOK_EVERY = 0.2  # seconds
_PATIENT_FOR = 30.0  # seconds until somebody who waits is told why it takes so long


def cancel(
    name: str, *, db: Path | str | None = None, wait: bool = True, handler: Handler
) -> ExperimentView:
    """Ask the owner to finish the calls that are in flight and stop, and wait until it has.

    A crashed experiment becomes cancelled at once. Raises RefusedError for one that nobody works
    on, and for one that was completed before its owner saw the request.
    """
    with connected(db, writes=handler) as database:
        experiment = find_experiment(database, name)
        reason = f"cancelled by {_who()}"
        if not _may_run(database, experiment):
            raise RefusedError(_nothing_to_cancel(experiment))
        if _ask(database, experiment, reason) and wait:
            _wait(database, experiment, reason, handler)
        return view_experiment(database, get_experiment(database, experiment.experiment_key))


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = "somebody"
    return f"{user} on {socket.gethostname()}"


def _may_run(database: Database, experiment: Experiment) -> bool:
    """Whether it runs, or somebody has taken it and is about to go on with it."""
    is_taken = lock.is_held(database.path, experiment.experiment_key)
    return experiment.status is Status.RUNNING or is_taken


def _nothing_to_cancel(experiment: Experiment) -> str:
    return (
        f"{experiment.experiment_id} ({experiment.name}) is {experiment.status}; there is nothing "
        "to cancel"
    )


def _ask(database: Database, experiment: Experiment, reason: str) -> bool:
    """Cancel what has crashed, ask who works on it; whether somebody was asked."""
    key = experiment.experiment_key
    while True:
        if cancel_crashed(database, experiment, reason):
            return False
        with database.write() as connection:
            if ask_to_stop(connection, key, reason.removeprefix("cancelled by "), time.time()):
                return True
        if not _may_run(database, now := get_experiment(database, key)):
            raise RefusedError(_nothing_to_cancel(now))
        time.sleep(_LOOK_EVERY)  # its owner has the lock and is about to open its session


def _wait(database: Database, experiment: Experiment, reason: str, say: Handler) -> None:
    """Until the owner has stopped; one that dies meanwhile leaves a crashed experiment."""
    key, began, told = experiment.experiment_key, time.monotonic(), False
    say(Said("asked to stop; waiting for the calls that are in flight"))
    while lock.is_held(database.path, key):
        if not told and time.monotonic() - began > _PATIENT_FOR:
            owner = view_experiment(database, experiment).owner
            who = f"process {owner.pid} on {owner.host}" if owner else "its owner"
            say(Said(f"{who} does not react; it may be stopped. Still waiting", warning=True))
            told = True
        time.sleep(_LOOK_EVERY)
    ended = get_experiment(database, key)
    if ended.status is Status.RUNNING:
        cancel_crashed(database, experiment, reason)
    elif ended.status is not Status.CANCELLED:
        raise RefusedError(f"it was {ended.status} before it could be cancelled")
