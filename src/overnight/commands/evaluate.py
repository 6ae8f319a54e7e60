"""`metrics`: every figure of an experiment, from one pass over its narratives."""

from dataclasses import dataclass
from pathlib import Path

from overnight.commands.results import opened
from overnight.commands.retest import retest_of
from overnight.domain.experiment import Counts, Experiment
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation import evaluate as figures_of
from overnight.report.metrics import Metrics, measure
from overnight.report.repeats import Retest
from overnight.report.tally import tally
from overnight.store.experiments import counts
from overnight.store.results import iterate_judgements, label_counts


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An experiment's figures, and how far it had come when they were taken."""

    experiment: Experiment
    counts: Counts
    metrics: Metrics
    evaluation: Evaluation
    retest: Retest | None = None  # where it was repeated


def evaluate(name: str = "latest", *, db: Path | str | None = None) -> Evaluated:
    """All figures of an experiment as it stands."""
    with opened(name, db) as it:
        counted = label_counts(it.database, it.experiment.experiment_key)
        seen = tally(iterate_judgements(it.database, it.experiment), it.spec.primary_field)
        return Evaluated(
            experiment=it.experiment,
            counts=counts(it.database, it.experiment),
            metrics=measure(counted, it.spec),
            evaluation=figures_of(seen),
            retest=retest_of(it.database, it.experiment),
        )
