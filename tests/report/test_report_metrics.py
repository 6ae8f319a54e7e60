import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.report.metrics import measure, metrics_json
from overnight.report.statistics.binary import Confusion
from overnight.report.statistics.estimate import Proportion, wilson

EVENT = AnswerSpec((AnswerField("event", "enum", values=("11", "42", "Fall")),), primary="event")


def counts(*rows, repairs=None):
    """Rows are (gold, predicted, n) or (gold, predicted, n, error_category), of type cme."""
    found = [LabelCount("cme", r[0], r[1], r[3] if len(r) > 3 else None, r[2]) for r in rows]
    return ExperimentCounts(tuple(found), repairs or {})


def primary_of(kind):
    return AnswerSpec((AnswerField("value", kind),), primary="value")


@given(n=st.integers(1, 2_000_000), share=st.floats(0, 1))
@settings(deadline=None, database=None, max_examples=200)
def test_wilson_agrees_with_statsmodels(n, share):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    k = round(n * share)
    expected = proportion.proportion_confint(k, n, method="wilson")
    assert wilson(k, n) == pytest.approx(expected, abs=1e-12)


def test_wilson_of_eight_in_ten_is_the_textbook_interval():
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_wilson_stays_within_zero_and_one_and_is_exact_at_the_ends():
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_wilson_refuses_what_is_no_proportion(k, n):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(k, n)


def test_boolean_scores_are_those_computed_by_hand():
    scores = measure(
        counts(("1", "1", 40), ("0", "0", 45), ("0", "1", 5), ("1", "0", 10)), DEFAULT_ANSWER
    ).overall
    assert scores.confusion == Confusion(tp=40, tn=45, fp=5, fn=10)
    assert scores.accuracy.value == 0.85
    assert scores.precision.value == pytest.approx(40 / 45)
    assert scores.recall == Proportion(0.8, *wilson(40, 50), 40, 50)
    assert scores.specificity.value == 0.9
    assert scores.f1 == pytest.approx(80 / 95)
    assert (scores.n_positive_detected, scores.n_negative_detected) == (45, 55)
    assert (scores.n_positive_manual, scores.n_negative_manual) == (50, 50)


def test_errors_missing_and_odd_labels_and_missing_values_are_counted_apart_from_the_scores():
    scores = measure(
        counts(
            ("1", "1", 3),
            (None, "1", 4),
            ("  ", "0", 1),
            ("maybe", "0", 5),
            ("1", None, 6),
            ("1", None, 7, "parse_error"),
            (None, None, 8, "api_error"),
        ),
        DEFAULT_ANSWER,
    ).overall
    assert (scores.n, scores.answered, scores.errors) == (34, 19, 15)
    assert scores.error_categories == {"api_error": 8, "parse_error": 7}
    assert (scores.labelled, scores.unlabelled) == (3, 5)
    assert (scores.odd_labels, scores.without_value) == (5, 6)
    assert scores.accuracy.n == 3
    assert (scores.n_positive_detected, scores.n_negative_detected) == (7, 6)


def test_labels_are_read_as_they_are_at_loading():
    scores = measure(counts(("Yes", "1", 1), ("FALSE", "0", 1), ("1.0", "0", 1)), DEFAULT_ANSWER)
    assert scores.overall.confusion == Confusion(tp=1, tn=1, fp=0, fn=1)


def test_each_narrative_type_has_its_own_scores_and_they_add_up():
    rows = (LabelCount("le", "1", "0", None, 2), LabelCount("cme", "1", "1", None, 6))
    metrics = measure(ExperimentCounts(rows), DEFAULT_ANSWER)
    assert list(metrics.by_type) == ["cme", "le"]
    assert metrics.by_type["cme"].accuracy.value == 1.0
    assert metrics.by_type["le"].accuracy.value == 0.0
    assert metrics.overall.accuracy.value == 0.75


def test_nothing_to_divide_by_gives_no_score_instead_of_an_error():
    for rows in ([], [(None, "1", 3)], [("1", None, 2, "refusal")]):
        scores = measure(counts(*rows), DEFAULT_ANSWER).overall
        assert scores.accuracy is scores.precision is scores.recall is scores.f1 is None
    only_negative = measure(counts(("0", "0", 5)), DEFAULT_ANSWER).overall
    assert only_negative.precision is only_negative.recall is only_negative.f1 is None
    assert only_negative.specificity.value == 1.0
    no_labels_yes = measure(counts(("0", "1", 5)), DEFAULT_ANSWER).overall
    assert (no_labels_yes.f1, no_labels_yes.recall) == (0.0, None)


