"""The bootstrap by case, fast enough without any library.

Narratives of one case are not independent, so cases are drawn, each with all its narratives. Cases
that look alike (the same cells of the table) are interchangeable: a replicate draws how often each
*profile* occurs, one multinomial draw, whatever the number of cases.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

from overnight.report.statistics.estimate import Z95, Estimate, unmeasured

Profile = tuple[int, ...]  # the cells into which the narratives of a case fall
Values = Sequence[float | None]
Statistic = Callable[[Sequence[int]], Values]  # of the counts of all cells

REPLICATES = 2000
SEED = 20240229
_MOST_DRAWS = 1_500_000  # profiles x replicates: two or three seconds
_FEWEST_REPLICATES = 500
_UNDEFINED = 0.05  # of the replicates, at the most
_NORMAL = NormalDist()


def replicates_for(n_profiles: int) -> int:
    """How many replicates a few seconds allow: 2,000, fewer with thousands of profiles."""
    return max(_FEWEST_REPLICATES, min(REPLICATES, _MOST_DRAWS // max(n_profiles, 1)))


def bootstrap(
    profiles: Mapping[Profile, int],
    statistic: Statistic,
    n_cells: int,
    *,
    replicates: int | None = None,
    seed: int = SEED,
) -> list[Estimate]:
    """Each value of `statistic` with its 95 % BCa interval (Efron 1987), cases resampled.

    `profiles` counts the cases of each profile. The same seed gives the same intervals on every
    machine. No interval where more than 5 % of the replicates are undefined, or where resampling
    cannot move the figure to both sides (all right, all wrong).
    """
    found = {profile: n for profile, n in profiles.items() if profile and n > 0}
    kinds = sorted(found, key=lambda profile: (-found[profile], profile))
    counts = [found[profile] for profile in kinds]
    totals = added(kinds, counts, n_cells)
    values = statistic(totals)
    n = sum(totals)
    if sum(counts) < 2:  # noqa: PLR2004 - one case shows no variation
        return [unmeasured(value, n) for value in values]
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    drawn = [
        statistic(added(kinds, multinomial(rng, counts), n_cells))
        for _ in range(replicates or replicates_for(len(kinds)))
    ]
    without = [_without_one(profile, totals, statistic) for profile in kinds]
    return [
        _with_interval(value, n, [row[i] for row in drawn], [row[i] for row in without], counts)
        for i, value in enumerate(values)
    ]


def added(kinds: Sequence[Profile], counts: Sequence[int], n_cells: int) -> list[int]:
    """The counts of all cells, for so many cases of each profile."""
    totals = [0] * n_cells
    for profile, n in zip(kinds, counts, strict=True):
        if n:
            for cell in profile:
                totals[cell] += n
    return totals


def _without_one(profile: Profile, totals: Sequence[int], statistic: Statistic) -> Values:
    less = list(totals)
    for cell in profile:
        less[cell] -= 1
    return statistic(less)


def _with_interval(
    value: float | None, n: int, drawn: Values, without: Values, counts: Sequence[int]
) -> Estimate:
    defined = sorted(one for one in drawn if one is not None)
    if value is None or len(defined) < (1 - _UNDEFINED) * len(drawn):
        return unmeasured(value, n)
    ends = bca(value, defined, _acceleration(without, counts))
    return Estimate(value, *ends, n, "bootstrap by case") if ends else unmeasured(value, n)


def _acceleration(without: Values, counts: Sequence[int]) -> float:
    """Skewness of the jackknife, divided by 6; cases that look alike count together."""
    pairs = [(v, n) for v, n in zip(without, counts, strict=True) if v is not None]
    total = sum(n for _, n in pairs)
    if not total:
        return 0.0
    mean = sum(v * n for v, n in pairs) / total
    squares = sum(n * (mean - v) ** 2 for v, n in pairs)
    cubes = sum(n * (mean - v) ** 3 for v, n in pairs)
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def bca(
    value: float, drawn: Sequence[float], acceleration: float, z: float = Z95
) -> tuple[float, float] | None:
    """The bias-corrected, accelerated interval from sorted replicates; None where it has no width.

    Replicates equal to the estimate count half on each side: figures of counts have ties.
    """
    below = sum(one < value for one in drawn) + sum(one == value for one in drawn) / 2
    share = below / len(drawn)
    if drawn[0] == drawn[-1] or not 0 < share < 1 or value in (drawn[0], drawn[-1]):
        return None
    shift = _NORMAL.inv_cdf(share)
    ends = []
    for point in (-z, z):
        moved = shift + point
        level = _NORMAL.cdf(shift + moved / (1 - acceleration * moved))
        ends.append(_quantile(drawn, level))
    return (ends[0], ends[1])


def _quantile(ordered: Sequence[float], level: float) -> float:
    """Between the neighbours (type 7 of Hyndman and Fan 1996)."""
    place = level * (len(ordered) - 1)
    low = min(max(int(place), 0), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def multinomial(rng: random.Random, counts: Sequence[int]) -> list[int]:
    """As many draws as `counts` adds up to, with probabilities in proportion to `counts`."""
    left = weight = sum(counts)
    drawn = [0] * len(counts)
    for i, count in enumerate(counts):
        if left == 0:
            break
        drawn[i] = left if count == weight else binomial(rng, left, count / weight)
        left -= drawn[i]
        weight -= count
    return drawn


def binomial(rng: random.Random, n: int, p: float) -> int:
    """An exact binomial draw, the same in every version of Python (3.12 brought its own)."""
    if p > 0.5:  # noqa: PLR2004 - the shorter side
        return n - binomial(rng, n, 1 - p)
    if n == 0 or p <= 0:
        return 0
    return _waiting(rng, n, p) if n * p < 10 else _rejection(rng, n, p)  # noqa: PLR2004 - Hoermann's


def _waiting(rng: random.Random, n: int, p: float) -> int:
    """Sums of waiting times (Devroye 1986, p. 525): steps as many as successes."""
    scale = math.log1p(-p)
    successes, trials = -1, 0
    while trials <= n:
        successes += 1
        trials += int(math.log(1.0 - rng.random()) / scale) + 1
    return successes


def _rejection(rng: random.Random, n: int, p: float) -> int:
    """Transformed rejection (BTRS of Hörmann 1993), in the names of the paper."""
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    v_r = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    log_odds = math.log(p / (1 - p))
    mode = int((n + 1) * p)
    h = math.lgamma(mode + 1) + math.lgamma(n - mode + 1)
    while True:
        u, v = rng.random() - 0.5, 1.0 - rng.random()
        u_s = 0.5 - abs(u)
        if u_s == 0.0:
            continue
        k = math.floor((2 * a / u_s + b) * u + n * p + 0.5)
        if u_s >= 0.07 and v <= v_r:  # noqa: PLR2004 - the paper's
            return k
        if not 0 <= k <= n:
            continue
        v *= alpha / (a / (u_s * u_s) + b)
        if math.log(v) <= h - math.lgamma(k + 1) - math.lgamma(n - k + 1) + (k - mode) * log_odds:
            return k
