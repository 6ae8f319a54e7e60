"""The life of an experiment, and the small nouns and rules beside it."""

import itertools

import pytest

from overnight.domain.answer import DEFAULT_ANSWER, Answer, AnswerField, AnswerSpec, primary_text
from overnight.domain.concurrency import MOST, bounds
from overnight.domain.experiment import TRANSITIONS, Counts, Event, Status
from overnight.domain.identity import ModelIdentity
from overnight.domain.narrative import as_binary
from overnight.domain.outcome import ErrorCategory, Reply

RUNNING, COMPLETED, FAILED, CANCELLED = Status

# The contract's table; every pair that does not stand here is refused.
CONTRACT = {
    (RUNNING, Event.FINISH): COMPLETED,
    (RUNNING, Event.FAIL): FAILED,
    (RUNNING, Event.CANCEL): CANCELLED,
    **{(status, Event.RESUME): RUNNING for status in Status},
    **{(status, Event.RETRY): RUNNING for status in Status},
    **{(status, Event.DELETE): CANCELLED for status in Status},
}


@pytest.mark.parametrize(("status", "event"), [*itertools.product(Status, Event)])
def test_the_ways_from_state_to_state_are_those_of_the_contract_and_no_others(status, event):
    assert TRANSITIONS.get((status, event)) == CONTRACT.get((status, event))


def test_the_words_of_the_database():
    assert [str(s) for s in Status] == ["running", "completed", "failed", "cancelled"]
    assert [str(c) for c in ErrorCategory] == [
        "api_error",
        "rate_limit",
        "parse_error",
        "data_error",
        "refusal",
        "unknown",
    ]


def test_everything_is_accounted_for():
    counts = Counts(total=10, answered=6, errors=1)
    assert (counts.completed, counts.remaining) == (7, 3)


# --- how many at once ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "served", "local", "client", "between"),
    [
        ("auto", True, True, None, (1, MOST)),
        ("auto", True, False, None, (4, MOST)),
        ("auto", True, False, 8, (4, 8)),
        ("auto", True, False, 2, (2, 2)),
        ("auto", False, True, None, (4, 4)),
        ("auto", False, True, 1, (1, 1)),
        (7, True, True, None, (7, 7)),
        (1000, True, False, None, (1000, 1000)),
        (4, False, True, 1, (1, 1)),
        (2, True, True, 8, (2, 2)),
    ],
)
def test_as_many_at_once_as_asked_for_or_as_the_server_takes(
    wanted, served, local, client, between
):
    found = bounds(wanted, served=served, local=local, client_limit=client)
    assert (found.first, found.most) == between
    assert found.fixed == (between[0] if between[0] == between[1] else None)


# --- one model -------------------------------------------------------------------------------


def test_the_first_model_that_answers_is_the_experiments():
    identity = ModelIdentity()
    assert identity.objection("one") is None
    assert identity.objection("one") is None
    said = identity.objection("two")
    assert said is not None
    assert "'two'" in said
    assert "'one'" in said
    assert "--new" in said


def test_an_earlier_sessions_model_binds():
    assert ModelIdentity(fixed="one").objection("two")
    assert ModelIdentity(fixed="one").objection("one") is None


def test_a_server_that_names_no_model_is_not_objected_to():
    identity = ModelIdentity()
    assert identity.objection(None) is None
    assert identity.objection("one") is None
    assert identity.objection(None) is None
    assert identity.fixed == "one"


# --- labels and answers ----------------------------------------------------------------------


@pytest.mark.parametrize("label", ["1", "1.0", "true", "TRUE", "Yes", " y ", "T"])
def test_labels_that_mean_yes(label):
    assert as_binary(label) is True


@pytest.mark.parametrize("label", ["0", "0.0", "false", "FALSE", "No", " n ", "F"])
def test_labels_that_mean_no(label):
    assert as_binary(label) is False


@pytest.mark.parametrize("label", [None, "", " ", "2", "NA", "unclear", "ja", "-1", "0.5"])
def test_labels_that_mean_neither(label):
    assert as_binary(label) is None


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("boolean", True, "1"),
        ("boolean", False, "0"),
        ("integer", 3, "3"),
        ("number", 0.5, "0.5"),
        ("string", "word", "word"),
        ("enum", "42", "42"),
        ("boolean", None, None),
    ],
)
def test_the_primary_value_as_the_text_that_is_compared(kind, value, text):
    spec = AnswerSpec((AnswerField("a", kind),), primary="a")
    assert primary_text(spec, Answer({"a": value})) == text


def test_no_primary_value_where_the_answer_or_the_declaration_has_none():
    assert primary_text(DEFAULT_ANSWER, Answer({"confidence": 1})) is None
    assert primary_text(AnswerSpec((AnswerField("a", "string"),)), Answer({"a": "x"})) is None
    listed = AnswerSpec((AnswerField("a", "list"),), primary="a")
    assert primary_text(listed, Answer({"a": ["x"]})) is None


def test_the_usual_answer_is_the_documented_one():
    assert [(f.name, f.type) for f in DEFAULT_ANSWER.fields] == [
        ("detected", "boolean"),
        ("confidence", "number"),
        ("indicators", "list"),
        ("rationale", "string"),
    ]
    assert DEFAULT_ANSWER.primary_field == DEFAULT_ANSWER.fields[0]
    assert all(field.required for field in DEFAULT_ANSWER.fields)


def test_a_reply_is_cut_when_the_token_limit_ended_it():
    assert Reply("", finish_reason="length").cut
    assert not Reply("", finish_reason="stop").cut
    assert not Reply("").cut
