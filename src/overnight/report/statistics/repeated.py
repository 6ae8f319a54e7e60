"""How far the same source agrees with itself when it is asked several times."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from overnight.report.statistics.binary import ratio
from overnight.report.statistics.estimate import Estimate, share_by_case, spread_of_sums
from overnight.report.statistics.resample import Profile, bootstrap

Said = Hashable  # an answer: a boolean, a class
Answers = tuple[Said, ...]  # of one narrative, as many as it was asked times


@dataclass(frozen=True, slots=True)
class Consistency:
    """Of `n` narratives with `times` answers each, all of the same question.

    `flips`: the share whose answers are not all equal. `agreement`: the share of equal pairs of
    answers, over all pairs of a narrative. `kappa`: Fleiss' (1971), agreement beyond that of
    the shares of the answers, with the occasions as exchangeable raters.
    """

    n: int
    times: int
    n_flips: int
    flips: Estimate
    agreement: Estimate
    kappa: Estimate


def consistency(profiles: Mapping[tuple[Answers, ...], int], times: int) -> Consistency:
    """`profiles` counts the cases by the answers of the narratives that they hold."""
    values = sorted({said for case in profiles for one in case for said in one}, key=repr)
    made = {case: tuple(_counts(one, values) for one in case) for case in profiles}
    kinds = sorted({one for case in made.values() for one in case})
    place = {kind: i for i, kind in enumerate(kinds)}
    cells: dict[Profile, int] = {}
    for case, n in profiles.items():
        profile = tuple(sorted(place[one] for one in made[case]))
        cells[profile] = cells.get(profile, 0) + n

    def statistic(totals: Sequence[int]) -> tuple[float | None, float | None]:
        return _agreement(totals, kinds, times)

    agreement, kappa = bootstrap(cells, statistic, len(kinds))
    flipping = [max(kind) < times for kind in kinds]
    n = sum(len(profile) * cases for profile, cases in cells.items())
    n_flips = sum(
        sum(flipping[cell] for cell in profile) * cases for profile, cases in cells.items()
    )
    return Consistency(
        n=n,
        times=times,
        n_flips=n_flips,
        flips=share_by_case(n_flips, n, _variance(cells, flipping, n_flips, n)),
        agreement=agreement,
        kappa=kappa,
    )


def _counts(answers: Answers, values: Sequence[Said]) -> tuple[int, ...]:
    """How often each value was said of a narrative."""
    return tuple(answers.count(value) for value in values)


def _agreement(
    totals: Sequence[int], kinds: Sequence[tuple[int, ...]], times: int
) -> tuple[float | None, float | None]:
    """The mean share of equal pairs, and Fleiss' kappa, of so many narratives of each kind."""
    n = sum(totals)
    if n == 0:
        return None, None
    pairs = sum(
        total * sum(c * (c - 1) for c in kind) for total, kind in zip(totals, kinds, strict=True)
    )
    observed = pairs / (n * times * (times - 1))
    said = [
        sum(total * kind[i] for total, kind in zip(totals, kinds, strict=True))
        for i in range(len(kinds[0]))
    ]
    chance = sum((count / (n * times)) ** 2 for count in said)
    return observed, ratio(observed - chance, 1 - chance)


def _variance(
    cells: Mapping[Profile, int], flipping: Sequence[bool], n_flips: int, n: int
) -> float:
    """Of the share of narratives that flip, cases being independent."""
    if n == 0:
        return 0.0
    share = n_flips / n
    sums = (
        (sum(flipping[cell] - share for cell in profile) / n, cases)
        for profile, cases in cells.items()
    )
    return spread_of_sums(sums)
