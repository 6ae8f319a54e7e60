"""Replies that give no answer: none is better than a wrong one."""

import json

import pytest

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec, Unreadable
from overnight.parse import read_answer
from overnight.parse.reader import MAX_SEARCHED

CLEAN = json.dumps(
    {
        "detected": True,
        "confidence": 0.9,
        "indicators": ["threats", "bruises"],
        "rationale": "He hit her.",
    }
)
OTHER = CLEAN.replace("true", "false")


def changed(old: str, new: str) -> str:
    assert old in CLEAN
    return CLEAN.replace(old, new)


def reason(text: str, spec: AnswerSpec = DEFAULT_ANSWER, *, cut: bool = False) -> str:
    answer = read_answer(text, spec, cut=cut)
    assert isinstance(answer, Unreadable), answer
    return answer.reason


NO_ANSWER = "no JSON object with a field of the answer in the reply"
ONLY_REASONING = "only reasoning in the reply, no answer after it"
TWO = "the reply holds two different answers"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the reply is empty"),
        (" \n", "the reply is empty"),
        ("I cannot help with that.", NO_ANSWER),
        ("detected: true\nconfidence: 0.9", NO_ANSWER),
        ("null", NO_ANSWER),
        ("true", NO_ANSWER),
        ("[]", NO_ANSWER),
        ("{}", NO_ANSWER),
        ('"true"', NO_ANSWER),
        ('{"error": "no model"}', NO_ANSWER),
        ("{detected}", NO_ANSWER),
        (f"<think>{CLEAN}", ONLY_REASONING),
        (f"{CLEAN}</think>", ONLY_REASONING),
        (f"<|channel|>analysis<|message|>{CLEAN}<|end|>", ONLY_REASONING),
        (f"<|channel|>analysis<|message|>{CLEAN}<|end|><|start|>assistant", ONLY_REASONING),
        (f"analysisWe could say {CLEAN}", ONLY_REASONING),
    ],
)
def test_nothing_is_made_of_nothing(text, why):
    assert reason(text) == why


@pytest.mark.parametrize(
    "text",
    [
        f"For example {OTHER}. So: {CLEAN}",
        f"{CLEAN}\nWait, no:\n```json\n{OTHER}\n```",
        f"{CLEAN} Wait, no: " + '{"detected": false, "conf',
        f"{CLEAN} Wait, no: " + '{"detected": true, "confidence": "low"}',
        f"[{CLEAN}, {OTHER}]",
        f'{{"first": {CLEAN}, "second": {OTHER}}}',
        f"{CLEAN}\n{changed('He hit', 'He pushed')}",
    ],
)
def test_two_different_answers_are_none(text):
    assert reason(text) == TWO


def test_one_field_with_two_values_is_none():
    text = changed("true,", 'true, "detected": false,')
    assert reason(text) == "detected: stands twice with different values"
    assert reason(f"```json\n{text}\n```") == "detected: stands twice with different values"


