"""`retry`: ask again for narratives whose result is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overnight.commands.resume import AS_IT_WAS, RETRIED, Changes, resumed_config
from overnight.commands.stint import RunResult, carry_out
from overnight.domain.experiment import Experiment
from overnight.domain.outcome import ErrorCategory
from overnight.errors import UsageError
from overnight.events import Handler
from overnight.session import Opening
from overnight.stop import StopRequest, signals
from overnight.store.experiments import find_experiment
from overnight.store.open import connected
from overnight.store.summary import summarize


@dataclass(frozen=True, slots=True)
class Retry:
    """What there was to retry, and how it ended; `result` is None if no call was made."""

    experiment: Experiment
    errors: Mapping[str, int]  # results by category, all of them, before the retry
    chosen: tuple[str, ...]
    result: RunResult | None = None

    @property
    def n_chosen(self) -> int:
        """Errors of the chosen categories."""
        return sum(self.errors.get(category, 0) for category in self.chosen)


def retry(
    name: str,
    *,
    categories: Sequence[str] = (),
    dry_run: bool = False,
    db: Path | str | None = None,
    changes: Changes = AS_IT_WAS,
    handler: Handler,
    stop: StopRequest | None = None,
) -> Retry:
    """Call again for error results of these categories; a result stays until its new one is there.

    With nothing to retry, or as a `dry_run`, nothing is changed.
    """
    stop = stop or StopRequest()
    chosen = _known(categories) or RETRIED
    with signals(stop), connected(db, changes.config_file, writes=handler) as database:
        experiment = find_experiment(database, name)
        found = Retry(experiment, summarize(database, experiment.experiment_key).errors, chosen)
        if dry_run or not found.n_chosen:
            return found
        opening = Opening(
            resumed_config(database, experiment, changes, handler),
            kind="retry",
            retry=chosen,
            use_stored_data=changes.use_stored_data,
            backup=changes.backup,
        )
        result = carry_out(database, experiment, opening, handler=handler, stop=stop)
        return Retry(experiment, found.errors, chosen, result)


def _known(categories: Sequence[str]) -> tuple[str, ...]:
    known = [str(category) for category in ErrorCategory]
    for category in categories:
        if category not in known:
            raise UsageError(f"no category is called {category!r}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(categories))
