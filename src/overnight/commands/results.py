"""Results of one experiment, for `show`, `metrics`, `export` and for notebooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from overnight.commands.looks import look_at
from overnight.config.declared import declared_split
from overnight.domain.agreement import Verdict
from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Counts, Experiment
from overnight.domain.narrative import LeftOut
from overnight.domain.result import Result
from overnight.errors import RefusedError, UsageError
from overnight.report.columns import Beside
from overnight.report.export import export as write_files
from overnight.report.metrics import Metrics, measure
from overnight.store.datasets import left_out
from overnight.store.experiments import counts
from overnight.store.open import folder_of
from overnight.store.parts import WHOLE, Part, develop_part, test_part
from overnight.store.results import iterate_results, label_counts
from overnight.store.study import Study, open_study

Wrong = Literal["fp", "fn", "any"]
_WRONG: dict[Wrong, frozenset[Verdict]] = {
    "fp": frozenset({Verdict.FALSE_POSITIVE}),
    "fn": frozenset({Verdict.FALSE_NEGATIVE}),
    "any": frozenset({Verdict.FALSE_POSITIVE, Verdict.FALSE_NEGATIVE, Verdict.DIFFERENT}),
}


def refuse_repetition(experiment: Experiment, verb: str) -> None:
    """Refuse what can only be done with an experiment that asks for more than a sample."""
    if experiment.repeat_of is not None:
        raise RefusedError(
            f"{experiment.experiment_id[:8]} is a repetition, and asks for a sample only: "
            f"overnight {verb} {experiment.repeat_of[:8]}"
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """Results, read as you go, and what makes their columns."""

    rows: Iterator[Result]
    spec: AnswerSpec
    beside: Beside

    def __iter__(self) -> Iterator[Result]:
        return self.rows


@contextmanager
def answers(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    with_text: bool = False,
    errors_only: bool = False,
    wrong: Wrong | None = None,
) -> Iterator[Answers]:
    """Every result of an experiment in dataset order, for as long as it is used.

    With `wrong`, only wrong answers: false positives, false negatives, or any; none of the test
    part. Raises UsageError where there are no positives.
    """
    with open_study(name, db) as study:
        rows = answers_of(study, with_text=with_text, errors_only=errors_only, wrong=wrong)
        yield Answers(rows, study.spec, _beside(study))


def results(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    with_text: bool = False,
    errors_only: bool = False,
    wrong: Wrong | None = None,
) -> Iterator[Result]:
    """The same results (see `answers`), read from the database that is open meanwhile."""
    with answers(name, db=db, with_text=with_text, errors_only=errors_only, wrong=wrong) as found:
        yield from found


def answers_of(
    study: Study,
    *,
    with_text: bool = False,
    errors_only: bool = False,
    wrong: Wrong | None = None,
    part: Part | None = None,
) -> Iterator[Result]:
    """As `answers`; of the test part where that is the `part`: then a look at it is on record."""
    primary = study.spec.primary_field
    if wrong in ("fp", "fn") and (primary is None or primary.type != "boolean"):
        raise UsageError("only answers of yes or no are false positives or negatives")
    database, experiment = study.database, study.experiment
    return iterate_results(
        database,
        experiment.experiment_key,
        experiment.dataset_id,
        study.spec,
        with_text=with_text,
        errors_only=errors_only,
        part=part or (develop_part(database, experiment) if wrong else WHOLE),
        apart=test_part(database, experiment),
        wanted=_WRONG[wrong].__contains__ if wrong else None,
    )


def _beside(study: Study) -> Beside:
    """What makes further columns of an export."""
    return Beside(study.kept, declared_split(study.experiment.stored_config) is not None)


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
    with open_study(name, db) as study, study.snapshot():
        database, experiment = study.database, study.experiment
        part = develop_part(database, experiment)
        counted = label_counts(database, experiment.experiment_key, part, first=first)
        if first is None:
            look_at(study, part)
        return Measured(experiment, counts(database, experiment), measure(counted, study.spec))


def left_out_rows(name: str = "latest", *, db: Path | str | None = None) -> list[LeftOut]:
    """The rows of an experiment's data file that are no usable narratives, in file order."""
    with open_study(name, db) as study:
        return list(left_out(study.database, study.experiment.dataset_id))


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
    with open_study(name, db) as study:
        experiment = study.experiment
        files = write_files(
            answers_of(study, with_text=with_text),
            study.spec,
            out or folder_of(study.database, "exports", experiment.experiment_id),
            formats,
            with_text=with_text,
            beside=_beside(study),
            on_rows=on_rows,
        )
        return Exported(files, counts(study.database, experiment))