FROM_0_TO_1 = "confidence: expected a number from 0 to 1, found "


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("0.9", "1.2", f"{FROM_0_TO_1}1.2"),
        ("0.9", "-0.1", f"{FROM_0_TO_1}-0.1"),
        ("0.9", "90", f"{FROM_0_TO_1}90"),
        ("0.9", "true", f"{FROM_0_TO_1}true"),
        ("0.9", "null", f"{FROM_0_TO_1}null"),
        ("0.9", '""', f"{FROM_0_TO_1}a text of 0 characters"),
        ("0.9", '"high"', f"{FROM_0_TO_1}a text of 4 characters"),
        ("0.9", "high", f"{FROM_0_TO_1}unquoted text"),
        ("0.9", '"1%"', f"{FROM_0_TO_1}a text of 2 characters"),
        ("0.9", "0.9%", f"{FROM_0_TO_1}unquoted text"),
        ("0.9", '"120%"', f"{FROM_0_TO_1}a text of 4 characters"),
        ("0.9", '"0,9"', f"{FROM_0_TO_1}a text of 3 characters"),
        ("0.9", '"9/10"', f"{FROM_0_TO_1}a text of 4 characters"),
        ("0.9", '"\u0660.\u0669"', f"{FROM_0_TO_1}a text of 3 characters"),
        ("0.9", '"0_1"', f"{FROM_0_TO_1}a text of 3 characters"),
        ("0.9", '"0.nineteen"', f"{FROM_0_TO_1}a text of 10 characters"),
        ("0.9", "0,9", "malformed JSON"),
        ("0.9", "NaN", f"{FROM_0_TO_1}unquoted text"),
        ("0.9", "-Infinity", f"{FROM_0_TO_1}unquoted text"),
        ("0.9", "1e999", f"{FROM_0_TO_1}a very large number or none"),
        ("0.9", "1" + "0" * 350, f"{FROM_0_TO_1}a very large number or none"),
        ("0.9", "1" + "0" * 5000, f"{FROM_0_TO_1}a very large number or none"),
        ("true", '"unclear"', "detected: expected true or false, found a text of 7 characters"),
        ("true", "true/false", "detected: expected true or false, found unquoted text"),
        ("true", "2", "detected: expected true or false, found 2"),
        ("true", "", "malformed JSON"),
        ('["threats", "bruises"]', '"a, b"', "indicators: expected a list of strings, found a text of 4 characters"),  # noqa: E501
        ('["threats", "bruises"]', '"None."', "indicators: expected a list of strings, found a text of 5 characters"),  # noqa: E501
        ('["threats", "bruises"]', "[1]", "indicators: expected a list of strings, found a list of 1"),  # noqa: E501
        ('["threats", "bruises"]', "[null]", "indicators: expected a list of strings, found a list of 1"),  # noqa: E501
        ('["threats", "bruises"]', '{"a": 1}', "indicators: expected a list of strings, found an object"),  # noqa: E501
        ('"He hit her."', "null", "rationale: expected a text, found null"),
        ('"He hit her."', '["x"]', "rationale: expected a text, found a list of 1"),
        ('"He hit her."', "he hit her", "rationale: expected a text, found unquoted text"),
        ('"rationale"', '"reason"', "rationale: missing"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_what_was_declared_is_named_and_never_quoted(old, new, why):
    text = changed(old, new)
    assert reason(text) == why
    assert reason(f"Here:\n```json\n{text}\n```") == why


BOUNDED = AnswerSpec(
    (
        AnswerField("note", "string", required=False, max_length=5),
        AnswerField("tags", "list", required=False, max_length=3, max_items=2),
        AnswerField("code", "enum", required=False, values=("1", "2", "3", "4", "5", "6")),
        AnswerField("count", "integer", required=False, min=1),
        AnswerField("id", "integer", required=False),
        AnswerField("size", "number", required=False, max=2.5),
        AnswerField("any", "number", required=False),
    )
)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ('"note": "123456"', "note: expected a text of at most 5 characters, found a text of 6 characters"),  # noqa: E501
        ('"tags": ["a", "b", "c"]', "tags: expected a list of at most 2 strings of at most 3 characters, found a list of 3"),  # noqa: E501
        ('"tags": ["abcd"]', "tags: expected a list of at most 2 strings of at most 3 characters, found a list of 1"),  # noqa: E501
        ('"code": 7', "code: expected one of 1, 2, 3, 4, 5, ..., found 7"),
        ('"code": "1 or 2"', "code: expected one of 1, 2, 3, 4, 5, ..., found a text of 6 characters"),  # noqa: E501
        ('"count": 0', "count: expected an integer of at least 1, found 0"),
        ('"count": 1.5', "count: expected an integer of at least 1, found 1.5"),
        ('"count": true', "count: expected an integer of at least 1, found true"),
        (f'"id": {2**63}', "id: expected an integer, found a very large number or none"),
        ('"size": 2.6', "size: expected a number of at most 2.5, found 2.6"),
        (f'"any": {10**400}', "any: expected a number, found a very large number or none"),
    ],
)  # fmt: skip
def test_an_optional_field_that_is_given_must_be_valid(member, why):
    assert reason(f"{{{member}}}", BOUNDED) == why


@pytest.mark.parametrize(
    ("end", "names"),
    [
        ("", "share was"),
        ('"sh', "share was"),
        ('"share"', "share was"),
        ('"share":', "share was"),
        ('"share": ', "share was"),
        ('"share": 0', "share was"),
        ('"share": 0.', "share was"),
        ('"share": 0.9', "share was"),
        ('"share": 0.9 ', "share was"),
        ('"share": 0,', "share was"),
        ('"share": 0. ni', "share was"),
        ('"share": zero point nine ', "share was"),
        ('"share": "0.', "share was"),
    ],
)
@pytest.mark.parametrize("cut", [True, False])
def test_what_was_begun_and_not_closed_is_not_complete(end, names, cut):
    spec = AnswerSpec((AnswerField("flag", "boolean"), AnswerField("share", "number")))
    assert reason('{"flag": true, ' + end, spec, cut=cut) == f"cut off before {names} complete"


@pytest.mark.parametrize("end", ['"', '",', '", "', '", "and', '", and'])
def test_of_several_unescaped_quotes_before_a_cut_none_is_taken_for_the_last(end):
    spec = AnswerSpec((AnswerField("why", "string"),))
    assert reason('{"why": "He said "stop' + end, spec) == "cut off before why was complete"


def test_a_decimal_comma_is_not_taken_for_the_end_of_the_number():
    spec = AnswerSpec((AnswerField("flag", "boolean"), AnswerField("share", "number")))
    assert reason('{"flag": true, "share": 0,9', spec) == "malformed JSON"


def test_all_fields_that_were_cut_off_are_named():
    assert reason('{"detected": true, "confidence": 0.9, "indicators": ["a') == (
        "cut off before indicators, rationale were complete"
    )


def test_an_object_in_the_midst_of_cut_thinking_is_no_answer():
    """As when the opening tag is part of the prompt, and the limit came before the closing one."""
    text = "We have to decide. " * 30 + f"Perhaps {CLEAN}. But then again"
    assert reason(text, cut=True).startswith("cut off while more was being written")


def test_more_than_is_searched_is_refused_before_the_search():
    filler = "word " * (MAX_SEARCHED // 5)
    assert reason(f"{filler}{CLEAN}").endswith(f"(searched are at most {MAX_SEARCHED})")
    assert not isinstance(
        read_answer(f"<think>{filler}</think>{CLEAN}", DEFAULT_ANSWER), Unreadable
    )


MILLION = 1_000_000


@pytest.mark.parametrize(
    "piece",
    ["[", "{", '{"a":', '["', '{"a":"', "<think>", "</think>", "<|channel|>", "```", "\\", "{/*"],
)
@pytest.mark.parametrize("size", [MAX_SEARCHED - 1, MILLION])
def test_hostile_replies_end_quickly_and_quietly(piece, size):
    assert reason(piece * (size // len(piece)))
