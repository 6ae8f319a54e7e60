"""A figure with its interval, and the closed forms that several figures share."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_MOST = 1e12  # more narratives than there are: a variance that is none but for rounding
Z95 = 1.959963984540054
Method = Literal["wilson", "bootstrap by case", "linearised by case", "design", "none"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval.

    `value` is None where a denominator is zero. `low` and `high` are None where the data carry no
    interval (a figure that no resampling can move, a single case): an interval of no width would
    claim a certainty that is not there. `n`: narratives, or cases, that the figure rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: Method

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Proportion:
    """`k` of `n` as a share, with its 95 % Wilson interval; all of 0..1, `n` above 0."""

    value: float
    low: float
    high: float
    k: int
    n: int


def wilson(k: float, n: float, z: float = Z95) -> tuple[float, float] | None:
    """The score interval of Wilson (1927) for `k` of `n`; None for n = 0.

    Both may be effective numbers, smaller than those counted. Raises ValueError unless 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no proportion")
    if n == 0:
        return None
    share, shrink = k / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are exact in theory; floating point would leave -1e-17 and 0.9999999999999999.
    return (0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def share_of(k: int, n: int) -> Estimate:
    """`k` of `n` with its Wilson interval; undefined for n = 0."""
    ends = wilson(k, n)
    if ends is None:
        return Estimate(None, None, None, 0, "none")
    return Estimate(k / n, *ends, n, "wilson")


def share_by_case(k: int, n: int, variance: float) -> Estimate:
    """`k` of `n`, where the variance of the share was measured by case.

    Wilson's interval for the number of independent narratives that would vary as much (in the
    manner of Korn and Graubard 1998), at most `n`.
    """
    if n == 0:
        return unmeasured(None, 0)
    share = k / n
    effective = min(n, share * (1 - share) / variance) if variance > 0 else n
    ends = wilson(share * effective, effective) if 0 < k < n else wilson(k, n)
    return Estimate(share, *ends, n, "linearised by case") if ends else unmeasured(share, n)


def share_of_design(value: float, variance: float, n: int) -> Estimate:
    """A share within 0..1 whose variance is that of the design of a sample.

    Wilson's interval for as many independent narratives as would vary as much (Korn and Graubard
    1998): more than `n` where a good part of a finite number was seen, or answers helped.
    """
    if variance <= value * (1 - value) / _MOST:
        return unmeasured(value, n)
    effective = value * (1 - value) / variance
    ends = wilson(value * effective, effective)
    return Estimate(value, *ends, n, "design") if ends else unmeasured(value, n)


def unmeasured(value: float | None, n: int) -> Estimate:
    """A figure without an interval."""
    return Estimate(value, None, None, n, "none")


def linearised(value: float, variance: float, n: int, *, logit: bool = False) -> Estimate:
    """Value ± 1.96 standard errors; with `logit` on the log-odds scale, so that it stays in 0..1.

    Without variance there is no interval.
    """
    if variance <= 0 or (logit and not 0 < value < 1):
        return unmeasured(value, n)
    half = Z95 * math.sqrt(variance)
    if not logit:
        return Estimate(value, value - half, value + half, n, "linearised by case")
    centre, half = math.log(value / (1 - value)), half / (value * (1 - value))
    return Estimate(value, _share(centre - half), _share(centre + half), n, "linearised by case")


def _share(log_odds: float) -> float:
    """The inverse of the log-odds; far out, exp() of a large number is never asked for."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def spread_of_sums(sums: Iterable[tuple[float, int]]) -> float:
    """The variance of a linear statistic from the sums of its influences in each case.

    `sums` says how many cases have each sum. The sandwich of cases (Liang and Zeger 1986) with
    the usual factor G / (G - 1) for G cases; 0 for fewer than two.
    """
    cases, squares = 0, 0.0
    for value, n in sums:
        cases += n
        squares += n * value * value
    return cases / (cases - 1) * squares if cases > 1 else 0.0
