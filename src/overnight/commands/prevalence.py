"""`prevalence`: the share of yes in truth, from the answers and the labels."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from overnight.commands.columns import Grouping, column_of, grouping
from overnight.commands.results import refuse_repetition
from overnight.config.models import LabelsSection
from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.experiment import Counts, Experiment
from overnight.domain.split import Split
from overnight.errors import UsageError
from overnight.report.drawn import Samples
from overnight.report.shares import Shares, shares
from overnight.report.statistics.prevalence import Labels
from overnight.report.tally import tallies, tally
from overnight.store.experiments import counts
from overnight.store.labels import first_labels
from overnight.store.parts import develop_part
from overnight.store.results import iterate_judgements
from overnight.store.samples import members_of, samples_of
from overnight.store.study import Study, open_study


@dataclass(frozen=True, slots=True)
class Estimated:
    """The estimates, and how far the experiment had come when they were made."""

    experiment: Experiment
    counts: Counts
    shares: Shares
    by: Grouping | None  # of the kept column that was asked for
    split: Split | None  # the labels of its test part are used only where samples were drawn

    @property
    def is_drawn(self) -> bool:
        """Whether the estimates rest on samples that were drawn to be labelled."""
        return self.shares.labels == "drawn"


def prevalence(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    labels: Labels | None = None,
    of: str | None = None,
    by: str | None = None,
) -> Estimated:
    """Estimate the share of yes, or of the value `of` of an enum.

    How the labelled were chosen: as `labels` says, else as samples that were drawn and labelled
    have it, else as the experiment file says. With `by`, also for each value of a kept column.
    Raises UsageError where the primary field is neither, `of` none of its values, or `by` no
    column.
    """
    with open_study(name, db) as study, study.snapshot():
        return estimate_study(study, labels=labels, of=of, by=by)


def estimate_study(
    study: Study, *, labels: Labels | None = None, of: str | None = None, by: str | None = None
) -> Estimated:
    """As `prevalence`, within a snapshot."""
    refuse_repetition(study.experiment, "prevalence")
    primary, value = _primary(study.spec.primary_field, of)
    part = develop_part(study.database, study.experiment)
    groups = None if by is None else grouping(study, column_of(study.kept, by))
    column, values = (groups.column, groups.values) if groups else (None, ())
    judged = partial(iterate_judgements, study.database, study.experiment, kept=column)
    samples = _samples(study) if labels in (None, "drawn") else None
    if labels == "drawn" and samples is None:
        raise UsageError("no sample was drawn to be labelled: overnight sample ID --n 300")
    if samples is not None:
        # All labels: the draw was from all narratives, and only its whole speaks for them.
        seen = tally(samples.noting(judged(), primary, value, values), primary)
        if labels is None and not any(one.n_labelled for one in samples.used):
            samples = None
    if samples is None:
        judged = partial(judged, labelled=part)
        seen = tally(judged(), primary)
    if labels is None:
        labels = "drawn" if samples else _declared(study.experiment)
    by_value = tallies(judged(), primary, values) if groups else {}
    return Estimated(
        experiment=study.experiment,
        counts=counts(study.database, study.experiment),
        shares=shares(seen, labels, value, samples, by_value),
        by=groups,
        split=part.split,
    )


def _samples(study: Study) -> Samples | None:
    """What was drawn for people to label; None where nothing was."""
    experiment, dataset = study.experiment, study.experiment.dataset_id
    found = samples_of(study.database, dataset)
    if not found:
        return None
    return Samples(
        found,
        members_of(study.database, dataset),
        first_labels(study.database, dataset),
        n_total=experiment.n_total,
        order=experiment.order,
        size=study.dataset.n_narratives,
    )


def _declared(experiment: Experiment) -> Labels:
    """What the experiment file says of the labels that came with the data."""
    data = experiment.stored_config.get("data") or {}
    return LabelsSection.model_validate(data.get("labels") or {}).design


def _primary(primary: AnswerField | None, of: str | None) -> tuple[AnswerField, str | None]:
    """The primary field, and the class that is meant as it is compared; None for yes."""
    if primary is not None and primary.type == "boolean" and of is None:
        return primary, None
    if primary is None or primary.type != "enum":
        raise UsageError("a share can be estimated of yes, or with --of of the value of an enum")
    known = {str(comparable(primary, value)): value for value in primary.values}
    value = None if of is None else str(comparable(primary, of))
    if value not in known:
        raise UsageError(f"--of takes one of: {', '.join(known.values())}")
    return primary, value
