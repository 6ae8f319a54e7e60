"""Yes and no against yes and no: everything that follows from four counts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "kappa",
    "mcc",
)
TP, TN, FP, FN = range(4)  # the cells, as profiles number them


@dataclass(frozen=True, slots=True)
class Confusion:
    """Answers against labels, where both are yes or no."""

    tp: int
    tn: int
    fp: int
    fn: int

    @property
    def n(self) -> int:
        """All that was compared."""
        return self.tp + self.tn + self.fp + self.fn


def cell(gold: bool, said: bool) -> int:
    """Which of the four cells an answer falls into."""
    if gold:
        return TP if said else FN
    return FP if said else TN


def ratio(above: float, below: float) -> float | None:
    """A quotient, or None where there is nothing to divide by."""
    return above / below if below else None


def figures(counts: Sequence[float]) -> tuple[float | None, ...]:
    """The FIGURES, in their order, of (tp, tn, fp, fn); None where a denominator is zero."""
    tp, tn, fp, fn = counts
    n = tp + tn + fp + fn
    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    balanced = None if recall is None or specificity is None else (recall + specificity) / 2
    return (
        ratio(tp + tn, n),
        balanced,
        ratio(tp, tp + fp),
        recall,
        specificity,
        ratio(2 * tp, 2 * tp + fp + fn),
        kappa(counts),
        mcc(counts),
    )


def kappa(counts: Sequence[float]) -> float | None:
    """Cohen's kappa (1960): agreement beyond what the margins alone would give."""
    tp, tn, fp, fn = counts
    # (observed - expected) / (1 - expected), with both multiplied by n squared.
    crossed = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
    return ratio(2 * (tp * tn - fp * fn), crossed)


def mcc(counts: Sequence[float]) -> float | None:
    """Matthews' correlation (1975), the phi of the table; None where a margin is empty."""
    tp, tn, fp, fn = counts
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(margins) if margins else None


def parts(confusion: Confusion) -> Mapping[str, tuple[int, int]]:
    """The figures that are proportions, as (k, n): those that have a Wilson interval."""
    c = confusion
    return {
        "accuracy": (c.tp + c.tn, c.n),
        "precision": (c.tp, c.tp + c.fp),
        "recall": (c.tp, c.tp + c.fn),
        "specificity": (c.tn, c.tn + c.fp),
    }


def with_errors(
    confusion: Confusion, gold_yes: int, gold_no: int
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """The FIGURES if every error had been wrong, and if every one had been right.

    `gold_yes` and `gold_no` count the labelled narratives that have no answer. What failed is not
    missing at random (long, garbled, gruesome narratives fail), so these are the honest ends.
    """
    c = confusion
    wrong = (c.tp, c.tn, c.fp + gold_no, c.fn + gold_yes)
    right = (c.tp + gold_yes, c.tn + gold_no, c.fp, c.fn)
    return figures(wrong), figures(right)
