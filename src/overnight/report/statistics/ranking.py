"""How well a score sorts yes from no: ROC AUC, average precision, the best threshold.

Everything is one pass over the distinct scores, from the highest down. Intervals come from the
derivative of each figure by the weight of each narrative (the infinitesimal jackknife, Jaeckel
1972), summed within cases.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from operator import itemgetter

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
    optimistic: bool = True  # always; whoever reads the numbers alone must see it


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a score is worth whatever the threshold; None where one of the two labels is missing.

    The bounds are of `auc` and `average_precision` if what has a label and no score had stood
    at the wrong end of all scores, or at the right one.
    """

    auc: Estimate
    average_precision: Estimate
    best_f1: Threshold | None
    best_balanced_accuracy: Threshold | None
    if_errors_wrong: Mapping[str, float | None]
    if_errors_right: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class _Steps:
    """For each distinct score, lowest first: how many labelled yes and no have it."""

    scores: Sequence[float]
    yes: Sequence[int]
    no: Sequence[int]


def rank(scored: Scored, failed: tuple[int, int] = (0, 0)) -> Ranking:
    """AUC (ties count half: Mann-Whitney), average precision, and the best thresholds.

    `failed` counts labelled narratives without a score: of yes, of no.
    """
    n_yes, n_no = failed
    steps, places = _steps(scored)
    both = any(steps.yes) and any(steps.no)
    return Ranking(
        auc=_estimate(scored, places, _auc(steps)),
        average_precision=_estimate(scored, places, _average_precision(steps)),
        best_f1=_best(steps, _f1) if both else None,
        best_balanced_accuracy=_best(steps, _balanced) if both else None,
        if_errors_wrong=_bound(steps, below=(n_yes, 0), above=(0, n_no)),
        if_errors_right=_bound(steps, below=(0, n_no), above=(n_yes, 0)),
    )


def _steps(scored: Scored) -> tuple[_Steps, Sequence[int]]:
    """The distinct scores with their labels, and which of them each narrative has."""
    distinct = array("d", (score for score, _ in groupby(sorted(scored.scores))))
    places = array("q", (bisect_left(distinct, score) for score in scored.scores))
    yes, no = array("q", bytes(8 * len(distinct))), array("q", bytes(8 * len(distinct)))
    for place, gold in zip(places, scored.gold, strict=True):
        (yes if gold else no)[place] += 1
    return _Steps(distinct, yes, no), places


def _bound(
    steps: _Steps, *, below: tuple[int, int], above: tuple[int, int]
) -> dict[str, float | None]:
    """Both figures with so many more (yes, no) below all scores, and above."""
    around = _Steps(
        array("d", chain((-math.inf,), steps.scores, (math.inf,))),
        array("q", chain((below[0],), steps.yes, (above[0],))),
        array("q", chain((below[1],), steps.no, (above[1],))),
    )
    return {"auc": _auc(around)[0], "average_precision": _average_precision(around)[0]}


_Derived = tuple[float | None, Sequence[float], Sequence[float]]


def _auc(steps: _Steps) -> _Derived:
    """The figure, and what one more yes, or one more no, at each score would add to it.

    These are DeLong's components (DeLong, DeLong and Clarke-Pearson 1988); summed by case they
    give the variance of Obuchowski (1997).
    """
    n_yes, n_no = sum(steps.yes), sum(steps.no)
    if not n_yes or not n_no:
        return None, (), ()
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


def _average_precision(steps: _Steps) -> _Derived:
    """Mean precision over the labelled yes, each at its own score; likewise its derivatives."""
    n_yes, n_no = sum(steps.yes), sum(steps.no)
    if not n_yes or not n_no:
        return None, (), ()
    top = len(steps.scores)
    value, tp, fp = 0.0, 0, 0
    precision, gain, loss = (array("d", bytes(8 * top)) for _ in range(3))
    for i in range(top - 1, -1, -1):
        yes, no = steps.yes[i], steps.no[i]
        tp, fp = tp + yes, fp + no
        if not tp + fp:
            continue  # nothing stands at this end
        precision[i] = tp / (tp + fp)
        value += yes * precision[i] / n_yes
        gain[i] = yes * fp / (tp + fp) ** 2 / n_yes
        loss[i] = yes * tp / (tp + fp) ** 2 / n_yes
    # A narrative weighs on the precision at its own score and at every lower one.
    gained, lost = array("d", accumulate(gain)), array("d", accumulate(loss))
    of_yes = ((p - value) / n_yes + g for p, g in zip(precision, gained, strict=True))
    return value, array("d", of_yes), array("d", (-one for one in lost))


def _estimate(scored: Scored, places: Sequence[int], derived: _Derived) -> Estimate:
    value, of_yes, of_no = derived
    n = len(scored.scores)
    if value is None:
        return unmeasured(None, n)
    influences = (
        (of_yes if gold else of_no)[place] for place, gold in zip(places, scored.gold, strict=True)
    )
    variance = spread_of_sums(sums_by_case(scored.cases, influences))
    return linearised(value, variance, n, logit=True)


def sums_by_case(cases: Sequence[int], influences: Iterable[float]) -> Iterator[tuple[float, int]]:
    """The sum of the influences in each case, as (sum, 1); `cases` never decreases."""
    pairs = zip(cases, influences, strict=True)
    for _, group in groupby(pairs, key=itemgetter(0)):
        yield sum(influence for _, influence in group), 1


def _f1(tp: int, fp: int, n_yes: int, _n_no: int) -> float:
    return 2 * tp / (n_yes + tp + fp)


def _balanced(tp: int, fp: int, n_yes: int, n_no: int) -> float:
    return (tp / n_yes + 1 - fp / n_no) / 2


def _best(steps: _Steps, figure: Callable[[int, int, int, int], float]) -> Threshold:
    """The threshold with the highest figure; of equals the highest threshold."""
    n_yes, n_no = sum(steps.yes), sum(steps.no)
    best, at = (-math.inf, 0, 0), 0
    tp = fp = 0
    for i in range(len(steps.scores) - 1, -1, -1):
        tp, fp = tp + steps.yes[i], fp + steps.no[i]
        value = figure(tp, fp, n_yes, n_no)
        if value > best[0]:
            best, at = (value, tp, fp), i
    value, tp, fp = best
    return Threshold(
        threshold=steps.scores[at],
        value=value,
        recall=tp / n_yes,
        specificity=1 - fp / n_no,
        precision=tp / (tp + fp),
    )
