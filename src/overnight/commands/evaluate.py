"""`metrics`: every figure of an experiment, from one pass over its narratives."""

from dataclasses import dataclass
from pathlib import Path

from overnight.commands.results import Opened, opened
from overnight.domain.experiment import Counts, Experiment
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation import evaluate as figures_of
from overnight.report.metrics import Metrics, measure
from overnight.report.tally import tally
from overnight.store.experiments import counts
from overnight.store.results import iterate_judgements, label_counts
from overnight.store.samples import labelled_members, samples_of


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An experiment's figures, and how far it had come when they were taken.

    `n_unequal`: labelled narratives that were drawn with unequal probabilities.
    """

    experiment: Experiment
    counts: Counts
    metrics: Metrics
    evaluation: Evaluation
    n_unequal: int = 0


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
            n_unequal=_drawn_unequally(it),
        )


def _drawn_unequally(it: Opened) -> int:
    dataset = it.experiment.dataset_id
    unequal = {s.sample_id for s in samples_of(it.database, dataset) if s.design != "random"}
    labelled = labelled_members(it.database, dataset) if unequal else {}
    return sum(labelled[sample_id][1] for sample_id in unequal)
