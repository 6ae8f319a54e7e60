"""The share of yes in truth: against ppi-python, by hand, by leaving out one case at a time."""

import json
from collections import Counter
from pathlib import Path

import pytest
import statistics_data as data

from overnight.report.statistics.estimate import Z95, wilson
from overnight.report.statistics.prevalence import Judged, prevalence

HERE = Path(__file__).resolve().parent
PPI = json.loads((HERE / "reference" / "reference.json").read_text())["ppi"]


def of(labelled, rest, stratum="le"):
    """A study in which each narrative is a case."""
    cases = [(Judged(stratum, bool(y), bool(f)),) for y, f in labelled]
    return Counter([*cases, *((Judged(stratum, None, bool(f)),) for f in rest)])


def by_hand(*counts):
    """Counts of label-answer among the labelled, then answers among the rest."""
    yes_yes, yes_no, no_yes, no_no, rest_yes, rest_no = counts
    labelled = [(1, 1)] * yes_yes + [(1, 0)] * yes_no + [(0, 1)] * no_yes + [(0, 0)] * no_no
    return of(labelled, [1] * rest_yes + [0] * rest_no)


def test_ppi_is_that_of_ppi_python():
    found = prevalence(of(*data.study())).ppi.estimate
    assert found.value == pytest.approx(PPI["value"], abs=1e-12)
    # theirs divides by n, ours by n - 1 of all cases: 1 in 1,700
    assert found.interval == pytest.approx((PPI["low"], PPI["high"]), abs=3e-5)


def test_ppi_without_unlabelled_narratives_is_the_mean_of_the_labels():
    found = prevalence(by_hand(20, 5, 8, 67, 0, 0))
    assert found.ppi.estimate.value == found.labelled_only.estimate.value == 0.25
    assert found.ppi.tuning == {"": 0.0}


def test_ppi_trusts_perfect_answers_and_ignores_noise():
    perfect = prevalence(by_hand(20, 0, 0, 80, 2000, 8000)).ppi
    assert perfect.tuning[""] == pytest.approx(100 / 101, abs=0.02)
    noise = prevalence(by_hand(10, 10, 40, 40, 5000, 5000)).ppi
    assert noise.tuning[""] == 0.0
    assert noise.estimate.value == 0.2


def test_the_naive_share_is_biased_and_the_others_are_not():
    """One in ten is yes; the machine finds 90 % of them and 10 % of the others: 18 %."""
    counted = prevalence(by_hand(90, 10, 90, 810, 1620, 7380))
    assert counted.naive.estimate.value == pytest.approx(0.18)
    assert counted.rogan_gladen.estimate.value == pytest.approx(0.1)
    assert counted.ppi.estimate.value == pytest.approx(0.1)
    assert counted.labelled_only.estimate.value == pytest.approx(0.1)
    assert counted.labelled_only.estimate.interval == pytest.approx(wilson(100, 1000), abs=1e-4)


def test_rogan_gladen_of_a_worked_example():
    """20 % positive, sensitivity 0.8, specificity 0.9: (0.2 + 0.9 - 1) / 0.7 = 0.1429."""
    found = prevalence(by_hand(80, 20, 10, 90, 170, 630)).rogan_gladen.estimate
    p = (80 + 10 + 170) / 1000
    assert found.value == pytest.approx((p + 0.9 - 1) / 0.7)


def test_the_delta_method_is_that_of_rogan_and_gladen_where_samples_are_apart():
    """Their variance (1978): [p(1-p)/N + se(1-se) P^2/n1 + sp(1-sp) (1-P)^2/n0] / J^2.

    Ours takes p over all narratives, the labelled among them; 1 in 500 here.
    """
    found = prevalence(by_hand(80, 20, 10, 90, 30_000, 70_000)).rogan_gladen.estimate
    p, total = (90 + 30_000) / 100_200, 100_200
    share = (p - 0.1) / 0.7
    variance = (p * (1 - p) / total + 0.16 / 100 * share**2 + 0.09 / 100 * (1 - share) ** 2) / 0.49
    assert (found.high - found.low) / 2 == pytest.approx(Z95 * variance**0.5, rel=0.01)


def test_what_rogan_gladen_cannot_say():
    assert (
        prevalence(by_hand(0, 0, 3, 5, 9, 9)).rogan_gladen.problem == "needs labels of both kinds"
    )
    assert "chance" in prevalence(by_hand(5, 5, 5, 5, 9, 9)).rogan_gladen.problem
    below = prevalence(by_hand(80, 20, 30, 70, 1, 999)).rogan_gladen
    assert (below.estimate.value, below.clipped) == (0.0, True)


