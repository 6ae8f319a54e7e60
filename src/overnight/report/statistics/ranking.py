"""How well a score sorts yes from no: ROC AUC, average precision, the best threshold.

Everything is one pass over the distinct scores, from the highest down. Intervals come from the
derivative of each figure by the weight of each narrative (the infinitesimal jackknife, Jaeckel
1972), summed within cases.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from overnight.report.statistics.binary import figures
from overnight.report.statistics.estimate import Estimate, linearised, spread_of_sums, unmeasured


@dataclass(frozen=True, slots=True)
class Scored:
    """Narratives with a score (how much speaks for yes) and a label, those of a case together.

    `cases` numbers the case of each, never decreasing.
    """

    scores: Sequence[float]
    gold: Sequence[int]  # 1 or 0
    cases: Sequence[int]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Yes from this score up, chosen on the very narratives that it is measured on: optimistic."""

    threshold: float
    value: float  # of the figure that was maximised
    recall: float
    specificity: float
    precision: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a score is worth whatever the threshold; None where one of the two labels is missing."""

    auc: Estimate
    average_precision: Estimate
    best_f1: Threshold | None
    best_balanced_accuracy: Threshold | None


@dataclass(frozen=True, slots=True)
class _Steps:
    """For each distinct score, lowest first: how many labelled yes and no have it."""

    scores: Sequence[float]
    yes: Sequence[int]
    no: Sequence[int]


def rank(scored: Scored) -> Ranking:
    """AUC (ties count half: Mann-Whitney), average precision, and the best thresholds."""
    steps = _steps(scored)
    n, n_yes, n_no = len(scored.scores), sum(steps.yes), sum(steps.no)
    if not n_yes or not n_no:
        nothing = unmeasured(None, n)
        return Ranking(nothing, nothing, None, None)
    return Ranking(
        auc=_estimate(scored, steps, *_auc(steps, n_yes, n_no)),
        average_precision=_estimate(scored, steps, *_average_precision(steps, n_yes)),
        best_f1=_best(steps, n_yes, n_no, 5),
        best_balanced_accuracy=_best(steps, n_yes, n_no, 1),
    )


def _steps(scored: Scored) -> _Steps:
    distinct = array("d", sorted(set(scored.scores)))
    yes, no = array("q", bytes(8 * len(distinct))), array("q", bytes(8 * len(distinct)))
    for score, gold in zip(scored.scores, scored.gold, strict=True):
        (yes if gold else no)[bisect_left(distinct, score)] += 1
    return _Steps(distinct, yes, no)


def _auc(steps: _Steps, n_yes: int, n_no: int) -> tuple[float, Sequence[float], Sequence[float]]:
    """The figure, and what one more yes, or one more no, at each score would add to it.

    These are DeLong's components (DeLong, DeLong and Clarke-Pearson 1988); summed by case they
    give the variance of Obuchowski (1997).
    """
    below_no = _midranks(steps.no)
    above_yes = array("d", (n_yes - below for below in _midranks(steps.yes)))
    auc = sum(y * below for y, below in zip(steps.yes, below_no, strict=True)) / (n_yes * n_no)
    return (
        auc,
        array("d", ((below / n_no - auc) / n_yes for below in below_no)),
        array("d", ((above / n_yes - auc) / n_no for above in above_yes)),
    )


def _midranks(counts: Sequence[int]) -> Sequence[float]:
    """How many lie below each score, those at the score counting half."""
    return array("d", (upto - n / 2 for upto, n in zip(accumulate(counts), counts, strict=True)))


def _average_precision(steps: _Steps, n_yes: int) -> tuple[float, Sequence[float], Sequence[float]]:
    """Mean precision over the labelled yes, each at its own score; likewise its derivatives."""
    top = len(steps.scores)
    value, tp, fp = 0.0, 0, 0
    precision, gain, loss = (array("d", bytes(8 * top)) for _ in range(3))
    for i in range(top - 1, -1, -1):
        yes, no = steps.yes[i], steps.no[i]
        tp, fp = tp + yes, fp + no
        precision[i] = tp / (tp + fp)
        value += yes * precision[i] / n_yes
        gain[i] = yes * fp / (tp + fp) ** 2 / n_yes
        loss[i] = yes * tp / (tp + fp) ** 2 / n_yes
    # A narrative weighs on the precision at its own score and at every lower one.
    gained, lost = array("d", accumulate(gain)), array("d", accumulate(loss))
    of_yes = ((p - value) / n_yes + g for p, g in zip(precision, gained, strict=True))
    return value, array("d", of_yes), array("d", (-one for one in lost))


def _estimate(
    scored: Scored, steps: _Steps, value: float, of_yes: Sequence[float], of_no: Sequence[float]
) -> Estimate:
    influences = (
        (of_yes if gold else of_no)[bisect_left(steps.scores, score)]
        for score, gold in zip(scored.scores, scored.gold, strict=True)
    )
    variance = spread_of_sums(sums_by_case(scored.cases, influences))
    return linearised(value, variance, len(scored.scores), logit=True)


def sums_by_case(cases: Sequence[int], influences: Iterable[float]) -> Counter[float]:
    """How many cases have each sum of influences; `cases` never decreases."""
    return Counter(_sums(cases, influences))


def _sums(cases: Sequence[int], influences: Iterable[float]) -> Iterator[float]:
    current, total = None, 0.0
    for case, influence in zip(cases, influences, strict=True):
        if case != current and current is not None:
            yield total
            total = 0.0
        current = case
        total += influence
    if current is not None:
        yield total


def _best(steps: _Steps, n_yes: int, n_no: int, which: int) -> Threshold | None:
    """The threshold with the highest of FIGURES[which]; of equals the highest threshold."""
    best: Threshold | None = None
    tp = fp = 0
    for i in range(len(steps.scores) - 1, -1, -1):
        tp, fp = tp + steps.yes[i], fp + steps.no[i]
        values = figures((tp, n_no - fp, fp, n_yes - tp))
        value = values[which]
        if value is not None and (best is None or value > best.value):
            best = Threshold(
                threshold=steps.scores[i],
                value=value,
                recall=tp / n_yes,
                specificity=1 - fp / n_no,
                precision=tp / (tp + fp),
            )
    return best
