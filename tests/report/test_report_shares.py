"""From a tally to shares: what is counted, and what is claimed."""

import json

import pytest
from test_report_comparison import judgement

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField
from overnight.report.shares import ASSUMES, TITLES, caution, shares, shares_json
from overnight.report.shares_table import shares_table
from overnight.report.tally import tally

ROWS = [
    *[judgement(f"a{i:03}", "1", "1") for i in range(9)],
    judgement("b", "0", "1"),
    judgement("c", "!", "1"),
    *[judgement(f"d{i:03}", "0", "0", type_="cme") for i in range(40)],
    *[judgement(f"e{i:03}", "0") for i in range(100)],
    *[judgement(f"f{i:03}", "1") for i in range(30)],
    *[judgement(f"g{i:03}", "?", "1") for i in range(7)],
]


def of(rows=ROWS, labels="random", value=None, field=DEFAULT_ANSWER.primary_field):
    return shares(tally(rows, field), labels, value)


def test_what_was_not_asked_does_not_count_and_what_failed_does():
    found = of().overall
    assert (found.n, found.n_labelled, found.n_labelled_yes, found.n_errors) == (181, 51, 11, 1)
    assert caution(found).startswith("Only 11 ")
    assert found.naive.estimate.n == 180
    assert found.labelled_only.estimate.value == pytest.approx(11 / 51)


def test_each_type_has_its_own_and_strata_are_types():
    found = of(labels="within-type")
    assert set(found.by_type) == {"cme", "le"}
    assert found.by_type["le"].labelled_only.estimate.value == 1.0
    assert found.overall.labelled_only.estimate.value == pytest.approx(141 / 181)
    assert set(found.overall.ppi.tuning) == {"cme", "le"}


def test_a_value_of_an_enum_is_a_share_too():
    event = AnswerField("event", "enum", values=("fall", "fire"))
    rows = [judgement("a", "Fall", "fall"), judgement("b", "fire", "fall"), judgement("c", "fall")]
    found = of(rows, value="fall", field=event).overall
    assert found.naive.estimate.value == pytest.approx(2 / 3)
    assert found.labelled_only.estimate.value == 1.0


def test_the_table_and_the_json_say_what_each_assumes_and_what_cannot_be_claimed():
    found = of(labels="unknown")
    table = {row[0]: row[1:] for row in shares_table({"all": found.overall, **found.by_type})}
    assert table[""] == ["all", "cme", "le"]
    assert table[TITLES["rogan_gladen"]][1] == "n/a (needs labels of both kinds)"
    assert table["naive, if errors were all no / yes"][0] == "0.215 / 0.221"
    document = shares_json(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert "not known" in document["claim"]
    for name, sentence in ASSUMES.items():
        assert document["overall"][name]["assumes"] == sentence
        assert {"value", "low", "high", "n", "problem"} < set(document["overall"][name])


def test_a_single_case_gives_no_interval():
    assert of([judgement("a", "1", "1")]).overall.ppi.estimate.interval is None