def test_without_labels_only_the_naive_share_is_left():
    found = prevalence(of([], [1, 0, 0, 0]))
    assert found.naive.estimate.value == 0.25
    assert found.ppi.problem == found.labelled_only.problem == "no labels"
    nothing = prevalence({})
    assert (nothing.n, nothing.bounds, nothing.naive.problem) == (0, None, "no answers")


def test_errors_bound_the_naive_share_and_do_not_bias_ppi():
    """Half of the yes fail; whoever is labelled shows it."""
    labelled = {(Judged("le", True, None),): 10, (Judged("le", True, True),): 10}
    labelled |= {(Judged("le", False, False),): 80}
    rest = {(Judged("le", None, None),): 100, (Judged("le", None, True),): 100}
    rest |= {(Judged("le", None, False),): 800}
    found = prevalence(labelled | rest)
    assert found.n_errors == 110
    assert found.bounds == (0.1, 0.2)
    assert found.naive.estimate.value == pytest.approx(110 / 990)
    assert found.ppi.estimate.value == pytest.approx(0.2)
    assert found.rogan_gladen.estimate.value == pytest.approx(0.2)


def test_strata_are_weighed_as_they_are_among_all():
    """le: 10 % yes of 9,000, 100 labelled; cme: 50 % yes of 1,000, 400 labelled."""
    le = of([(1, 1)] * 10 + [(0, 0)] * 90, [1] * 890 + [0] * 8010, "le")
    cme = of([(1, 1)] * 200 + [(0, 0)] * 200, [1] * 300 + [0] * 300, "cme")
    pooled = prevalence(le + cme)
    right = prevalence(le + cme, by_stratum=True)
    assert pooled.labelled_only.estimate.value == pytest.approx(210 / 500)
    assert right.labelled_only.estimate.value == pytest.approx(0.14)
    assert right.ppi.estimate.value == pytest.approx(0.14)
    assert set(right.ppi.tuning) == {"cme", "le"}
    parts = [prevalence(part).ppi.estimate for part in (le, cme)]
    variance = sum(
        (w * (e.high - e.low) / 2 / Z95) ** 2 for w, e in zip((0.9, 0.1), parts, strict=True)
    )
    half = (right.ppi.estimate.high - right.ppi.estimate.low) / 2
    assert half == pytest.approx(Z95 * variance**0.5, rel=1e-3)


def test_a_stratum_without_labels_is_named():
    cases = of([(1, 1), (0, 0)], [1, 0], "le") + of([], [1], "cme")
    assert prevalence(cases, by_stratum=True).ppi.problem == "no labels of type cme"


@pytest.mark.parametrize("estimator", ["naive", "labelled_only", "rogan_gladen", "ppi"])
def test_intervals_agree_with_leaving_out_one_case_at_a_time(estimator):
    """Two narratives a case, of which one may be labelled and the other not."""
    labelled, rest = data.study(n=400, rest=800)
    cases = [
        (Judged("le", bool(y), bool(f)), Judged("cme", None, bool(g)))
        for (y, f), g in zip(labelled, rest, strict=False)
    ]
    cases += [(Judged("le", None, bool(f)), Judged("cme", None, bool(f))) for f in rest[400:]]
    profiles = Counter(cases)
    n = len(cases)
    full = getattr(prevalence(profiles), estimator).estimate
    left = {}
    for case in profiles:
        less = Counter(profiles)
        less[case] -= 1
        left[case] = getattr(prevalence(+less), estimator).estimate.value
    mean = sum(left[case] * k for case, k in profiles.items()) / n
    spread = (n - 1) / n * sum(k * (left[case] - mean) ** 2 for case, k in profiles.items())
    half = (full.high - full.low) / 2
    assert half == pytest.approx(Z95 * spread**0.5, rel=0.03)


def test_two_narratives_of_a_case_that_are_the_same_are_one_witness():
    single = of(*data.study())
    double = Counter({case * 2: n for case, n in single.items()})
    one, two = prevalence(single), prevalence(double)
    for name in ("naive", "labelled_only", "rogan_gladen"):
        first, second = getattr(one, name).estimate, getattr(two, name).estimate
        assert second.interval == pytest.approx(first.interval), name
