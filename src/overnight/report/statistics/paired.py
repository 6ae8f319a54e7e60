"""Two answers to the same narratives: which of them is right more often."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from overnight.report.statistics.estimate import (
    Estimate,
    linearised,
    spread_of_sums,
    unmeasured,
)

_EXACT_UP_TO = 1000  # beyond, the two p-values are the same to the third digit


@dataclass(frozen=True, slots=True)
class McNemar:
    """The test of McNemar (1947) on the pairs of which exactly one is right."""

    only_first: int
    only_second: int
    p: float
    how: Literal["exact binomial", "chi-square with continuity correction"]


Pair = tuple[bool, bool]  # whether the first is right, whether the second is


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Two-sided; exact up to 1,000 discordant pairs, then with Edwards' (1948) correction."""
    n = only_first + only_second
    if n <= _EXACT_UP_TO:
        fewer = min(only_first, only_second)
        tail = sum(math.comb(n, k) for k in range(fewer + 1))
        return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**n), "exact binomial")
    statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / n
    p = math.erfc(math.sqrt(statistic / 2))
    return McNemar(only_first, only_second, p, "chi-square with continuity correction")


def difference(profiles: Mapping[tuple[Pair, ...], int]) -> Estimate:
    """Accuracy of the first minus that of the second over the pairs, its interval by case.

    `profiles` counts the cases by the pairs of their narratives.
    """
    n = sum(len(profile) * cases for profile, cases in profiles.items())
    if not n:
        return unmeasured(None, 0)
    gains = Counter[tuple[int, int]]()
    for profile, cases in profiles.items():
        if profile:
            gains[sum(a - b for a, b in profile), len(profile)] += cases
    value = sum(gain * cases for (gain, _), cases in gains.items()) / n
    sums = Counter[float]()
    for (gain, size), cases in gains.items():
        sums[(gain - value * size) / n] += cases
    return linearised(value, spread_of_sums(sums.items()), n)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted
