"""`list`: what there is."""

from collections.abc import Sequence
from pathlib import Path

from overnight.domain.experiment import Status
from overnight.errors import UsageError
from overnight.store.experiments import list_experiments
from overnight.store.open import connected
from overnight.views import ExperimentView, view_experiment


def list_(
    *, db: Path | str | None = None, statuses: Sequence[str] = (), limit: int = -1
) -> list[ExperimentView]:
    """Experiments, newest first; only those with one of `statuses`, where any is given."""
    known = [str(status) for status in Status]
    for status in statuses:
        if status not in known:
            raise UsageError(f"no status is called {status!r}; there are {', '.join(known)}")
    with connected(db) as database:
        return [
            view_experiment(database, experiment)
            for experiment in list_experiments(database, statuses, limit=limit)
        ]
