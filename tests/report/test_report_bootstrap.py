"""The bootstrap by case: exact draws, repeatable, quick, and the intervals of SciPy."""

import random
import runpy
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.report.statistics.binary import FIGURES, figures
from overnight.report.statistics.resample import (
    bca,
    binomial,
    bootstrap,
    multinomial,
    replicates_for,
)

PROFILES = {(0,): 40, (1,): 90, (2,): 12, (3,): 9, (0, 0): 15, (1, 1): 60, (2, 2): 5, (0, 3): 11}


@pytest.mark.parametrize(("n", "p"), [(5, 0.3), (200, 0.02), (60, 0.5), (1000, 0.9), (17_500, 0.4)])
def test_draws_are_binomial(n, p):
    """A chi-square test on 20,000 draws; the seed is fixed, so it cannot fail by bad luck."""
    stats = pytest.importorskip("scipy.stats")
    rng, size = random.Random(1), 20_000
    draws = [binomial(rng, n, p) for _ in range(size)]
    assert all(0 <= draw <= n for draw in draws)
    edges = sorted({int(stats.binom.ppf(q / 20, n, p)) for q in range(1, 20)})
    lower = [0.0, *(float(stats.binom.cdf(edge, n, p)) for edge in edges), 1.0]
    expected = [size * (b - a) for a, b in pairwise(lower)]
    places = Counter(sum(draw > edge for edge in edges) for draw in draws)
    observed = [places[i] for i in range(len(expected))]
    kept = [(o, e) for o, e in zip(observed, expected, strict=True) if e > 5]
    chi = sum((o - e) ** 2 / e for o, e in kept)
    assert stats.chi2.sf(chi, len(kept) - 1) > 0.001


@given(counts=st.lists(st.integers(0, 300), min_size=1, max_size=9), seed=st.integers(0, 9))
@settings(database=None, deadline=None)
def test_a_replicate_has_as_many_cases_as_the_study_and_no_profile_that_was_not_there(counts, seed):
    drawn = multinomial(random.Random(seed), counts)
    assert sum(drawn) == sum(counts)
    assert all(n == 0 for n, there in zip(drawn, counts, strict=True) if there == 0)


def test_the_same_seed_gives_the_same_intervals_everywhere():
    first = bootstrap(PROFILES, figures, 4, replicates=200)
    again = bootstrap(dict(reversed(PROFILES.items())), figures, 4, replicates=200)
    assert first == again
    assert first[FIGURES.index("kappa")].interval == pytest.approx(
        bootstrap(PROFILES, figures, 4, replicates=200, seed=5)[FIGURES.index("kappa")].interval,
        abs=0.05,
    )


@pytest.mark.parametrize("name", ["f1", "kappa", "mcc", "balanced_accuracy", "accuracy"])
def test_intervals_are_those_of_scipy_for_resampled_cases(name):
    """scipy.stats.bootstrap draws the cases themselves; Monte Carlo error is all that differs."""
    numpy, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")
    place = FIGURES.index(name)
    cases = numpy.array(
        [[p.count(c) for c in range(4)] for p, n in PROFILES.items() for _ in range(n)]
    )

    def statistic(chosen):
        return figures([int(total) for total in cases[chosen].sum(axis=0)])[place]

    expected = stats.bootstrap(
        (numpy.arange(len(cases)),),
        statistic,
        vectorized=False,
        n_resamples=3000,
        method="BCa",
        rng=numpy.random.default_rng(4),
    ).confidence_interval
    found = bootstrap(PROFILES, figures, 4, replicates=3000)[place]
    assert found.interval == pytest.approx(tuple(expected), abs=0.006)
    assert found.method == "bootstrap by case"


def test_two_narratives_of_a_case_that_say_the_same_make_the_interval_no_narrower():
    single = bootstrap({(0,): 40, (1,): 90, (2,): 12, (3,): 9}, figures, 4)[0]
    double = bootstrap({(0, 0): 40, (1, 1): 90, (2, 2): 12, (3, 3): 9}, figures, 4)[0]
    assert double.value == single.value
    assert double.interval == pytest.approx(single.interval)
    assert double.n == 2 * single.n


@pytest.mark.parametrize("profiles", [{}, {(): 5}, {(0, 1): 1}, {(0,): 30, (1,): 70}])
def test_what_resampling_cannot_move_has_no_interval(profiles):
    """Nothing, one case, all right: an interval of no width would claim certainty."""
    for estimate in bootstrap(profiles, figures, 4):
        assert estimate.interval is None


def test_a_figure_that_most_replicates_do_not_have_has_no_interval():
    few = bootstrap({(0,): 1, (1,): 200}, figures, 4)
    assert few[FIGURES.index("recall")].interval is None


def test_bca_without_bias_and_skewness_is_the_percentile_interval():
    rng = random.Random(2)
    drawn = sorted(rng.gauss(0, 1) for _ in range(4001))
    low, high = bca(drawn[2000], drawn, 0.0)
    assert (low, high) == pytest.approx((drawn[100], drawn[3900]), abs=1e-6)
    assert bca(1.0, [1.0, 1.0], 0.0) is None


def test_thousands_of_profiles_get_fewer_replicates():
    assert (replicates_for(14), replicates_for(1500), replicates_for(10**6)) == (2000, 1000, 500)


def test_the_simulation_of_coverage_runs(capsys):
    """tests/chaos/interval_coverage.py takes a minute and is not run here, but it must not rot."""
    script = Path(__file__).resolve().parent.parent / "chaos" / "interval_coverage.py"
    simulation = runpy.run_path(str(script), run_name="simulation")
    assert simulation["main"](2) in (0, 1)
    assert "PPI++, random" in capsys.readouterr().out


def test_35000_narratives_take_well_under_some_seconds():
    rng = random.Random(6)
    cases = Counter(
        tuple(sorted(rng.choices(range(4), (20, 70, 6, 4), k=2))) for _ in range(17_500)
    )
    start = time.process_time()  # others on the machine do not count
    bootstrap(cases, figures, 4)
    assert time.process_time() - start < 5
