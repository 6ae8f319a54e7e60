"""Answers held against themselves: against an independent implementation and a worked example."""

import random
from collections import Counter

import pytest

from overnight.domain.answer import AnswerField
from overnight.domain.judgement import Judgement
from overnight.report.repeats import repeated, retest, retest_table
from overnight.report.statistics.estimate import wilson
from overnight.report.statistics.repeated import consistency

# Ten subjects, five categories, fourteen raters: the worked example that encyclopaedias print.
TABLE = (
    *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
    *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
)


def answers_of(counts):
    return tuple(value for value, n in enumerate(counts) for _ in range(n))


def test_the_worked_example_of_fleiss_kappa():
    profiles = Counter((answers_of(row),) for row in TABLE)
    found = consistency(profiles, 14)
    assert found.agreement.value == pytest.approx(0.378, abs=0.0005)
    assert found.kappa.value == pytest.approx(0.210, abs=0.0005)
    assert (found.n, found.n_flips) == (10, 9)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_equals_that_of_statsmodels(seed):
    fleiss_kappa = pytest.importorskip("statsmodels.stats.inter_rater").fleiss_kappa
    rng = random.Random(seed)
    rows = [[rng.choice("abc") for _ in range(4)] for _ in range(60)]
    cases = Counter((tuple(rows[i]), tuple(rows[i + 1])) for i in range(0, 60, 2))
    table = [[row.count(value) for value in "abc"] for row in rows]
    assert consistency(cases, 4).kappa.value == pytest.approx(fleiss_kappa(table))


def test_without_a_flip_there_is_still_an_upper_bound():
    found = consistency(Counter({((True, True),): 60, ((False, False),): 40}), 2)
    assert found.n_flips == 0
    assert (found.flips.low, found.flips.high) == wilson(0, 100)
    assert (found.agreement.value, found.kappa.value) == (1.0, 1.0)
    assert found.kappa.interval is None, "resampling cannot move it"


def test_narratives_of_one_case_are_not_independent():
    """Cases that flip as a whole: the interval knows how few they are."""
    flips, stays = (True, False), (True, True)
    alone = consistency(Counter({(flips,): 20, (stays,): 80}), 2)
    together = consistency(Counter({(flips,) * 5: 4, (stays,) * 5: 16}), 2)
    assert alone.flips.value == together.flips.value == 0.2
    assert together.flips.high - together.flips.low > 1.5 * (alone.flips.high - alone.flips.low)


def judged(*said, case="a", kind="le", error=None, asked=True):
    return [Judgement(1, case, kind, None, None, one, None, error, asked, b"") for one in said]


def test_texts_and_numbers_are_compared_by_value_and_have_no_kappa():
    first = [*judged("1.0", case="a"), *judged("2", case="b"), *judged("3", case="c")]
    second = [*judged("1", case="a"), *judged("5", case="b"), *judged("3.00", case="c")]
    found = retest([first, second], AnswerField("n", "number"))
    assert (found.consistency.n, found.consistency.n_flips) == (3, 1)
    assert found.consistency.kappa.value is None
    assert ["Fleiss' kappa", "n/a"] in retest_table(found)


def test_what_has_no_answer_is_counted_apart():
    first = [*judged("1", case="a"), *judged(None, case="b", error="parse_error")]
    second = [*judged("0", case="a"), *judged("1", case="b")]
    field = AnswerField("detected", "boolean")
    found = retest([first, second], field)
    assert (found.n_asked, found.n_unanswered, found.consistency.n_flips) == (2, 1, 1)
    assert [one.answers for one in repeated([first, second], field)] == [("1", "0"), (None, "1")]


def test_nothing_to_compare_is_no_figure():
    found = retest([[], []], AnswerField("detected", "boolean"))
    assert found.consistency.flips.value is None
    assert found.consistency.agreement.value is None
