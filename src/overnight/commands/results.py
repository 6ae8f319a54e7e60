"""Results of one experiment, for `show`, `metrics`, `export` and for notebooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from overnight.commands.looks import look_at
from overnight.config import declared_answer, declared_split
from overnight.domain.agreement import Verdict
from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Counts, Experiment
from overnight.domain.narrative import LeftOut
from overnight.domain.result import Result
from overnight.errors import RefusedError, UsageError
from overnight.report.columns import Beside
from overnight.report.export import export as write_files
from overnight.report.metrics import Metrics, measure
from overnight.store.database import Database
from overnight.store.datasets import get_dataset, left_out
from overnight.store.experiments import counts, find_experiment
from overnight.store.open import connected, folder_of
from overnight.store.parts import WHOLE, Part, develop_part, test_part
from overnight.store.results import iterate_results, label_counts

Wrong = Literal["fp", "fn", "any"]
_WRONG: dict[Wrong, frozenset[Verdict]] = {
    "fp": frozenset({Verdict.FALSE_POSITIVE}),
    "fn": frozenset({Verdict.FALSE_NEGATIVE}),
    "any": frozenset({Verdict.FALSE_POSITIVE, Verdict.FALSE_NEGATIVE, Verdict.DIFFERENT}),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """An experiment in an open database, with the answer that it asks for."""

    database: Database
    experiment: Experiment
    spec: AnswerSpec

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns of the data file that stand beside its narratives."""
        return get_dataset(self.database, self.experiment.dataset_id).kept

    @property
    def beside(self) -> Beside:
        """What makes further columns of an export."""
        return Beside(self.kept, declared_split(self.experiment.stored_config) is not None)


@contextmanager
def opened(name: str, db: Path | str | None) -> Iterator[Opened]:
    """Find an experiment by id, beginning of an id, or `latest`."""
    with connected(db) as database:
        experiment = find_experiment(database, name)
        yield Opened(database, experiment, declared_answer(experiment.stored_config))


def refuse_repetition(experiment: Experiment, verb: str) -> None:
    """Refuse what can only be done with an experiment that asks for more than a sample."""
    if experiment.repeat_of is not None:
        raise RefusedError(
            f"{experiment.experiment_id[:8]} is a repetition, and asks for a sample only: "
            f"overnight {verb} {experiment.repeat_of[:8]}"
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """The answer that an experiment asks for, and what stands beside it."""

    spec: AnswerSpec
    beside: Beside


def declared(name: str = "latest", *, db: Path | str | None = None) -> Declared:
    """What makes the columns of an experiment's results."""
    with opened(name, db) as it:
        return Declared(it.spec, it.beside)


def results(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    with_text: bool = False,
    errors_only: bool = False,
    wrong: Wrong | None = None,
    part: Part | None = None,
) -> Iterator[Result]:
    """Every result of an experiment in dataset order, read as you go.

    With `wrong`, only wrong answers: false positives, false negatives, or any; none of the test
    part, unless that is the `part` given: then a look at it must be on record. Raises UsageError
    where there are no positives.
    """
    with opened(name, db) as it:
        primary = it.spec.primary_field
        if wrong in ("fp", "fn") and (primary is None or primary.type != "boolean"):
            raise UsageError("only answers of yes or no are false positives or negatives")
        yield from iterate_results(
            it.database,
            it.experiment.experiment_key,
            it.experiment.dataset_id,
            it.spec,
            with_text=with_text,
            errors_only=errors_only,
            part=part or (develop_part(it.database, it.experiment) if wrong else WHOLE),
            apart=test_part(it.database, it.experiment),
            wanted=_WRONG[wrong].__contains__ if wrong else None,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """An experiment's metrics, and how far it had come when they were taken."""

    experiment: Experiment
    counts: Counts
    metrics: Metrics


def metrics(
    name: str = "latest", *, db: Path | str | None = None, first: int | None = None
) -> Measured:
    """The metrics of an experiment as it stands, without the test part; it counts as a look.

    With `first`, of so many narratives only, and uncounted.
    """
    with opened(name, db) as it:
        part = develop_part(it.database, it.experiment)
        counted = label_counts(it.database, it.experiment.experiment_key, part, first=first)
        if first is None:
            look_at(it.database, it.experiment, part)
        return Measured(
            experiment=it.experiment,
            counts=counts(it.database, it.experiment),
            metrics=measure(counted, it.spec),
        )


def left_out_rows(name: str = "latest", *, db: Path | str | None = None) -> list[LeftOut]:
    """The rows of an experiment's data file that are no usable narratives, in file order."""
    with opened(name, db) as it:
        return list(left_out(it.database, it.experiment.dataset_id))


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that were written, and of how many results they are."""

    files: list[Path]
    counts: Counts


def export(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    formats: Sequence[str] = ("csv", "json"),
    out: Path | None = None,
    with_text: bool = False,
    on_rows: Callable[[int], None] | None = None,
) -> Exported:
    """Write an experiment's results to files; without `out` to exports/ID beside the database."""
    with opened(name, db) as it:
        key = it.experiment.experiment_key
        rows = iterate_results(
            it.database,
            key,
            it.experiment.dataset_id,
            it.spec,
            with_text=with_text,
            apart=test_part(it.database, it.experiment),
        )
        folder = out or folder_of(it.database, "exports", it.experiment.experiment_id)
        files = write_files(
            rows, it.spec, folder, formats, with_text=with_text, beside=it.beside, on_rows=on_rows
        )
        return Exported(files, counts(it.database, it.experiment))
