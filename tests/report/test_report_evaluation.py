"""From judgements to every figure: of narratives, types, cases, sources."""

import json
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.domain.judgement import Judgement
from overnight.report.evaluation import evaluate
from overnight.report.evaluation_table import (
    bounds_table,
    cases_table,
    classes_table,
    narratives_table,
    reliability_table,
    sources_table,
)
from overnight.report.metrics import measure
from overnight.report.plain import evaluation_json
from overnight.report.statistics.binary import Confusion
from overnight.report.tally import tally

EVENT = AnswerSpec((AnswerField("event", "enum", values=("fall", "fire")),), primary="event")


def judgement(case, type_="le", label=None, said=None, **more):
    """`said` is the primary answer, or "!" for an error, or "?" for one that was not asked."""
    return Judgement(
        row_num=1,
        incident_id=case,
        narrative_type=type_,
        label=label,
        case_label=more.get("case_label"),
        primary=None if said in ("!", "?") else said,
        confidence=more.get("confidence"),
        error_category="parse_error" if said == "!" else None,
        asked=said != "?",
        text_sha256=b"",
    )


def evaluated(rows, spec=DEFAULT_ANSWER):
    return evaluate(tally(rows, spec.primary_field))


def counted(rows, spec=DEFAULT_ANSWER):
    counts = Counter(
        (r.narrative_type, r.label, r.primary, r.error_category) for r in rows if r.asked
    )
    return measure(ExperimentCounts(tuple(LabelCount(*k, n) for k, n in counts.items())), spec)


texts = st.sampled_from([None, "", "1", "0", "yes", "maybe", "fall", "11.0"])
said = st.sampled_from([None, "1", "0", "fall", "fire", "!", "?"])
cases = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["cme", "le"]), texts, said))


@given(found=cases, spec=st.sampled_from([DEFAULT_ANSWER, EVENT]))
@settings(deadline=None, database=None, max_examples=60)
def test_the_figures_are_those_of_the_columns_of_experiments(found, spec):
    rows = [judgement(*row) for row in {(r[0], r[1]): r for r in sorted(found, key=repr)}.values()]
    rows.sort(key=lambda r: (r.incident_id, r.narrative_type))
    metrics, evaluation = counted(rows, spec), evaluated(rows, spec)
    groups = [(metrics.overall, evaluation.overall)]
    groups += [(s, evaluation.by_type[name]) for name, s in metrics.by_type.items()]
    for scores, group in groups:
        assert group.measured == scores.labelled
        if not group.figures:
            continue
        assert group.confusion == scores.confusion
        shares = (
            ("accuracy", "precision", "recall", "specificity")
            if scores.confusion
            else ("accuracy",)
        )
        for name in shares:
            share, figure = getattr(scores, name), group.figures[name].estimate
            assert figure.value == (share.value if share else None)
            assert figure.interval == ((share.low, share.high) if share else None)
        if scores.confusion:
            assert group.figures["f1"].estimate.value == scores.f1


def test_every_narrative_that_the_experiment_covers_is_in_the_tally():
    rows = [judgement("a", said="?"), judgement("b", label="1", said="!"), judgement("c", "le")]
    evaluation = evaluated(rows)
    assert (evaluation.overall.n, evaluation.overall.measured, evaluation.overall.failed) == (
        3,
        0,
        1,
    )
    assert evaluation.n_cases == 3


def test_errors_bound_every_figure():
    rows = [judgement(f"{i:03}", label="1", said="1") for i in range(6)]
    rows += [judgement(f"{i:03}", label="0", said="0") for i in range(10, 14)]
    rows += [judgement("800", label="1", said="!"), judgement("801", label="0", said="!")]
    rows += [judgement("900", label="1", said="?"), judgement("901", said="!")]
    group = evaluated(rows).overall
    assert group.failed == 2  # not the one that was not asked, nor the one without a label
    accuracy = group.figures["accuracy"]
    assert (accuracy.estimate.value, accuracy.if_errors_wrong, accuracy.if_errors_right) == (
        1.0,
        pytest.approx(10 / 12),
        1.0,
    )
    assert group.figures["precision"].if_errors_wrong == pytest.approx(6 / 7)
    assert group.figures["recall"].if_errors_wrong == pytest.approx(6 / 7)
    table = {row[0]: row[1:] for row in bounds_table(group)}
    assert table["accuracy"] == ["1.000", "0.833", "1.000"]


