"""`status`: one experiment in detail."""

from pathlib import Path

from overnight.store.experiments import find_experiment
from overnight.store.open import connected
from overnight.views import StatusView, view_status


def status(name: str = "latest", *, db: Path | str | None = None) -> StatusView:
    """What can be said of an experiment right now, by id, beginning of an id, or `latest`."""
    with connected(db) as database:
        return view_status(database, find_experiment(database, name))
