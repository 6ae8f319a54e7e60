"""`metrics`: every figure of an experiment, from one pass over its narratives."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from overnight.commands.columns import Grouping, column_of, grouping
from overnight.commands.looks import Looked, look_at
from overnight.commands.retest import retest_of
from overnight.domain.experiment import Counts, Experiment
from overnight.domain.split import Split
from overnight.errors import RefusedError, UsageError
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation import evaluate as figures_of
from overnight.report.metrics import Metrics, measure
from overnight.report.repeats import Retest
from overnight.report.tally import tallies, tally
from overnight.store.experiments import counts
from overnight.store.kept import label_counts_by
from overnight.store.parts import Part, answered, develop_part, test_part
from overnight.store.results import iterate_judgements, label_counts
from overnight.store.samples import DrawnLabels, drawn_labels
from overnight.store.study import Study, open_study


class Figures(NamedTuple):
    """What some results are worth: counted, and measured against the labels."""

    metrics: Metrics
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Figures for each of the values of a kept column."""

    grouping: Grouping
    groups: Mapping[str | None, Figures]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An experiment's figures, and how far it had come when they were taken.

    `part` says of which narratives: all, develop (what `split` does not set apart) or test.
    `drawn`: how those of them came to their labels that have one.
    """

    experiment: Experiment
    counts: Counts
    metrics: Metrics
    evaluation: Evaluation
    part: str
    split: Split | None
    looked: Looked
    drawn: DrawnLabels
    by: Breakdown | None = None
    retest: Retest | None = None  # where it was repeated; never of the test part


def evaluate(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    by: str | None = None,
    final: bool = False,
) -> Evaluated:
    """All figures of an experiment as it stands; with `by`, also for each value of a kept column.

    Of the test part only with `final`, and then of nothing else: that is put on record first.
    Raises RefusedError where that cannot be, UsageError for an unknown column or no test part.
    """
    with open_study(name, db) as study, study.snapshot():
        return evaluate_study(study, by=by, final=final)


def evaluate_study(study: Study, *, by: str | None = None, final: bool = False) -> Evaluated:
    """As `evaluate`, within a snapshot."""
    database, experiment = study.database, study.experiment
    part = _final_part(study) if final else develop_part(database, experiment)
    column = None if by is None else column_of(study.kept, by)
    looked = _on_record(study, part) if final else None
    counted = label_counts(database, experiment.experiment_key, part)
    seen = tally(iterate_judgements(database, experiment, part), study.spec.primary_field)
    metrics = measure(counted, study.spec)
    return Evaluated(
        experiment=experiment,
        counts=counts(database, experiment),
        metrics=metrics,
        evaluation=figures_of(seen),
        drawn=_drawn(study, part, metrics),
        part=part.name,
        split=part.split,
        by=None if column is None else _breakdown(study, part, column),
        looked=looked or look_at(study, part),
        retest=None if final else retest_of(study),
    )


def _drawn(study: Study, part: Part, metrics: Metrics) -> DrawnLabels:
    """How the measured narratives came to their labels: those of samples, and all others."""
    drawn = drawn_labels(
        study.database, study.experiment.dataset_id, answered(study.experiment, part)
    )
    if not drawn.samples:
        return drawn
    # Counted here: only a label that can be compared is one, and the store does not know which.
    others = max(metrics.overall.labelled - drawn.n_labelled, 0)
    return dataclasses.replace(drawn, n_other=others)


def _final_part(study: Study) -> Part:
    part = test_part(study.database, study.experiment)
    if part is None:
        raise UsageError(
            f"nothing is set apart as a test part in {study.experiment.experiment_id[:8]} "
            f"({study.experiment.name}): data.split in the experiment file does it, and "
            "overnight run CONFIG takes it over without a call. If another experiment is meant, "
            "name it; overnight list shows them all"
        )
    stands = counts(study.database, study.experiment)
    if stands.remaining:
        short = study.experiment.experiment_id[:8]
        raise RefusedError(
            f"{stands.remaining:,} narratives have no result yet: the test part is for the end. "
            f"First: overnight resume {short}"
        )
    return part


def _on_record(study: Study, part: Part) -> Looked:
    """The look at the test part, written before anything of it is seen."""
    looked = look_at(study, part)
    if looked.uncounted:
        raise RefusedError(
            "a look at the test part is put on record first, and that cannot be done here: "
            f"{looked.uncounted}"
        )
    if looked.look is None:
        raise UsageError("no narrative of the test part has a label: nothing can be measured on it")
    return looked


def _breakdown(study: Study, part: Part, column: str) -> Breakdown:
    experiment, primary = study.experiment, study.spec.primary_field
    by = grouping(study, column, part)
    counted = label_counts_by(study.database, experiment.experiment_key, part, column, by.values)
    judged = iterate_judgements(study.database, experiment, part, kept=column)
    seen = tallies(judged, primary, by.values)
    return Breakdown(
        grouping=by,
        groups={
            value: Figures(measure(counted[value], study.spec), figures_of(seen[value]))
            for value in by.values
        },
    )
