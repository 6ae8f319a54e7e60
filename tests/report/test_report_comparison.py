"""Two experiments, narrative by narrative."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField
from overnight.domain.judgement import Judgement
from overnight.report.comparison import compare, merged
from overnight.report.statistics.paired import mcnemar

DETECTED = DEFAULT_ANSWER.primary_field
AGE = AnswerField("age", "integer")


def judgement(case, said, label=None, *, type_="le", text=b"t"):
    """`said` is the primary answer, or "!" for an error, or "?" for one that was not asked."""
    primary = None if said in ("!", "?") else said
    error = "refusal" if said == "!" else None
    return Judgement(1, case, type_, label, None, primary, None, error, said != "?", text)


keys = st.sets(st.text("ab\U0001f409z", min_size=1, max_size=3), max_size=8)


@given(first=keys, second=keys)
@settings(database=None, deadline=None)
def test_merging_matches_every_key_once_and_keeps_the_order(first, second):
    a, b = ([judgement(key, "1") for key in sorted(ids)] for ids in (first, second))
    pairs = list(merged(a, b))
    found = [(x or y).incident_id for x, y in pairs]
    assert found == sorted(first | second)
    assert {x.incident_id for x, y in pairs if x and y} == first & second


def test_every_narrative_of_either_is_counted_once():
    first = [
        judgement("a", "1", "1"),
        judgement("b", "1"),
        judgement("c", "!"),
        judgement("d", "1", text=b"old"),
        judgement("e", "?"),
        judgement("f", "0"),
    ]
    second = [
        judgement("a", "0", "1"),
        judgement("c", "1"),
        judgement("d", "1", text=b"new"),
        judgement("e", "1"),
        judgement("f", "?"),
        judgement("g", "?"),
    ]
    found = compare(first, second, DETECTED)
    assert (found.paired, found.unanswered, found.texts_differ) == (1, 1, 1)
    assert (found.only_first, found.only_second) == (2, 1)  # b and f; e
    assert (found.measured, found.n_differing) == (1, 1)
    one = found.differing[0]
    assert (one.incident_id, one.label, one.first, one.second) == ("a", "1", "1", "0")


def test_who_is_right_more_often_is_tested_on_the_labelled():
    rows = [("1", "0", "1")] * 9 + [("0", "1", "1")] * 2 + [("1", "1", "1")] * 20
    rows += [("1", "0", None)] * 5
    first = [judgement(f"{i:02}", a, label) for i, (a, _, label) in enumerate(rows)]
    second = [judgement(f"{i:02}", b, label) for i, (_, b, label) in enumerate(rows)]
    found = compare(first, second, DETECTED, limit=3)
    assert found.mcnemar == mcnemar(9, 2)
    assert found.accuracy_difference.value == pytest.approx(7 / 31)
    assert (found.paired, found.measured, found.n_differing) == (36, 31, 16)
    assert len(found.differing) == 3
    ways = found.agreement.both_ways
    assert (ways.both, ways.only_first, ways.only_second) == (20, 14, 2)


def test_a_label_that_two_versions_of_a_file_give_differently_measures_nothing():
    found = compare([judgement("a", "1", "1")], [judgement("a", "1", "0")], DETECTED)
    assert (found.paired, found.measured) == (1, 0)


def test_numbers_are_compared_by_value_and_have_no_kappa():
    found = compare(
        [judgement("a", "2.0"), judgement("b", "3")],
        [judgement("a", "2"), judgement("b", "4")],
        AGE,
    )
    assert (found.same.value, found.agreement) == (0.5, None)


def test_nothing_in_common():
    found = compare([], [judgement("a", "1")], DETECTED)
    assert (found.paired, found.only_second, found.same.value) == (0, 1, None)