def test_enum_accuracy_is_the_share_of_equal_values_whatever_their_blanks_and_case():
    scores = measure(
        counts(("11", "11", 5), (" FALL ", "Fall", 2), ("11.0", "11", 1), ("42", "11", 2)), EVENT
    ).overall
    assert scores.accuracy.value == 0.8
    assert scores.undeclared_labels == 0
    assert scores.confusion is scores.precision is scores.f1 is scores.n_positive_manual is None


def test_a_label_that_no_enum_value_equals_counts_as_wrong_and_is_named():
    scores = measure(counts(("11", "11", 1), ("99", "11", 3)), EVENT).overall
    assert (scores.accuracy.value, scores.undeclared_labels, scores.labelled) == (0.25, 3, 4)


def test_integers_are_compared_by_value_and_strings_by_text():
    integers = measure(counts(("2.0", "2", 1), ("3", "2", 1)), primary_of("integer")).overall
    assert integers.accuracy.value == 0.5
    odd = measure(counts(("many", "2", 1)), primary_of("integer")).overall
    assert (odd.odd_labels, odd.accuracy) == (1, None)
    strings = measure(counts(("X60 ", "x60", 1), ("1.0", "1", 1)), primary_of("string")).overall
    assert strings.accuracy.value == 0.5


def test_numbers_are_measured_but_not_scored():
    scores = measure(counts(("0.5", "0.5", 1), ("much", "0.1", 1)), primary_of("number")).overall
    assert (scores.labelled, scores.odd_labels, scores.accuracy) == (1, 1, None)


def test_without_a_primary_field_everything_is_counted_and_nothing_scored():
    spec = AnswerSpec((AnswerField("rationale", "string"),))
    metrics = measure(counts(("1", None, 2), (None, None, 1)), spec)
    assert (metrics.primary, metrics.kind) == (None, None)
    assert (metrics.overall.answered, metrics.overall.labelled) == (3, 0)
    assert metrics.overall.accuracy is None


texts = st.sampled_from([None, "", "1", "0", "yes", "maybe", "11", "11.0", "Fall", "nan", "1e5"])
rows = st.builds(
    LabelCount,
    st.sampled_from(["cme", "le"]),
    texts,
    texts,
    st.sampled_from([None, None, "parse_error", "refusal"]),
    st.integers(0, 50),
)
kinds = st.sampled_from(["boolean", "number", "integer", "string", "enum"])


@given(found=st.lists(rows, max_size=12), kind=kinds)
@settings(deadline=None, database=None)
def test_every_result_is_accounted_for(found, kind):
    metrics = measure(ExperimentCounts(tuple(found)), primary_of(kind))
    for s in (metrics.overall, *metrics.by_type.values()):
        assert s.n == s.answered + s.errors
        assert s.answered == s.labelled + s.unlabelled + s.odd_labels + s.without_value
        if s.confusion:
            c = s.confusion
            assert c.tp + c.tn + c.fp + c.fn == s.labelled
    assert metrics.overall.n == sum(s.n for s in metrics.by_type.values())


def test_json_has_the_columns_of_the_contract_and_nothing_that_json_cannot_say():
    found = counts(("1", "1", 2), ("0", "1", 1), (None, None, 1, "refusal"), repairs={"fence": 2})
    document = metrics_json(measure(found, DEFAULT_ANSWER))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["precision_ipv"] == pytest.approx(2 / 3)
    assert document["f1_ipv"] == 0.8
    assert document["recall_ipv"] == 1.0
    assert (document["completed"], document["answered"], document["errors"]) == (4, 3, 1)
    assert (document["n_true_positive"], document["n_false_positive"]) == (2, 1)
    assert document["intervals"]["recall_ipv"] == list(wilson(2, 2))
    assert document["repaired"] == {"fence": 2}
    assert document["by_type"]["cme"]["n_positive_manual"] == 2
