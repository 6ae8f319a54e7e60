"""Numbers against numbers, and lists against lists."""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overnight.report.statistics.binary import ratio
from overnight.report.statistics.estimate import (
    Z95,
    Estimate,
    linearised,
    spread_of_sums,
    unmeasured,
)
from overnight.report.statistics.ranking import sums_by_case


@dataclass(frozen=True, slots=True)
class Amounts:
    """How far answered numbers are from their labels. `bias`: mean of answer minus label."""

    mean_absolute_error: Estimate
    bias: Estimate
    pearson: Estimate
    spearman: float | None


@dataclass(frozen=True, slots=True)
class SetFigures:
    """Lists as sets: precision is how much of the answer is in the label, recall the reverse.

    Micro: over all items; macro: the mean over narratives, where an empty answer to an empty
    label counts 1.
    """

    n: int
    micro_precision: float | None
    micro_recall: float | None
    macro_precision: float | None
    macro_recall: float | None
    exact: float | None  # share of narratives with equal sets


def amounts(labels: Sequence[float], answers: Sequence[float], cases: Sequence[int]) -> Amounts:
    """Paired numbers, and the case of each (ascending): intervals are by case."""
    n = len(labels)
    if not n:
        nothing = unmeasured(None, 0)
        return Amounts(nothing, nothing, nothing, None)
    gaps = array("d", (a - b for a, b in zip(answers, labels, strict=True)))
    return Amounts(
        mean_absolute_error=_mean(array("d", map(abs, gaps)), cases),
        bias=_mean(gaps, cases),
        pearson=_pearson(labels, answers, cases),
        spearman=_correlation(_ranks(labels), _ranks(answers)),
    )


def _mean(values: Sequence[float], cases: Sequence[int]) -> Estimate:
    n = len(values)
    mean = math.fsum(values) / n
    variance = spread_of_sums(sums_by_case(cases, ((value - mean) / n for value in values)))
    return linearised(mean, variance, n)


def _standardised(values: Sequence[float]) -> Sequence[float] | None:
    """Minus the mean, by the standard deviation (with n below); None if they are all equal."""
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return array("d", ((v - mean) / spread for v in values)) if spread > 0 else None


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    x, y = _standardised(a), _standardised(b)
    if x is None or y is None:
        return None
    return math.fsum(p * q for p, q in zip(x, y, strict=True)) / len(x)


def _pearson(a: Sequence[float], b: Sequence[float], cases: Sequence[int]) -> Estimate:
    """Its interval is on Fisher's (1921) scale, its variance by case and free of normality."""
    n, x, y = len(a), _standardised(a), _standardised(b)
    if x is None or y is None:
        return unmeasured(None, n)
    r = math.fsum(p * q for p, q in zip(x, y, strict=True)) / n
    influences = ((p * q - r / 2 * (p * p + q * q)) / n for p, q in zip(x, y, strict=True))
    variance = spread_of_sums(sums_by_case(cases, influences))
    if variance <= 0 or abs(r) >= 1:
        return unmeasured(r, n)
    centre, half = math.atanh(r), Z95 * math.sqrt(variance) / (1 - r * r)
    low, high = math.tanh(centre - half), math.tanh(centre + half)
    return Estimate(r, low, high, n, "linearised by case")


def _ranks(values: Sequence[float]) -> Sequence[float]:
    """From 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = array("d", bytes(8 * len(values)))
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        start = end
    return ranks


def set_figures(pairs: Iterable[tuple[Iterable[str], Iterable[str]]]) -> SetFigures:
    """(label, answer) lists; items are compared trimmed and without case, repeats count once."""
    n = both = answered = labelled = exact = 0
    precision = recall = 0.0
    for label, answer in pairs:
        expected, given = _items(label), _items(answer)
        common = len(expected & given)
        n += 1
        both, answered, labelled = both + common, answered + len(given), labelled + len(expected)
        exact += expected == given
        precision += common / len(given) if given else float(not expected)
        recall += common / len(expected) if expected else float(not given)
    return SetFigures(
        n=n,
        micro_precision=ratio(both, answered),
        micro_recall=ratio(both, labelled),
        macro_precision=ratio(precision, n),
        macro_recall=ratio(recall, n),
        exact=ratio(exact, n),
    )


def _items(items: Iterable[str]) -> frozenset[str]:
    return frozenset(word for item in items if (word := item.strip().casefold()))