def test_errors_bound_the_ranking_as_if_they_stood_at_the_wrong_or_the_right_end():
    rows = [
        judgement("a", label="1", said="1", confidence=0.9),
        judgement("b", label="0", said="0", confidence=0.9),
        judgement("c", label="1", said="!"),
        judgement("d", label="0", said="!"),
    ]
    ranking = evaluated(rows).overall.ranking
    assert ranking.auc.value == ranking.if_errors_right["auc"] == 1.0
    assert ranking.if_errors_wrong["auc"] == 0.25
    assert ranking.if_errors_wrong["average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_a_no_with_confidence_counts_as_its_complement_for_yes():
    rows = [
        judgement("a", label="1", said="0", confidence=0.6),  # 0.4 for yes
        judgement("b", label="0", said="0", confidence=0.9),  # 0.1
        judgement("c", label="0", said="1", confidence=0.7),  # 0.7
        judgement("d", label="1", said="1", confidence=0.8),  # 0.8
        judgement("e", label="1", said="1", confidence=7.0),
        judgement("f", label="1", said="1"),
    ]
    evaluation = evaluated(rows)
    assert evaluation.overall.ranking.auc.value == 0.75
    assert evaluation.overall.calibration.brier.value == pytest.approx(
        (0.6**2 + 0.1**2 + 0.7**2 + 0.2**2) / 4
    )
    assert (evaluation.confidence_outside, evaluation.confidence_missing) == (1, 1)


def test_cases_are_judged_by_their_label_under_each_rule():
    rows = [
        judgement("a", "cme", said="1", case_label="1"),
        judgement("a", "le", said="0", case_label="1"),
        judgement("b", "cme", said="0", case_label="0"),
        judgement("b", "le", said="!", case_label="0"),
        judgement("c", "cme", said="1", case_label="0"),
        judgement("c", "le", said="1", case_label="0"),
        judgement("d", "cme", said="0", case_label="1"),
        judgement("d", "le", said="?", case_label="1"),
    ]
    evaluation = evaluated(rows)
    assert (evaluation.n_cases, evaluation.case_labels) == (4, 4)
    any_, all_ = evaluation.by_case["any"], evaluation.by_case["all"]
    assert any_.confusion == Confusion(tp=1, tn=0, fp=1, fn=0)
    assert any_.failed == 1  # b could still have been yes; d has not been asked
    assert all_.confusion == Confusion(tp=0, tn=1, fp=1, fn=2)
    assert all_.failed == 0
    assert cases_table(evaluation)[0] == ["", "any", "all", "majority"]


def test_without_case_labels_the_rule_is_applied_to_the_labels_too():
    rows = [
        judgement("a", "cme", "1", "1", confidence=0.9),
        judgement("a", "le", "0", "0", confidence=0.8),
        judgement("b", "cme", "0", "0", confidence=0.9),
        judgement("b", "le", "0", "1", confidence=0.6),
    ]
    evaluation = evaluated(rows)
    assert evaluation.case_labels == 0
    assert evaluation.by_case["any"].confusion == Confusion(tp=1, tn=0, fp=1, fn=0)
    assert evaluation.by_case["all"].confusion == Confusion(tp=0, tn=2, fp=0, fn=0)
    assert evaluation.by_case["any"].ranking.auc.value == 1.0  # 0.9 against 0.6


def test_few_of_the_rarer_label_are_named():
    rows = [judgement(f"{i:04}", label=str(int(i < 30)), said="1") for i in range(300)]
    assert evaluated(rows).overall.few == (30, "yes")
    rows = [judgement(f"{i:04}", label=str(int(i < 100)), said="1") for i in range(300)]
    assert evaluated(rows).overall.few is None


def test_single_narratives_make_no_table_of_cases():
    evaluation = evaluated([judgement("a", label="1", said="1")])
    assert evaluation.by_case == {}
    assert cases_table(evaluation) == sources_table(evaluation) == []


def test_two_sources_of_a_case_are_compared_in_their_answers_and_in_their_labels():
    rows = []
    for i, (a, b) in enumerate([("1", "1"), ("1", "0"), ("0", "0"), ("1", "!"), ("0", "0")]):
        rows += [judgement(f"{i}", "cme", label="1", said=a), judgement(f"{i}", "le", said=b)]
    answers, labels = evaluated(rows).sources["cme", "le"]
    assert (answers.n, labels.n) == (4, 0)
    ways = answers.both_ways
    assert (ways.both, ways.only_first, ways.only_second, ways.neither) == (1, 1, 0, 2)
    table = sources_table(evaluated(rows))
    assert table[0] == ["", "cme / le, answers"]


def test_classes_have_macro_means_bounds_and_a_matrix():
    rows = [judgement(f"{i:02}", label="fall", said="FALL") for i in range(8)]
    rows += [judgement(f"{i:02}", label="fire", said="fall") for i in range(10, 12)]
    rows += [judgement("90", label="fire", said="!")]
    group = evaluated(rows, EVENT).overall
    assert group.figures["accuracy"].estimate.value == 0.8
    assert group.figures["accuracy"].if_errors_wrong == pytest.approx(8 / 11)
    assert group.figures["macro_recall"].estimate.value == 0.5
    assert group.figures["macro_recall"].if_errors_right == pytest.approx((1 + 1 / 3) / 2)
    assert group.classes.matrix == (("fall", "fall", 8), ("fire", "fall", 2))
    assert [row[0] for row in classes_table(group)] == ["class", "fall", "fire"]


@pytest.mark.parametrize(("kind", "accuracy"), [("number", False), ("integer", True)])
def test_numbers_have_distances_whole_numbers_accuracy_too(kind, accuracy):
    spec = AnswerSpec((AnswerField("age", kind),), primary="age")
    rows = [judgement(f"{i:02}", label=str(20 + i), said=f"{20 + i + i % 2}.0") for i in range(20)]
    group = evaluated(rows, spec).overall
    assert group.amounts.mean_absolute_error.value == 0.5
    assert group.amounts.bias.value == 0.5
    assert ("accuracy" in group.figures) is accuracy


def test_each_type_has_its_own_distances():
    spec = AnswerSpec((AnswerField("age", "number"),), primary="age")
    rows = [judgement("a", "cme", "20", "25"), judgement("a", "le", "20", "20")]
    evaluation = evaluated(rows, spec)
    assert evaluation.by_type["cme"].amounts.mean_absolute_error.value == 5
    assert evaluation.by_type["le"].amounts.mean_absolute_error.value == 0


def test_strings_and_no_primary_field_are_no_obstacle():
    spec = AnswerSpec((AnswerField("word", "string"),), primary="word")
    group = evaluated([judgement("a", label="X60 ", said="x60")], spec).overall
    assert group.figures["accuracy"].estimate.value == 1.0
    nothing = evaluated([judgement("a", label="1")], AnswerSpec((AnswerField("w", "string"),)))
    assert nothing.overall.figures == {}
    assert evaluated([]).overall.n == 0


def sample():
    rows = []
    for i in range(60):
        label = str(int(i % 3 == 0))
        for type_ in ("cme", "le"):
            said = "!" if i == 7 else label if (i + len(type_)) % 5 else str(1 - int(label))
            rows.append(judgement(f"{i:03}", type_, label, said, confidence=0.5 + i % 5 / 10))
    return rows


def test_json_says_everything_under_names_that_stay():
    document = evaluation_json(evaluated(sample()))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {
        *("overall", "by_type", "by_case", "n_cases", "case_labels", "sources", "bootstrap"),
        *("confidence_outside", "confidence_missing"),
    }
    group = document["overall"]
    assert {"n", "measured", "failed", "figures", "confusion", "ranking", "calibration"} < set(
        group
    )
    assert set(group["figures"]["kappa"]) == {
        *("value", "low", "high", "n", "method", "if_errors_wrong", "if_errors_right", "by_case"),
    }
    assert group["figures"]["recall"]["method"] == "wilson"
    assert len(group["figures"]["recall"]["by_case"]) == 2
    assert group["ranking"]["best_f1"]["optimistic"] is True
    assert {"low", "high", "confidence", "right"} == set(group["calibration"]["bins"][0])
    assert set(document["by_case"]) == {"any", "all", "majority"}
    assert document["sources"][0]["first"] == "cme"
    assert document["bootstrap"] == {"unit": "case", "replicates": 2000, "seed": 20240229}


def test_the_screen_has_three_decimals_and_intervals_in_brackets():
    rows = sample()
    evaluation = evaluated(rows)
    table = {row[0]: row[1:] for row in narratives_table(counted(rows), evaluation)}
    assert table[""] == ["all", "cme", "le"]
    figure = evaluation.overall.figures["f1"].estimate
    assert table["F1"][0] == f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
    assert "ROC AUC" in table
    assert "mean absolute error" not in table
    assert len(reliability_table(evaluation.overall)) > 2


def test_memory_hardly_grows_with_the_narratives():
    """A million of them: 25 bytes each, and the profiles, which are few."""

    def peak(n):
        rows = (
            judgement(f"{i // 2:07}", "cme" if i % 2 else "le", str(i % 2), "1", confidence=0.9)
            for i in range(n)
        )
        tracemalloc.start()
        tally(rows, DEFAULT_ANSWER.primary_field)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(20_000) - peak(2_000) < 18_000 * 100
