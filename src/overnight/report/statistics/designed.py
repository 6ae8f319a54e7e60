"""The share of yes among a finite number of narratives, from samples whose design is known.

Nothing is assumed of the narratives or of the machine: what is random is who was drawn. A draw
speaks for those that could be drawn; those whose label was known before count with it, however they
were chosen. Draws that follow each other, each from what the earlier ones have left, give estimates
that are each unbiased, and uncorrelated (Des Raj 1956); they are weighted by the numbers drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from overnight.report.statistics.estimate import (
    Estimate,
    linearised,
    share_of_design,
    unmeasured,
    wilson,
)
from overnight.report.statistics.prevalence import Share, within

Value = Callable[[bool, bool], float]  # of label and answer
_TINY = 1e-9  # of a variance that is none but for rounding


class Drawn(NamedTuple):
    """A narrative that was drawn and has its label.

    `probability`: that of being drawn, and labelled. `inside`: whether it is one of those whose
    share is estimated; the others still belong to the sample.
    """

    stratum: str
    probability: float
    inside: bool
    gold: bool
    said: bool


@dataclass(frozen=True)
class Draw:
    """A sample of `n`, and what was `known` before of those inside: how many, by label and answer.

    Of the strata, all that were drawn and labelled are in `drawn`.
    """

    n: int
    known: Mapping[tuple[bool, bool], float]
    drawn: Sequence[Drawn]

    def total(self, value: Value) -> float:
        """The estimate of Horvitz and Thompson (1952), and what is known."""
        return sum(n * value(*one) for one, n in self.known.items()) + sum(
            value(one.gold, one.said) / one.probability for one in self.drawn if one.inside
        )

    def covariance(self, first: Value, second: Value) -> float:
        """Of two estimated totals: Hájek (1964), with the factor of Deville (1999).

        Exact for simple random samples within strata; for unequal probabilities of a fixed size it
        is an approximation that needs no joint ones. A stratum with one label adds nothing.
        """
        return sum(_covariance(stratum, first, second) for stratum in self._strata.values())

    @property
    def single(self) -> list[str]:
        """Strata from which one label came of several narratives: they carry no variance."""
        return [
            name
            for name, stratum in self._strata.items()
            if len(stratum) == 1 and stratum[0].probability < 1
        ]

    @cached_property
    def _strata(self) -> Mapping[str, list[Drawn]]:
        found: dict[str, list[Drawn]] = {}
        for one in self.drawn:
            found.setdefault(one.stratum, []).append(one)
        return found


def _covariance(stratum: Sequence[Drawn], first: Value, second: Value) -> float:
    left = [1 - one.probability for one in stratum]
    rest = sum(left)
    if len(stratum) == 1 or rest <= 0:
        return 0.0
    weighed = []
    for value in (first, second):
        spread = [value(d.gold, d.said) / d.probability if d.inside else 0.0 for d in stratum]
        mean = sum(c * x for c, x in zip(left, spread, strict=True)) / rest
        weighed.append([x - mean for x in spread])
    both = sum(c * x * y for c, x, y in zip(left, weighed[0], weighed[1], strict=True))
    return both / (1 - sum((c / rest) ** 2 for c in left))


@dataclass(frozen=True, slots=True)
class Designed:
    """The estimates that the labels allow; `n_wrong` of the drawn were answered wrongly."""

    n_wrong: int
    labelled_only: Share
    rogan_gladen: Share
    ppi: Share


def designed(draws: Sequence[Draw], n: int, said_yes: int) -> Designed:
    """The share of yes among `n` narratives, of which the machine calls `said_yes` yes.

    `draws` in the order in which they were made.
    """
    single = [name for draw in draws for name in draw.single]
    n_labels = sum(one.inside for draw in draws for one in draw.drawn)
    if single or not n_labels or not n:
        problem = f"one label only from {single[0]}" if single else "no labels from a sample"
        none = Share(unmeasured(None, 0), problem)
        return Designed(0, none, none, none)
    sampled = _Sampled(draws, n_labels)
    wrong = (one.gold != one.said for draw in draws for one in draw.drawn if one.inside)
    return Designed(
        n_wrong=sum(wrong),
        labelled_only=_labelled_only(sampled),
        rogan_gladen=_rogan_gladen(sampled, n, said_yes),
        ppi=_ppi(sampled, n, said_yes),
    )


@dataclass(frozen=True, slots=True)
class _Sampled:
    draws: Sequence[Draw]
    n_labels: int

    @property
    def weighed(self) -> list[tuple[float, Draw]]:
        """Each draw with its weight."""
        total = sum(draw.n for draw in self.draws)
        return [(draw.n / total, draw) for draw in self.draws]

    def total(self, value: Value) -> float:
        return sum(weight * draw.total(value) for weight, draw in self.weighed)

    def variance(self, value: Value) -> float:
        return sum(weight**2 * draw.covariance(value, value) for weight, draw in self.weighed)

    def share(self, value: float, variance: float) -> Share:
        """A share with its interval; one that falls outside of 0..1 is set to the end."""
        if 0 < value < 1:
            return Share(share_of_design(value, variance, self.n_labels))
        return within(linearised(value, variance, self.n_labels))


def _labelled_only(sampled: _Sampled) -> Share:
    """The ratio of Hájek (1971): yes among all, both estimated from the labels."""
    everybody = sampled.total(lambda _gold, _said: 1.0)
    share = min(sampled.total(lambda gold, _said: gold) / everybody, 1.0)
    if not 0 < share < 1:
        return Share(_unanimous(sampled, share))
    variance = sampled.variance(lambda gold, _said: (gold - share) / everybody)
    return sampled.share(share, variance)


def _unanimous(sampled: _Sampled, share: float) -> Estimate:
    """All labels say the same: Wilson's interval for the effective number of them (Kish 1965)."""
    weights = [1 / one.probability for draw in sampled.draws for one in draw.drawn if one.inside]
    effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    ends = wilson(share * effective, effective)
    return Estimate(share, *ends, len(weights), "design") if ends else unmeasured(share, 0)


