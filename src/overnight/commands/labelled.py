"""What reading labels in comes to, from a sheet or from another version of the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from overnight.config.declared import declared_answer
from overnight.domain.answer import AnswerField
from overnight.domain.experiment import Experiment, Status
from overnight.errors import UsageError
from overnight.session import metric_columns
from overnight.store.database import Database
from overnight.store.experiments import list_experiments, update_experiment

NAMED = 20  # problems, or narratives, that are listed at the most
NOTHING = "nothing was recorded"
ANOTHER = "another label is on record"
DISAGREE = "--skip-invalid skips what is wrong, not what disagrees: take that out, or "
_FIRST = 5  # of the rows with the same problem
_LONGEST = 40  # characters of a label; what is longer may be a narrative, and is not repeated


@dataclass(frozen=True, slots=True)
class Labelled:
    """What became of labels.

    `new` labels were recorded, `replaced` of them in the place of another; `same` were on record
    already, `blank` rows have none yet; `n_invalid` were passed over, `invalid` says why.
    `samples`: how many of each are drawn and labelled. `measured`: completed experiments whose
    figures were taken anew.
    """

    experiment: Experiment
    by: str
    new: int
    replaced: int
    same: int
    blank: int
    n_invalid: int
    invalid: Sequence[str]
    samples: Mapping[int, tuple[int, int]]
    measured: Sequence[Experiment]


class InTheWay(NamedTuple):
    """Something that cannot be recorded: where it stands, and why not.

    `key` says more of the place, where it stands alone.
    """

    place: str
    problem: str
    key: str | None = None


def told(found: Iterable[InTheWay], what: str = "row", *, first: int = _FIRST) -> list[str]:
    """Each problem once, with how many rows (or what else) have it, and which the `first` are."""
    alike: dict[str, list[InTheWay]] = {}
    for one in found:
        alike.setdefault(one.problem, []).append(one)
    return [f"{_where(those, what, first)}: {problem}" for problem, those in alike.items()]


def _where(alike: Sequence[InTheWay], what: str, first: int) -> str:
    place, _, key = alike[0]
    if len(alike) == 1:
        return f"{what} {place} ({key})" if key else f"{what} {place}"
    places = (", " if key else "; ").join(one.place for one in alike[:first])
    n_more = len(alike) - first
    return f"{len(alike):,} {what}s ({places}{f' and {n_more:,} more' if n_more > 0 else ''})"


def listed(heading: str, n: int, problems: Sequence[str], advice: str, what: str = "row") -> str:
    """A refusal: what is in the way of `n` rows, as far as there is room, and what to do."""
    shown = "".join(f"\n  {one}" for one in problems[:NAMED])
    n_more = len(problems) - NAMED
    more = f"\n  and {n_more:,} more problems" if n_more > 0 else ""
    whats = f"{n:,} {what}s are" if n > 1 else f"1 {what} is"
    return f"{heading}: {whats} in the way:{shown}{more}\n{advice}"


def quoted(label: str) -> str:
    """A label that somebody wrote, as far as it can be repeated."""
    return repr(label) if len(label) <= _LONGEST else f"of {len(label):,} characters"


def primary_to_label(experiment: Experiment) -> AnswerField:
    """The field of the answer that labels are of. Raises UsageError where there is none."""
    primary = declared_answer(experiment.stored_config).primary_field
    if primary is None:
        raise UsageError("the answer of this experiment has no primary field to be labelled")
    return primary


def measure_anew(database: Database, dataset_id: int) -> list[Experiment]:
    """Take the figures anew that completed experiments over these narratives keep."""
    measured = []
    for experiment in list_experiments(database, [Status.COMPLETED]):  # others: at their end
        if experiment.dataset_id != dataset_id:
            continue
        key, spec = experiment.experiment_key, declared_answer(experiment.stored_config)
        columns = metric_columns(database, experiment, spec)
        with database.write() as connection:
            update_experiment(connection, key, columns)
        measured.append(experiment)
    return measured
