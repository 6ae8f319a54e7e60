"""`status`: one experiment in detail."""

from pathlib import Path

from overnight.store.study import open_study
from overnight.views import StatusView, view_status


def status(name: str = "latest", *, db: Path | str | None = None) -> StatusView:
    """What can be said of an experiment right now, by id, beginning of an id, or `latest`."""
    with open_study(name, db) as study, study.snapshot():
        return view_status(study.database, study.experiment)
