"""How far two sources that judge the same agree."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from overnight.report.statistics.binary import ratio
from overnight.report.statistics.estimate import Estimate, share_of
from overnight.report.statistics.paired import McNemar, mcnemar
from overnight.report.statistics.resample import Profile, bootstrap

Said = Hashable  # an answer: a boolean, a class


@dataclass(frozen=True, slots=True)
class BothWays:
    """Of yes and no: how often one says yes where the other does, and which says it more often.

    Wilson intervals. `mcnemar` tests whether both say yes equally often.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    second_given_first: Estimate
    first_given_second: Estimate
    mcnemar: McNemar


@dataclass(frozen=True, slots=True)
class Agreement:
    """`n` pairs, the share that is equal, Cohen's kappa; `both_ways` where they are yes or no."""

    n: int
    equal: Estimate
    kappa: Estimate
    both_ways: BothWays | None


def agreement(profiles: Mapping[tuple[tuple[Said, Said], ...], int]) -> Agreement:
    """`profiles` counts the cases by the pairs (first, second) of answers that they hold."""
    values = sorted({said for pairs in profiles for pair in pairs for said in pair}, key=repr)
    place = {value: i for i, value in enumerate(values)}
    k = len(values)
    cells: dict[Profile, int] = {}
    table: dict[tuple[Said, Said], int] = {}
    for pairs, n in profiles.items():
        profile = tuple(sorted(k * place[a] + place[b] for a, b in pairs))
        cells[profile] = cells.get(profile, 0) + n
        for pair in pairs:
            table[pair] = table.get(pair, 0) + n
    total = sum(table.values())
    (kappa,) = bootstrap(cells, lambda t: (_kappa(t, k),), k * k)
    return Agreement(
        n=total,
        equal=share_of(sum(n for (a, b), n in table.items() if a == b), total),
        kappa=kappa,
        both_ways=_both_ways(table) if all(isinstance(v, bool) for v in values) else None,
    )


def _kappa(totals: Sequence[int], k: int) -> float | None:
    """(observed - expected) / (1 - expected), both multiplied by n squared."""
    n = sum(totals)
    rows = [sum(totals[i * k : (i + 1) * k]) for i in range(k)]
    chance = sum(row * sum(totals[i::k]) for i, row in enumerate(rows))
    return ratio(n * sum(totals[i * (k + 1)] for i in range(k)) - chance, n * n - chance)


def _both_ways(table: Mapping[tuple[Said, Said], int]) -> BothWays:
    both, neither = table.get((True, True), 0), table.get((False, False), 0)
    first, second = table.get((True, False), 0), table.get((False, True), 0)
    return BothWays(
        both=both,
        only_first=first,
        only_second=second,
        neither=neither,
        second_given_first=share_of(both, both + first),
        first_given_second=share_of(both, both + second),
        mcnemar=mcnemar(first, second),
    )
