"""Each figure against an independent implementation, or a published worked example."""

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import statistics_data as data
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.report.statistics.agreement import agreement
from overnight.report.statistics.amounts import amounts, set_figures
from overnight.report.statistics.binary import (
    FIGURES,
    Confusion,
    cell,
    figures,
    kappa,
    mcc,
    parts,
    with_errors,
)
from overnight.report.statistics.calibration import calibrate
from overnight.report.statistics.cases import RULES, decide
from overnight.report.statistics.classes import class_figures
from overnight.report.statistics.estimate import linearised, share_by_case, share_of, wilson
from overnight.report.statistics.paired import difference, holm, mcnemar
from overnight.report.statistics.ranking import Scored, rank

HERE = Path(__file__).resolve().parent
REFERENCE = json.loads((HERE / "reference" / "reference.json").read_text())


def scored(rows, per_case=1):
    """Rows of (label, answer, score); `per_case` of them make a case."""
    return Scored(
        [r[2] for r in rows], [r[0] for r in rows], [i // per_case for i in range(len(rows))]
    )


# --- yes and no ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_yes_and_no_are_those_of_scikit_learn(name):
    cells = Counter(cell(bool(label), bool(answer)) for label, answer, _ in data.judged())
    values = dict(zip(FIGURES, figures([cells[i] for i in range(4)]), strict=True))
    assert values[name] == pytest.approx(REFERENCE["binary"][name], abs=1e-12)


def test_kappa_by_hand():
    """20, 5, 10, 15 of 50: 0.7 agree, 0.5 would by chance, so 0.2 / 0.5."""
    assert kappa((20, 15, 5, 10)) == pytest.approx(0.4)


@given(counts=st.tuples(*[st.integers(0, 400)] * 4))
@settings(deadline=None, database=None, max_examples=100)
def test_kappa_is_that_of_statsmodels_and_mcc_the_correlation(counts):
    rater = pytest.importorskip("statsmodels.stats.inter_rater")
    numpy = pytest.importorskip("numpy")
    tp, tn, fp, fn = counts
    if 0 in (tp + fp, tn + fn, tp + fn, tn + fp):
        assert mcc(counts) is None
        return
    assert kappa(counts) == pytest.approx(rater.cohens_kappa([[tp, fn], [fp, tn]]).kappa, abs=1e-9)
    label = numpy.repeat([1, 0, 0, 1], counts)
    answer = numpy.repeat([1, 0, 1, 0], counts)
    assert mcc(counts) == pytest.approx(numpy.corrcoef(label, answer)[0, 1], abs=1e-9)


def test_what_cannot_be_divided_is_none():
    assert set(figures((0, 0, 0, 0))) == {None}
    only_no = dict(zip(FIGURES, figures((0, 9, 0, 0)), strict=True))
    assert only_no["accuracy"] == only_no["specificity"] == 1.0
    assert {k for k, v in only_no.items() if v is None} == set(FIGURES) - {
        "accuracy",
        "specificity",
    }


@given(
    counts=st.tuples(*[st.integers(0, 60)] * 4),
    yes=st.integers(0, 20),
    no=st.integers(0, 20),
    split=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(deadline=None, database=None, max_examples=200)
def test_whatever_the_errors_would_have_been_the_figures_lie_between_the_bounds(
    counts, yes, no, split
):
    wrong, right = with_errors(Confusion(*counts), yes, no)
    hit, passed = round(split[0] * yes), round(split[1] * no)
    tp, tn, fp, fn = counts
    between = figures((tp + hit, tn + passed, fp + no - passed, fn + yes - hit))
    for name, low, value, high in zip(FIGURES, wrong, between, right, strict=True):
        if name in parts(Confusion(*counts)) or name == "f1":
            assert None in (low, value, high) or low - 1e-12 <= value <= high + 1e-12, name


# --- intervals of shares -------------------------------------------------------------------------


def test_a_share_of_independent_narratives_has_wilsons_interval_also_by_case():
    variance = 0.3 * 0.7 / 200
    assert share_by_case(60, 200, variance).interval == pytest.approx(wilson(60, 200))
    assert share_by_case(60, 200, variance / 9).interval == pytest.approx(wilson(60, 200))
    assert share_by_case(60, 200, 2 * variance).interval == pytest.approx(wilson(30, 100))
    assert share_by_case(0, 20, 0).interval == wilson(0, 20)
    assert share_of(0, 0).value is None


def test_an_interval_on_the_log_odds_scale_stays_within_zero_and_one():
    wide = linearised(0.99, 0.01, 10, logit=True)
    assert 0 < wide.low < 0.99 < wide.high < 1
    assert linearised(0.5, 1e9, 10, logit=True).interval == pytest.approx((0, 1))
    assert linearised(1.0, 0.0, 10, logit=True).interval is None


# --- scores --------------------------------------------------------------------------------------


def test_auc_and_average_precision_are_those_of_scikit_learn():
    found = rank(scored(data.judged()))
    assert found.auc.value == pytest.approx(REFERENCE["binary"]["auc"], abs=1e-12)
    expected = REFERENCE["binary"]["average_precision"]
    assert found.average_precision.value == pytest.approx(expected, abs=1e-12)
    assert found.best_f1.value == pytest.approx(REFERENCE["binary"]["best_f1"], abs=1e-12)


def test_auc_of_the_published_ratings_of_109_images():
    """Hanley and McNeil (1982), table 1: 0.893, standard error 0.032 by their formula."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    rows = [(0, 0, score) for score, n in enumerate(normal) for _ in range(n)]
    rows += [(1, 1, score) for score, n in enumerate(abnormal) for _ in range(n)]
    auc = rank(scored(rows)).auc
    assert auc.value == pytest.approx(0.893, abs=5e-4)
    half = (auc.high - auc.low) / 2
    assert half == pytest.approx(1.96 * 0.032, rel=0.1)


def test_the_interval_of_auc_is_delongs_where_each_case_has_one_narrative():
    rows = data.judged(n=150)
    yes = [s for label, _, s in rows if label]
    no = [s for label, _, s in rows if not label]

    def wins(a, b):
        return 1.0 if a > b else 0.5 if a == b else 0.0

    of_yes = [sum(wins(a, b) for b in no) / len(no) for a in yes]
    of_no = [sum(wins(a, b) for a in yes) / len(yes) for b in no]
    auc = sum(of_yes) / len(yes)
    variance = (
        sum(sum((v - auc) ** 2 for v in part) / len(part) ** 2 for part in (of_yes, of_no))
        * len(rows)
        / (len(rows) - 1)
    )
    found = rank(scored(rows)).auc
    assert found.value == pytest.approx(auc)
    assert found.interval == pytest.approx(linearised(auc, variance, 150, logit=True).interval)


@pytest.mark.parametrize("figure", ["auc", "average_precision"])
def test_intervals_of_rankings_agree_with_leaving_out_one_case_at_a_time(figure):
    rows, per_case = data.judged(n=300), 3
    full = getattr(rank(scored(rows, per_case)), figure)
    n_cases = len(rows) // per_case
    left = []
    for case in range(n_cases):
        rest = rows[: case * per_case] + rows[(case + 1) * per_case :]
        left.append(getattr(rank(scored(rest, per_case)), figure).value)
    mean = sum(left) / n_cases
    variance = (n_cases - 1) / n_cases * sum((v - mean) ** 2 for v in left)
    expected = linearised(full.value, variance, 300, logit=True).interval
    assert full.interval == pytest.approx(expected, abs=0.004)


def test_a_ranking_needs_both_labels():
    found = rank(Scored([0.1, 0.9], [1, 1], [0, 1]))
    assert found.auc.value is found.average_precision.value is found.best_f1 is None


def test_the_best_threshold_is_one_of_the_scores_and_the_highest_of_equals():
    found = rank(Scored([0.2, 0.4, 0.6, 0.8], [0, 0, 1, 1], [0, 1, 2, 3]))
    assert (found.best_f1.threshold, found.best_f1.value) == (0.6, 1.0)
    assert (found.best_f1.recall, found.best_f1.specificity) == (1.0, 1.0)
    assert found.auc.value == 1.0
    assert found.auc.interval is None  # nothing was sorted wrongly: no interval of no width


# --- calibration ---------------------------------------------------------------------------------


def test_brier_is_that_of_scikit_learn_seen_from_the_answer_or_from_yes():
    rows = data.judged()
    from_yes = calibrate([s for _, _, s in rows], [y for y, _, _ in rows], range(len(rows)))
    assert from_yes.brier.value == pytest.approx(REFERENCE["binary"]["brier"], abs=1e-12)
    answers = [(s, y) if s >= 0.5 else (1 - s, 1 - y) for y, _, s in rows]
    seen = calibrate([c for c, _ in answers], [r for _, r in answers], range(len(rows)))
    assert seen.brier.value == pytest.approx(from_yes.brier.value)


def test_the_reliability_table_and_its_expected_error_by_hand():
    found = calibrate([0.95, 0.95, 0.95, 0.95, 0.6, 0.6, 1.0], [1, 1, 1, 0, 0, 1, 1], range(7))
    assert [(b.low, b.right.n, b.right.k) for b in found.bins] == [(0.6, 2, 1), (0.9, 5, 4)]
    assert found.bins[1].confidence == pytest.approx(0.96)
    assert found.expected_error == pytest.approx((2 * 0.1 + 5 * 0.16) / 7)
    assert found.overconfidence == pytest.approx((3.8 + 1.2 + 1 - 5) / 7)


def test_a_confidence_on_the_border_of_two_bins_goes_up():
    borders = [i / 10 for i in range(11)]
    found = calibrate(borders, [1] * 11, range(11))
    assert [b.right.n for b in found.bins] == [1] * 9 + [2]


def test_nothing_to_calibrate():
    assert calibrate([], [], []).bins == ()


# --- classes, numbers, lists ---------------------------------------------------------------------


def test_figures_of_classes_are_those_of_scikit_learn():
    rows = data.classes()
    names = sorted({name for row in rows for name in row})
    place = {name: i for i, name in enumerate(names)}
    profiles = Counter((len(names) * place[label] + place[answer],) for label, answer in rows)
    found = class_figures(names, profiles)
    for name, estimate in found.means.items():
        assert estimate.value == pytest.approx(REFERENCE["classes"][name], abs=1e-12), name
        assert estimate.low < estimate.value < estimate.high
    fire = next(one for one in found.classes if one.name == "fire")
    assert fire.precision.value == pytest.approx(REFERENCE["classes"]["precision_fire"])
    assert fire.recall.value == pytest.approx(REFERENCE["classes"]["recall_fire"])
    rare = next(one for one in found.classes if one.name == "rare")
    assert (rare.precision.value, rare.recall.value, rare.f1) == (None, 0.0, 0.0)
    assert sum(n for _, _, n in found.matrix) == len(rows)


def test_numbers_are_measured_as_scikit_learn_and_scipy_do():
    label, answer = zip(*data.amounts(), strict=True)
    found = amounts(label, answer, range(len(label)))
    for name, expected in REFERENCE["amounts"].items():
        value = getattr(found, name)
        assert getattr(value, "value", value) == pytest.approx(expected, abs=1e-12)
    assert found.bias.value == pytest.approx(sum(answer) / 120 - sum(label) / 120)


def test_the_interval_of_a_correlation_is_near_fishers_where_numbers_are_normal():
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(3)
    label = [rng.gauss(0, 1) for _ in range(2000)]
    answer = [x + rng.gauss(0, 1) for x in label]
    expected = stats.pearsonr(label, answer).confidence_interval()
    assert amounts(label, answer, range(2000)).pearson.interval == pytest.approx(expected, abs=0.01)


def test_numbers_that_do_not_vary_have_no_correlation():
    found = amounts([1, 2], [3, 3], [0, 1])
    assert found.pearson.value is found.spearman is None
    assert found.mean_absolute_error.value == 1.5
    assert amounts([], [], []).spearman is None


def test_lists_are_compared_as_sets_trimmed_and_without_case():
    found = set_figures([(["Gun", "knife"], ["gun ", "GUN", "rope"]), ([], []), (["gun"], [])])
    assert (found.micro_precision, found.micro_recall) == (1 / 2, 1 / 3)
    assert found.macro_precision == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.macro_recall == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.exact == pytest.approx(1 / 3)
    assert set_figures([]).exact is None


# --- cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("votes", "any_", "all_", "majority"),
    [
        ([True, False], True, False, False),
        ([True, True, False], True, False, True),
        ([False], False, False, False),
        ([True, None], True, None, None),
        ([False, None], None, False, False),
        ([True, True, None], True, None, True),
        ([None], None, None, None),
        ([], None, None, None),
    ],
)
def test_a_case_is_decided_once_the_missing_votes_cannot_turn_it(votes, any_, all_, majority):
    assert tuple(decide(rule, votes) for rule in RULES) == (any_, all_, majority)


@given(votes=st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
@settings(database=None, deadline=None)
def test_a_decided_case_stays_decided_however_the_missing_votes_fall(votes):
    for rule in RULES:
        decided = decide(rule, votes)
        for fill in (True, False):
            filled = decide(rule, [fill if vote is None else vote for vote in votes])
            assert decided in (None, filled)


# --- pairs ---------------------------------------------------------------------------------------


@given(b=st.integers(0, 700), c=st.integers(0, 700))
@settings(deadline=None, database=None, max_examples=100)
def test_mcnemar_is_that_of_statsmodels(b, c):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    if b == c:  # where statsmodels' correction overshoots
        assert mcnemar(b, c).p == 1.0
        return
    expected = tables.mcnemar([[5, b], [c, 5]], exact=b + c <= 1000, correction=True).pvalue
    assert mcnemar(b, c).p == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_mcnemar_of_the_published_approval_ratings():
    """Agresti (2002), section 10.1: 150 and 86 of 1,600 changed their mind, z² = 17.4."""
    found = mcnemar(150, 86)
    assert found.how == "exact binomial"
    assert found.p == pytest.approx(3.7e-5, rel=0.05)


def test_a_difference_in_accuracy_has_the_textbook_interval_where_cases_have_one_narrative():
    """Agresti (2002), section 10.1: 0.04 with the standard error 0.0095."""
    both, first, second, neither = 794, 150, 86, 570
    profiles = {
        ((True, True),): both,
        ((True, False),): first,
        ((False, True),): second,
        ((False, False),): neither,
    }
    found = difference(profiles)
    assert found.value == pytest.approx((150 - 86) / 1600)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.0095, rel=0.01)
    assert difference({}).value is None


def test_two_equal_narratives_of_a_case_are_one_witness():
    single = difference({((True, False),): 30, ((False, True),): 10, ((True, True),): 60})
    double = difference(
        {((True, False),) * 2: 30, ((False, True),) * 2: 10, ((True, True),) * 2: 60}
    )
    assert double.interval == pytest.approx(single.interval)


def test_holm_is_that_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    values = [0.04, 0.001, 0.03, 0.2]
    assert holm(values) == pytest.approx(list(multitest.multipletests(values, method="holm")[1]))
    assert all(a <= b for a, b in pairwise(holm(sorted(values))))


def test_agreement_of_two_sources_in_both_directions():
    pairs = {
        ((True, True),): 20,
        ((True, False),): 5,
        ((False, True),): 10,
        ((False, False),): 15,
    }
    found = agreement(pairs)
    assert (found.n, found.equal.value) == (50, 0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low < 0.4 < found.kappa.high
    ways = found.both_ways
    assert ways.second_given_first.interval == wilson(20, 25)
    assert ways.first_given_second.interval == wilson(20, 30)
    assert ways.mcnemar.p == mcnemar(5, 10).p


def test_agreement_of_classes_has_kappa_and_no_directions():
    rows = data.classes()
    found = agreement(Counter(((label, answer),) for label, answer in rows))
    assert found.kappa.value == pytest.approx(REFERENCE["classes"]["kappa"])
    assert found.both_ways is None
    assert agreement({}).kappa.value is None
