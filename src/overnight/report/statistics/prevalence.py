"""How many are yes in truth, when a machine judged all and people judged some.

The share of yes answers is biased by the machine's errors. Each estimator is a sum over
narratives; its variance is that of the sums within cases, so that two narratives of one case do not
count as two witnesses.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from overnight.report.statistics.estimate import (
    Estimate,
    linearised,
    share_by_case,
    spread_of_sums,
    unmeasured,
)

Labels = Literal["random", "within-type", "all", "drawn", "unknown"]


class Judged(NamedTuple):
    """A narrative: its stratum, what people say (None: not asked), what the machine says.

    `said` is None for an error.
    """

    stratum: str
    gold: bool | None
    said: bool | None

    @property
    def taken_as(self) -> bool:
        """An error counts as no, with and without a label.

        Estimators that compare answers with labels then correct for it, and speak of all
        narratives, not only of those that could be answered.
        """
        return self.said is True


Profiles = Mapping[tuple[Judged, ...], int]  # cases by their narratives


@dataclass(frozen=True, slots=True)
class Share:
    """An estimate of the share of yes, or why there is none (`problem`).

    `clipped`: it fell outside 0..1 and was set to the end. `tuning`: lambda of PPI++ in each
    stratum, "" where there are none.
    """

    estimate: Estimate
    problem: str | None = None
    clipped: bool = False
    tuning: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Prevalence:
    """Every estimator on the same narratives.

    `bounds`: the share of yes answers if every error had been no, or yes.
    """

    n: int
    n_labelled: int
    n_labelled_yes: int
    n_errors: int
    naive: Share
    labelled_only: Share
    rogan_gladen: Share
    ppi: Share
    bounds: tuple[float, float] | None


def prevalence(profiles: Profiles, *, by_stratum: bool = False) -> Prevalence:
    """Every estimate of the share of yes.

    `by_stratum` where the labelled were drawn at random within each stratum, with probabilities
    that may differ: then `labelled_only` and `ppi` weigh the strata as they are among all.
    """
    counts: Counter[Judged] = Counter()
    for case, n in profiles.items():
        for judged in case:
            counts[judged] += n
    total = sum(counts.values())
    yes = sum(n for judged, n in counts.items() if judged.said)
    errors = sum(n for judged, n in counts.items() if judged.said is None)
    return Prevalence(
        n=total,
        n_labelled=sum(n for judged, n in counts.items() if judged.gold is not None),
        n_labelled_yes=sum(n for judged, n in counts.items() if judged.gold),
        n_errors=errors,
        naive=_naive(profiles, counts),
        labelled_only=_mean(profiles, counts, by_stratum=by_stratum, tuned=False),
        rogan_gladen=_rogan_gladen(profiles, counts),
        ppi=_mean(profiles, counts, by_stratum=by_stratum, tuned=True),
        bounds=(yes / total, (yes + errors) / total) if total else None,
    )


def _variance(profiles: Profiles, influence: Mapping[Judged, float]) -> float:
    sums: Counter[float] = Counter()
    for case, n in profiles.items():
        if case:
            sums[sum(influence.get(judged, 0.0) for judged in case)] += n
    return spread_of_sums(sums.items())


def _none(problem: str) -> Share:
    return Share(unmeasured(None, 0), problem)


def _naive(profiles: Profiles, counts: Counter[Judged]) -> Share:
    """The share of yes among the answers."""
    n = sum(n for judged, n in counts.items() if judged.said is not None)
    if not n:
        return _none("no answers")
    yes = sum(n for judged, n in counts.items() if judged.said)
    influence = {j: (j.said - yes / n) / n for j in counts if j.said is not None}
    return Share(share_by_case(yes, n, _variance(profiles, influence)))


def _rogan_gladen(profiles: Profiles, counts: Counter[Judged]) -> Share:
    """(p + specificity - 1) / (sensitivity + specificity - 1), Rogan and Gladen (1978).

    The delta method takes in that sensitivity and specificity are themselves estimated.
    """
    n = sum(counts.values())
    n_yes = sum(c for j, c in counts.items() if j.gold is True)
    n_no = sum(c for j, c in counts.items() if j.gold is False)
    if not n_yes or not n_no:
        return _none("needs labels of both kinds")
    p = sum(c for j, c in counts.items() if j.taken_as) / n
    sensitivity = sum(c for j, c in counts.items() if j.gold and j.taken_as) / n_yes
    false = sum(c for j, c in counts.items() if j.gold is False and j.taken_as) / n_no
    youden = sensitivity - false
    if youden <= 0:
        return _none("the answers tell yes from no no better than chance")
    value = (p - false) / youden
    influence = {}
    for j in counts:
        influence[j] = (j.taken_as - p) / n / youden
        if j.gold is True:
            influence[j] -= (j.taken_as - sensitivity) / n_yes * value / youden
        elif j.gold is False:
            influence[j] -= (j.taken_as - false) / n_no * (1 - value) / youden
    return within(linearised(value, _variance(profiles, influence), n_yes + n_no))


def _mean(profiles: Profiles, counts: Counter[Judged], *, by_stratum: bool, tuned: bool) -> Share:
    """The mean of the labels, helped by the answers where `tuned`.

    That is PPI++ of a mean (Angelopoulos, Duchi and Zrnic 2023), in strata weighted by their
    sizes (Fisch and others 2024).
    """
    groups = _strata(counts, by_stratum=by_stratum)
    bare = [name for name, group in groups.items() if not any(j.gold is not None for j in group)]
    if bare or not groups:
        return _none(f"no labels of type {bare[0]}" if by_stratum and bare else "no labels")
    total = sum(counts.values())
    value, n_labelled = 0.0, 0
    influence: dict[Judged, float] = {}
    tuning: dict[str, float] = {}
    for name, group in groups.items():
        labelled, others = _split(group)
        tuning[name] = _lambda(labelled, others) if tuned else 0.0
        mean, influences = _tuned_mean(labelled, others, tuning[name])
        weight = sum(group.values()) / total
        value += weight * mean
        influence |= {j: weight * one for j, one in influences.items()}
        n_labelled += labelled.total()
    variance = _variance(profiles, influence)
    if not tuned and not by_stratum:
        yes = sum(c for j, c in counts.items() if j.gold)
        return Share(share_by_case(yes, n_labelled, variance))
    share = within(linearised(value, variance, n_labelled))
    return Share(share.estimate, None, share.clipped, tuning if tuned else None)


def _strata(counts: Counter[Judged], *, by_stratum: bool) -> dict[str, Counter[Judged]]:
    groups: dict[str, Counter[Judged]] = {}
    for judged in sorted(counts, key=repr):
        group = groups.setdefault(judged.stratum if by_stratum else "", Counter())
        group[judged] = counts[judged]
    return groups


def _split(group: Counter[Judged]) -> tuple[Counter[Judged], Counter[Judged]]:
    labelled = Counter({j: c for j, c in group.items() if j.gold is not None})
    return labelled, group - labelled


def _tuned_mean(
    labelled: Counter[Judged], others: Counter[Judged], power: float
) -> tuple[float, dict[Judged, float]]:
    """Lambda * mean(answers without label) + mean(label - lambda * answer), and its influences."""
    n, rest = labelled.total(), others.total()
    imputed = sum(c * j.taken_as for j, c in others.items()) / rest if rest else 0.0
    rectifier = sum(c * _residual(j, power) for j, c in labelled.items()) / n
    influence = {j: (_residual(j, power) - rectifier) / n for j in labelled}
    influence |= {j: power * (j.taken_as - imputed) / rest for j in others}
    return power * imputed + rectifier, influence


def _residual(judged: Judged, power: float) -> float:
    return float(judged.gold is True) - power * judged.taken_as


def _lambda(labelled: Counter[Judged], others: Counter[Judged]) -> float:
    """How far the answers are trusted, 0..1: cov(label, answer) / ((1 + n/N) var(answer))."""
    n, rest = labelled.total(), others.total()
    if not rest:
        return 0.0
    said = sum(c * j.taken_as for j, c in labelled.items()) / n
    gold = sum(c for j, c in labelled.items() if j.gold) / n
    both = sum(c for j, c in labelled.items() if j.gold and j.taken_as) / n
    share = sum(c * j.taken_as for j, c in (labelled + others).items()) / (n + rest)
    spread = share * (1 - share) * (n + rest) / (n + rest - 1)
    if spread <= 0:
        return 0.0
    return min(max((both - said * gold) / ((1 + n / rest) * spread), 0.0), 1.0)


def within(found: Estimate) -> Share:
    """A share lies in 0..1; an estimate that does not is set to the end, and says so."""
    if found.value is None:
        return Share(found)
    ends = found.interval
    low, high = (_cut(ends[0]), _cut(ends[1])) if ends else (None, None)
    value = _cut(found.value)
    cut = Estimate(value, low, high, found.n, found.method)
    return Share(cut, clipped=value != found.value)


def _cut(value: float) -> float:
    return min(max(value, 0.0), 1.0)
