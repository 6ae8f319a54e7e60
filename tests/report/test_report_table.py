from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.report.metrics import measure
from overnight.report.table import metrics_table, side_by_side

EVENT = AnswerSpec((AnswerField("event", "enum", values=("11", "42")),), primary="event")


def of(*rows, spec=DEFAULT_ANSWER, repairs=None):
    return measure(ExperimentCounts(tuple(LabelCount(*r) for r in rows), repairs or {}), spec)


def by_name(rows):
    assert len({len(row) for row in rows}) == 1, "every row has a cell for every column"
    return {row[0]: row[1:] for row in rows}


def test_a_person_reads_shares_with_their_intervals_and_counts_with_separators():
    table = by_name(
        metrics_table(
            of(
                ("cme", "1", "1", None, 40_000),
                ("cme", "1", "0", None, 10_000),
                ("cme", None, None, "parse_error", 1_200),
                ("cme", None, None, "api_error", 1),
                repairs={"fence": 12},
            )
        )
    )
    assert table[""] == ["all"]
    assert table["accuracy"] == ["0.80 (0.80-0.80)"]
    assert table["results"] == ["51,201"]
    assert table["errors"] == ["1,201"]
    assert (table["... api_error"], table["... parse_error"]) == (["1"], ["1,200"])
    assert table["answers yes / no"] == ["40,000 / 10,000"]
    assert table["repaired: fence"] == ["12"]
    assert "answered, value left out" not in table


def test_each_type_has_a_column_where_there_are_several():
    table = by_name(metrics_table(of(("le", "1", "1", None, 8), ("cme", "0", "0", None, 2))))
    assert table[""] == ["all", "cme", "le"]
    assert table["recall"] == ["1.00 (0.68-1.00)", "n/a (no positive labels)", "1.00 (0.68-1.00)"]


def test_a_missing_score_says_why_it_is_missing():
    def accuracy(*rows, spec=DEFAULT_ANSWER):
        return by_name(metrics_table(of(*rows, spec=spec)))["accuracy"]

    assert accuracy() == ["n/a (no results)"]
    assert accuracy(("le", "1", None, "refusal", 1)) == ["n/a (no answers)"]
    assert accuracy(("le", None, "1", None, 1)) == ["n/a (no labelled narratives)"]
    assert accuracy(("le", "maybe", "1", None, 1)) == ["n/a (no comparable labels)"]
    assert accuracy(("le", "1", None, None, 1)) == ["n/a (no value to compare)"]
    number = AnswerSpec((AnswerField("age", "number"),), primary="age")
    assert accuracy(("le", "1", "1", None, 1), spec=number) == ["n/a (numbers are not scored)"]
    only_no = by_name(metrics_table(of(("le", "0", "0", None, 1))))
    assert only_no["precision"] == ["n/a (nothing detected)"]
    assert only_no["F1"] == ["n/a (no positive labels, nothing detected)"]


def test_labelled_narratives_without_an_answer_make_measured_and_labels_add_up():
    table = by_name(metrics_table(of(("le", "1", "1", None, 3), ("le", "0", None, "refusal", 2))))
    assert table["measured (answered, labelled)"] == ["3"]
    assert table["labelled, but without an answer"] == ["2"]


def test_an_enum_shows_accuracy_alone():
    table = by_name(metrics_table(of(("le", "11", "42", None, 1), spec=EVENT)))
    assert table["accuracy"] == ["0.00 (0.00-0.79)"]
    assert "precision" not in table
    assert "TP / TN / FP / FN" not in table


def test_two_experiments_stand_side_by_side_overall_and_by_type():
    old = of(("le", "1", "0", None, 1), ("cme", "1", "1", None, 1))
    new = of(("le", "1", "1", None, 2))
    table = by_name(side_by_side([("old", old), ("new", new)]))
    assert table[""] == ["old", "new"]
    assert table["results"] == ["2", "2"]
    assert table["recall, le"] == ["0.00 (0.00-0.79)", "1.00 (0.34-1.00)"]
    assert table["recall, cme"] == ["1.00 (0.21-1.00)", "-"]


def test_experiments_that_measure_different_things_still_share_the_rows():
    binary, event = of(("le", "1", "1", None, 1)), of(("le", "11", "11", None, 1), spec=EVENT)
    table = by_name(side_by_side([("event", event), ("binary", binary)]))
    assert table["accuracy"] == ["1.00 (0.21-1.00)"] * 2
    assert table["precision"][0] == table["TP / TN / FP / FN"][0] == "n/a"
    assert table["labels yes / no"][0] == "n/a"
    assert side_by_side([]) == [[""]]
