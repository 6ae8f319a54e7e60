"""What is known of some narratives, or cases: the figures of one column of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from overnight.report.statistics.amounts import Amounts
from overnight.report.statistics.binary import Confusion
from overnight.report.statistics.calibration import Calibration
from overnight.report.statistics.classes import Classes
from overnight.report.statistics.estimate import Estimate
from overnight.report.statistics.ranking import Ranking

FEW = 80  # with fewer, the intervals of AUC were seen to miss too often: tests/chaos/coverage.py


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and what it were if every error row had been wrong, or right.

    `by_case`: of a proportion, the interval with cases resampled, where cases have several
    narratives; Wilson's takes them as independent.
    """

    estimate: Estimate
    if_errors_wrong: float | None = None
    if_errors_right: float | None = None
    by_case: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What is known of some narratives, or of the cases under a rule.

    `n` is all of them, `measured` those with label and answer; `failed` those with a label that
    were asked and gave no answer: on them the bounds rest.
    """

    n: int
    measured: int
    failed: int
    figures: Mapping[str, Figure] = field(default_factory=dict)
    confusion: Confusion | None = None
    ranking: Ranking | None = None
    calibration: Calibration | None = None
    classes: Classes | None = None
    amounts: Amounts | None = None

    @property
    def few(self) -> tuple[int, str] | None:
        """How many have the rarer label, and which, where these are too few for good intervals."""
        if self.confusion is None:
            return None
        yes = self.confusion.tp + self.confusion.fn
        rarer = min((yes, "yes"), (self.measured - yes, "no"))
        return rarer if 0 < rarer[0] < FEW else None
