"""`prevalence`: the share of yes in truth, from the answers and the labels."""

from dataclasses import dataclass
from pathlib import Path

from overnight.commands.results import opened
from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.experiment import Counts, Experiment
from overnight.domain.split import Split
from overnight.errors import UsageError
from overnight.report.shares import Shares, shares
from overnight.report.statistics.prevalence import Labels
from overnight.report.tally import tally
from overnight.store.experiments import counts
from overnight.store.parts import develop_part
from overnight.store.results import iterate_judgements


@dataclass(frozen=True, slots=True)
class Estimated:
    """The estimates, and how far the experiment had come when they were made."""

    experiment: Experiment
    counts: Counts
    shares: Shares
    split: Split | None  # whose labels are not used


def prevalence(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    labels: Labels = "unknown",
    of: str | None = None,
) -> Estimated:
    """Estimate the share of yes, or of the value `of` of an enum.

    Raises UsageError where the primary field is neither, or `of` none of its values.
    """
    with opened(name, db) as it:
        value = _value(it.spec.primary_field, of)
        part = develop_part(it.database, it.experiment)
        judged = iterate_judgements(it.database, it.experiment, labelled=part)
        seen = tally(judged, it.spec.primary_field)
        return Estimated(
            experiment=it.experiment,
            counts=counts(it.database, it.experiment),
            shares=shares(seen, labels, value),
            split=part.split,
        )


def _value(primary: AnswerField | None, of: str | None) -> str | None:
    if primary is not None and primary.type == "boolean" and of is None:
        return None
    if primary is None or primary.type != "enum":
        raise UsageError("a share can be estimated of yes, or with --of of the value of an enum")
    known = {str(comparable(primary, value)): value for value in primary.values}
    value = None if of is None else str(comparable(primary, of))
    if value not in known:
        raise UsageError(f"--of takes one of: {', '.join(known.values())}")
    return value