def _rogan_gladen(sampled: _Sampled, n: int, said_yes: int) -> Share:
    """Sensitivity and specificity from the weighted labels, the share of yes answers as it is."""
    yes = sampled.total(lambda gold, _said: gold)
    no = sampled.total(lambda gold, _said: not gold)
    if yes <= 0 or no <= 0:
        return Share(unmeasured(None, 0), "needs labels of both kinds")
    sensitivity = sampled.total(lambda gold, said: gold and said) / yes
    false = sampled.total(lambda gold, said: not gold and said) / no
    youden = sensitivity - false
    if youden <= 0:
        return Share(unmeasured(None, 0), "the answers tell yes from no no better than chance")
    share = (said_yes / n - false) / youden

    def influence(gold: bool, said: bool) -> float:
        if gold:
            return (sensitivity - said) / yes * share / youden
        return (false - said) / no * (1 - share) / youden

    return sampled.share(share, sampled.variance(influence))


def _ppi(sampled: _Sampled, n: int, said_yes: int) -> Share:
    """What the answers say of all, and what the labels say of its error.

    The difference estimator (Särndal, Swensson and Wretman 1992), which for answers of a machine
    is prediction-powered inference, with unequal probabilities active inference (Zrnic and Candès
    2024). How far the answers are trusted (lambda) is chosen in each draw such that the variance
    is the smallest, and so is a constant where the number drawn from those inside is by chance.
    """
    value = variance = 0.0
    tuning = {}
    for number, (weight, draw) in enumerate(sampled.weighed, 1):
        constant, power = _coefficients(draw)

        def residual(gold: bool, said: bool, a: float = constant, b: float = power) -> float:
            return gold - a - b * said

        value += weight * (constant + (power * said_yes + draw.total(residual)) / n)
        variance += weight**2 * draw.covariance(residual, residual) / n**2
        tuning["" if len(sampled.draws) == 1 else f"sample {number}"] = power
    share = sampled.share(value, variance)
    return Share(share.estimate, None, share.clipped, tuning)


def _coefficients(draw: Draw) -> tuple[float, float]:
    """Constant and lambda (0..1) with the smallest estimated variance (Montanari 1987)."""

    def gold(gold: bool, _said: bool) -> float:
        return gold

    def said(_gold: bool, said: bool) -> float:
        return said

    def one(_gold: bool, _said: bool) -> float:
        return 1.0

    count, answers = draw.covariance(one, one), draw.covariance(said, said)
    joint, slope = draw.covariance(one, said), draw.covariance(gold, said)
    varies = count > _TINY * draw.total(one)  # not where the number inside is fixed
    level = draw.covariance(one, gold)
    free, crossed = (
        (answers - joint**2 / count, slope - joint * level / count)
        if varies
        else (
            answers,
            slope,
        )
    )
    power = min(max(crossed / free, 0.0), 1.0) if free > _TINY * max(answers, 1.0) else 0.0
    return (level - power * joint) / count if varies else 0.0, power
