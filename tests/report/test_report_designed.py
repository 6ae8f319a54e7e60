"""Shares from samples of known design: by enumeration, by textbook formulas, against ppi-python."""

import json
import math
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from statistics import covariance, variance

import pytest
import statistics_data as data

from overnight.report.statistics.designed import Draw, Drawn, designed
from overnight.report.statistics.estimate import Z95, share_of_design, wilson
from overnight.report.statistics.prevalence import Judged, prevalence

REFERENCE = json.loads((Path(__file__).parent / "reference" / "reference.json").read_text())


def gold(gold, _said):
    return gold


def said(_gold, said):
    return said


def simple(rows, size, stratum=""):
    """A simple random sample of (label, answer) from so many."""
    return [Drawn(stratum, len(rows) / size, True, bool(y), bool(f)) for y, f in rows]


def draw(drawn, known=None):
    return Draw(len(drawn), known or {}, drawn)


POPULATION = [(1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (0, 0), (0, 0)]


def test_over_all_samples_total_and_variance_are_right_on_average():
    """All 35 samples of 3 from 7: both estimates are without bias (Cochran 1977, ch. 2)."""
    made = [draw(simple(rows, 7)) for rows in combinations(POPULATION, 3)]
    totals = [one.total(gold) for one in made]
    truth = sum(y for y, _ in POPULATION)
    assert sum(totals) / 35 == pytest.approx(truth)
    spread = sum((total - truth) ** 2 for total in totals) / 35
    assert sum(one.covariance(gold, gold) for one in made) / 35 == pytest.approx(spread)


def test_the_variance_in_strata_is_that_of_the_textbook():
    """The sum of N² (1 - n/N) s² / n over the strata (Cochran 1977, ch. 5), covariances alike."""
    strata = {"a": ([(1, 1), (0, 1), (1, 0)], 10), "b": ([(0, 0), (1, 1), (0, 1), (0, 0)], 8)}
    drawn = [one for name, (rows, size) in strata.items() for one in simple(rows, size, name)]
    expected = crossed = 0.0
    for rows, size in strata.values():
        n = len(rows)
        factor = size**2 * (1 - n / size) / n
        expected += factor * variance([y for y, _ in rows])
        crossed += factor * covariance([y for y, _ in rows], [f for _, f in rows])
    assert draw(drawn).covariance(gold, gold) == pytest.approx(expected)
    assert draw(drawn).covariance(gold, said) == pytest.approx(crossed)


def test_who_is_drawn_for_certain_adds_no_variance():
    certain = [Drawn("", 1.0, True, bool(y), False) for y in (1, 0, 1)]
    sure, rest = draw(certain), simple([(1, 0), (0, 0)], 6)
    assert sure.covariance(gold, gold) == 0.0
    both = draw([*certain, *rest])
    assert both.covariance(gold, gold) == pytest.approx(draw(rest).covariance(gold, gold))


def test_a_variance_that_is_only_rounding_makes_no_interval():
    assert share_of_design(1 / 16, 1e-18, 4).interval is None
    assert share_of_design(1 / 16, 1e-6, 4).interval is not None


def test_an_unequal_sample_by_hand():
    """Two of probabilities 1/2 and 1/4, both labelled yes: 2 + 4 in all."""
    one = draw([Drawn("", 0.5, True, True, False), Drawn("", 0.25, True, True, False)])
    assert one.total(gold) == pytest.approx(6)
    left, spread = [0.5, 0.75], [2, 4]
    mean = (0.5 * 2 + 0.75 * 4) / 1.25
    factor = 1 - (0.5**2 + 0.75**2) / 1.25**2
    expected = sum(c * (x - mean) ** 2 for c, x in zip(left, spread, strict=True)) / factor
    assert one.covariance(gold, gold) == pytest.approx(expected)


def test_of_a_simple_sample_it_is_ppi_plus_plus():
    """ppi-python's value, with its lambda; its interval is narrower: some of all was seen.

    Theirs goes with the mean answer of the unlabelled, ours with that of all. Left to choose, ours
    takes the variance of the answers from the labelled, theirs from all.
    """
    labelled, rest = data.study()
    n = len(labelled) + len(rest)
    said_yes = sum(f for _, f in labelled) + sum(rest)
    one = draw(simple(labelled, n))
    cases = Counter([(Judged("", bool(y), bool(f)),) for y, f in labelled])
    theirs = prevalence(cases + Counter((Judged("", None, bool(f)),) for f in rest)).ppi.tuning[""]
    power = theirs * (1 + len(labelled) / len(rest))
    value = (power * said_yes + one.total(lambda y, f: y - power * f)) / n
    assert value == pytest.approx(REFERENCE["ppi"]["value"], abs=1e-12)
    found = designed([one], n, said_yes)
    assert found.ppi.estimate.value == pytest.approx(REFERENCE["ppi"]["value"], abs=4e-3)
    half = (REFERENCE["ppi"]["high"] - REFERENCE["ppi"]["low"]) / 2
    mine = (found.ppi.estimate.high - found.ppi.estimate.low) / 2
    assert 0.85 * half < mine < half


def test_ppi_of_a_simple_sample_is_the_regression_estimator():
    """Mean + b (mean of all answers - mean of theirs), b = cov / var (Cochran 1977, ch. 7)."""
    rows, size, said_yes = [(1, 1)] * 18 + [(1, 0)] * 4 + [(0, 1)] * 6 + [(0, 0)] * 72, 1000, 270
    y, f = [y for y, _ in rows], [f for _, f in rows]
    slope = covariance(y, f) / variance(f)
    value = sum(y) / 100 + slope * (said_yes / size - sum(f) / 100)
    found = designed([draw(simple(rows, size))], size, said_yes).ppi
    assert found.estimate.value == pytest.approx(value)
    assert found.tuning == {"": pytest.approx(slope)}
    left = variance([a - slope * b for a, b in rows]) * 0.9 / 100
    effective = value * (1 - value) / left
    assert found.estimate.interval == pytest.approx(wilson(value * effective, effective))


def test_labelled_only_of_a_simple_sample_is_the_mean_with_its_finite_variance():
    rows = [(1, 1)] * 30 + [(0, 0)] * 70
    found = designed([draw(simple(rows, 400))], 400, 120).labelled_only.estimate
    assert found.value == pytest.approx(0.3)
    effective = 0.21 / (0.21 * 100 / 99 / 100 * 0.75)
    assert found.interval == pytest.approx(wilson(0.3 * effective, effective))
    assert found.method == "design"


def test_rogan_gladen_weighs_sensitivity_and_specificity():
    """Strata by the answer, of different probabilities: unweighted counts would be wrong."""
    yes = simple([(1, 1)] * 30 + [(0, 1)] * 20, 100, "yes")
    no = simple([(1, 0)] * 5 + [(0, 0)] * 95, 900, "no")
    found = designed([draw([*yes, *no])], 1000, 100)
    assert found.rogan_gladen.estimate.value == pytest.approx((60 + 45) / 1000)
    assert found.ppi.estimate.value == pytest.approx(0.105)
    assert found.labelled_only.estimate.value == pytest.approx(0.105)
    variances = 100**2 * 0.5 * 0.24 * 50 / 49 / 50 + 900**2 * (8 / 9) * 0.0475 * 100 / 99 / 100
    half = Z95 * math.sqrt(variances) / 1000
    found_half = (found.ppi.estimate.high - found.ppi.estimate.low) / 2
    assert found_half == pytest.approx(half, rel=0.03)


def test_what_was_labelled_before_counts_however_it_was_chosen():
    """200 known, all yes; of the other 800 a sample says 10 %."""
    rows = [(1, 1)] * 10 + [(0, 0)] * 90
    found = designed([draw(simple(rows, 800), {(True, True): 200})], 1000, 280)
    assert found.labelled_only.estimate.value == pytest.approx((200 + 80) / 1000)
    assert found.ppi.estimate.value == pytest.approx(0.28)


def test_two_draws_are_right_on_average_over_all_pairs_of_samples():
    """3 of 7, then 2 of the 4 that are left: Des Raj's mean of both, for every pair."""
    values, variances = [], []
    for first in combinations(range(7), 3):
        left = [i for i in range(7) if i not in first]
        for second in combinations(left, 2):
            known = Counter((bool(y), bool(f)) for y, f in (POPULATION[i] for i in first))
            both = [
                draw(simple([POPULATION[i] for i in first], 7)),
                draw(simple([POPULATION[i] for i in second], 4), known),
            ]
            values.append(0.6 * both[0].total(gold) + 0.4 * both[1].total(gold))
            variances.append(
                0.36 * both[0].covariance(gold, gold) + 0.16 * both[1].covariance(gold, gold)
            )
    truth = sum(y for y, _ in POPULATION)
    assert sum(values) / len(values) == pytest.approx(truth)
    spread = sum((value - truth) ** 2 for value in values) / len(values)
    assert sum(variances) / len(variances) == pytest.approx(spread)


def test_a_group_uses_the_whole_sample_and_speaks_of_itself():
    """20 of 50 are inside, 10 of them yes: with the number inside free, the ratio is 0.5."""
    inside = simple([(1, 1)] * 10 + [(0, 0)] * 10, 500)[:20]
    drawn = [one._replace(probability=0.1) for one in inside]
    drawn += [Drawn("", 0.1, False, True, True)] * 30
    found = designed([draw(drawn)], 220, 110)
    assert found.labelled_only.estimate.value == pytest.approx(0.5)
    assert found.ppi.estimate.value == pytest.approx(0.5)


def test_what_cannot_be_said():
    assert designed([], 10, 1).ppi.problem == "no labels from a sample"
    alone = [*simple([(1, 1)], 5, "yes"), *simple([(0, 0), (1, 0)], 9, "no")]
    assert designed([draw(alone)], 14, 5).ppi.problem == "one label only from yes"
    unanimous = designed([draw(simple([(0, 0)] * 20, 100))], 100, 0)
    assert unanimous.labelled_only.estimate.interval == pytest.approx(wilson(0, 20))
    assert unanimous.rogan_gladen.problem == "needs labels of both kinds"
    assert unanimous.ppi.estimate.interval is None
    assert unanimous.n_wrong == 0


def test_shares_stay_within_0_and_1():
    for yes, no, said_yes in product((0, 1, 5), (1, 5), (0, 50, 100)):
        rows = [(1, 0)] * yes + [(0, 1)] * no
        found = designed([draw(simple(rows, 100))], 100, said_yes)
        for share in (found.labelled_only, found.rogan_gladen, found.ppi):
            if share.estimate.value is not None and share.estimate.interval:
                assert 0 <= share.estimate.low <= share.estimate.value <= share.estimate.high <= 1
