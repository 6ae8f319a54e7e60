"""Replies that are not what was asked for, and can be read without doubt."""

import json
import re
from pathlib import Path

import pytest

from overnight import parse
from overnight.domain.answer import DEFAULT_ANSWER, Answer, AnswerField, AnswerSpec
from overnight.parse import Repair, read_answer

VALUES = {
    "detected": True,
    "confidence": 0.9,
    "indicators": ["threats", "bruises"],
    "rationale": "He hit her.",
}
CLEAN = json.dumps(VALUES)
OTHER = CLEAN.replace("true", "false")

R = Repair


def changed(old: str, new: str) -> str:
    assert old in CLEAN
    return CLEAN.replace(old, new)


def read(text: str, spec: AnswerSpec = DEFAULT_ANSWER, *, cut: bool = False) -> Answer:
    answer = read_answer(text, spec, cut=cut)
    assert isinstance(answer, Answer), answer
    assert all(type(word) is str for word in answer.repaired)
    return answer


@pytest.mark.parametrize(
    "text",
    [
        CLEAN,
        f"\n\t {CLEAN} \r\n",
        f"\N{NO-BREAK SPACE}{CLEAN}",
        json.dumps(VALUES, indent=2),
        json.dumps(dict(reversed(VALUES.items()))),
        CLEAN.replace("}", ', "extra": {"a": [1, null]}}'),
        CLEAN.replace("}", f', "extra": {"1" * 5000}}}'),
        CLEAN.replace("}", ', "x": 1, "x": 2}'),
    ],
)
def test_clean_json_needs_no_repair(text):
    assert read(text) == Answer(VALUES)
    assert read(text, cut=True) == Answer(VALUES)


FINAL = f"<|start|>assistant<|channel|>final<|message|>{CLEAN}"
AROUND = [
    (f"<think>like {OTHER}?</think>\n\n{CLEAN}", [R.REASONING]),
    (f"<think>\n\n</think>\n\n{CLEAN}", [R.REASONING]),
    (f"like {OTHER}?\n</think>\n{CLEAN}", [R.REASONING]),
    (f"<think>a <think> b </think> like {OTHER} </think>{CLEAN}", [R.REASONING]),
    (f"<thinking>hm</thinking>```json\n{CLEAN}\n```", [R.REASONING, R.FENCE]),
    (f"<Reasoning>like {OTHER}</Reasoning> {CLEAN}", [R.REASONING]),
    (f"[THINK]like {OTHER}[/THINK]{CLEAN}", [R.REASONING]),
    (f"\u25c1think\u25b7like {OTHER}\u25c1/think\u25b7{CLEAN}", [R.REASONING]),
    (f"{CLEAN}\n<think>or was it {OTHER}</think>", [R.REASONING]),
    (f"{CLEAN}\n<think>or was it {OTHER}", [R.REASONING]),
    (f"analysisWe could say {OTHER}.assistantfinal{CLEAN}", [R.REASONING]),
    (f"<|channel|>analysis<|message|>like {OTHER}<|end|>{FINAL}", [R.REASONING, R.TOKEN]),
    (f"like {OTHER}<|end|>{FINAL}", [R.REASONING, R.TOKEN]),
    (
        f"<|channel|>analysis<|message|>{OTHER}<|end|><|channel|>final<|message|>{CLEAN}",
        [R.REASONING, R.TOKEN],
    ),
    (f"{FINAL.replace('final', 'final <|constrain|>json')}<|return|>", [R.TOKEN]),
    (f"<|start|>assistant<|message|>{CLEAN}<|end|>", [R.TOKEN]),
    (f"<|channel|>final<|message|>{CLEAN}", [R.TOKEN]),
    (f"\ufeff{CLEAN}", [R.TOKEN]),
    (f"{CLEAN}<|im_end|>", [R.TOKEN]),
    (f"{CLEAN}</s>", [R.TOKEN]),
    (f"<s> {CLEAN} </s>", [R.TOKEN]),
    (f"<|im_start|>assistant\n{CLEAN}", [R.TOKEN]),
    (f"{CLEAN}<end_of_turn>\n", [R.TOKEN]),
    (f"<\uff5cAssistant\uff5c>{CLEAN}<\uff5cend\u2581of\u2581sentence\uff5c>", [R.TOKEN]),
    (f"{CLEAN}<|im_end|>\n<|im_start|>user\nNext.<|im_end|>{OTHER}", [R.TOKEN, R.PROSE]),
    (f"```json\n{CLEAN}\n```", [R.FENCE]),
    (f"```\r\n{CLEAN}\r\n```\n", [R.FENCE]),
    (f"```json {CLEAN} ```", [R.FENCE]),
    (f"```json\n{CLEAN}", [R.FENCE]),
    (f"~~~json\n{CLEAN}\n~~~", [R.FENCE]),
    (f"`{CLEAN}`", [R.FENCE]),
    (f"Here it is:\n```json\n{CLEAN}\n```\nHope this helps {{smiles}}", [R.FENCE, R.PROSE]),
    (f"**Answer:** {CLEAN}", [R.PROSE]),
    (f"{CLEAN}\n\nThe narrative states this.", [R.PROSE]),
    (f"<answer>{CLEAN}</answer>", [R.PROSE]),
    (f"The set {{a, b}} and {{'x': 1}} aside: {CLEAN}", [R.PROSE]),
    ('Form: {"detected": true/false, "confidence": 0.0-1.0}\n' + CLEAN, [R.PROSE]),
    ('Form: {"detected": <bool>, "confidence": ..., "rationale": "..."}\n' + CLEAN, [R.PROSE]),
    (f"[{CLEAN}]", [R.WRAPPER]),
    (f'{{"answer": {CLEAN}}}', [R.WRAPPER]),
    (f'{{"name": "answer", "arguments": {CLEAN}}}', [R.WRAPPER]),
    (f'{{"results": [{CLEAN}]}}', [R.WRAPPER]),
    (f"{{{CLEAN}}}", [R.WRAPPER]),
    (f"{CLEAN}}}", [R.WRAPPER]),
    (json.dumps(CLEAN), [R.WRAPPER]),
    (json.dumps(json.dumps(VALUES, indent=1))[1:-1], [R.WRAPPER]),
    (f"{CLEAN}\n{CLEAN}", [R.REPEATED]),
    (f'{CLEAN}\nSo {{"detected": true}}.', [R.PROSE]),
    (CLEAN[1:], [R.OPENING_BRACE]),
    (CLEAN[:-1], [R.TRUNCATED]),
    (f"```json\n{CLEAN[:-1]}\n```", [R.FENCE, R.TRUNCATED]),
]


@pytest.mark.parametrize(("text", "repairs"), AROUND)
def test_the_answer_is_found_in_what_surrounds_it(text, repairs):
    answer = read(text)
    assert answer.values == VALUES
    assert answer.repaired == tuple(repairs)


SYNTAX = [
    (f"{CLEAN[:-1]},}}", [R.TRAILING_COMMA]),
    (changed('"bruises"]', '"bruises",]'), [R.TRAILING_COMMA]),
    (changed("0.9,", "0.9"), [R.MISSING_COMMA]),
    (changed("true,", "true\n"), [R.MISSING_COMMA]),
    (changed('"threats",', '"threats"'), [R.MISSING_COMMA]),
    (changed('"', "'"), [R.QUOTES]),
    (changed('"', "\u201d"), [R.QUOTES]),
    (changed('"', "`"), [R.QUOTES]),
    (changed("true,", "true\uff0c").replace(":", "\uff1a"), [R.PUNCTUATION]),
    (changed(", ", ",\u3000"), [R.PUNCTUATION]),
    (changed("0.9,", "0.9\u00a0,"), [R.PUNCTUATION]),
    (changed("true,", "true, // clearly\n"), [R.COMMENT]),
    (changed('"detected":', '"detected" /* here */:'), [R.COMMENT]),
    (changed("true,", "true, # clearly\n"), [R.COMMENT]),
    (changed("true", "/* clearly */ true"), [R.COMMENT]),
    (changed('"detected"', "detected"), [R.UNQUOTED_KEY]),
    (changed("true", "True"), [R.PYTHON_LITERAL]),
    (repr(VALUES), [R.QUOTES, R.PYTHON_LITERAL]),
    (changed("detected", "Detected"), [R.KEY_SPELLING]),
    (changed("detected", " DETECTED "), [R.KEY_SPELLING]),
    (changed("true,", 'true, "detected": true,'), [R.REPEATED_KEY]),
    (changed('"detected"', '"detec\\ted"'.replace("\\t", "\\u0074")), []),
    (changed("}", ', "extra": NaN}'), [R.UNQUOTED_VALUE]),
]


@pytest.mark.parametrize(("text", "repairs"), SYNTAX)
def test_nearly_right_json_is_repaired(text, repairs):
    answer = read(text)
    assert answer.values == VALUES
    assert answer.repaired == tuple(repairs)


TEXTS = [
    ('He said "stop", and left.', 'He said "stop", and left.', [R.INNER_QUOTE]),
    ('He said "stop"', 'He said "stop"', [R.INNER_QUOTE]),
    ('"Stop" he said.', '"Stop" he said.', [R.INNER_QUOTE]),
    ("two\nlines\tone tab", "two\nlines\tone tab", [R.LINE_BREAK]),
    (r"it\'s bad\_luck", "it's bad_luck", [R.ESCAPE]),
    (r"\u00e9\n\"\\", 'é\n"\\', []),
    (r"\ud83d\ude00", "\N{GRINNING FACE}", []),
    (r"a \ud83d b", "a \ufffd b", [R.CHARACTER]),
    ("a \udc80 b", "a \ufffd b", [R.CHARACTER]),
    (r"a \u0000 b", "a \ufffd b", [R.CHARACTER]),
    ("see </think> or <|im_end|> or ```", "see </think> or <|im_end|> or ```", []),
    ("{not: an, object}", "{not: an, object}", []),
]


@pytest.mark.parametrize(("written", "meant", "repairs"), TEXTS)
def test_texts_keep_what_was_meant(written, meant, repairs):
    answer = read(changed("He hit her.", written))
    assert answer.values["rationale"] == meant
    assert answer.repaired == tuple(repairs)


FIELDS = AnswerSpec(
    (
        AnswerField("flag", "boolean", required=False),
        AnswerField("share", "number", required=False, min=0, max=1),
        AnswerField("any", "number", required=False),
        AnswerField("count", "integer", required=False, min=0, max=9),
        AnswerField("id", "integer", required=False),
        AnswerField("code", "enum", required=False, values=("11", "Fall", "true", "a b")),
        AnswerField("tags", "list", required=False, max_length=9, max_items=2),
        AnswerField("ages", "list", required=False, of="integer", min=0),
        AnswerField("note", "string", required=False, max_length=5),
    )
)
CONVERTED = [
    ('"flag": "true"', True, [R.TEXT_TO_BOOLEAN]),
    ('"flag": " YES "', True, [R.TEXT_TO_BOOLEAN]),
    ('"flag": "0"', False, [R.TEXT_TO_BOOLEAN]),
    ('"flag": no', False, [R.UNQUOTED_VALUE]),
    ('"flag": 1', True, [R.NUMBER_TO_BOOLEAN]),
    ('"flag": 0.0', False, [R.NUMBER_TO_BOOLEAN]),
    ('"share": 1', 1, []),
    ('"share": 1e-1', 0.1, []),
    ('"share": "0.8"', 0.8, [R.TEXT_TO_NUMBER]),
    ('"share": " .8"', 0.8, [R.TEXT_TO_NUMBER, R.NUMBER_SPELLING]),
    ('"share": .8', 0.8, [R.UNQUOTED_VALUE, R.NUMBER_SPELLING]),
    ('"share": +0.8', 0.8, [R.UNQUOTED_VALUE, R.NUMBER_SPELLING]),
    ('"share": 0. nine', 0.9, [R.UNQUOTED_VALUE, R.SPELLED_DECIMAL]),
    ('"share": 0.nine', 0.9, [R.UNQUOTED_VALUE, R.SPELLED_DECIMAL]),
    ('"share": 0. 9', 0.9, [R.UNQUOTED_VALUE, R.SPELLED_DECIMAL]),
    ('"share": "Zero point nine five"', 0.95, [R.TEXT_TO_NUMBER, R.SPELLED_DECIMAL]),
    ('"share": "one point zero"', 1.0, [R.TEXT_TO_NUMBER, R.SPELLED_DECIMAL]),
    ('"share": "90%"', 0.9, [R.TEXT_TO_NUMBER, R.PERCENT]),
    ('"share": 29 %', 0.29, [R.UNQUOTED_VALUE, R.PERCENT]),
    ('"share": "0%"', 0.0, [R.TEXT_TO_NUMBER, R.PERCENT]),
    (f'"any": {10**30}', 1e30, []),
    ('"count": 3.0', 3, [R.DECIMAL_TO_INTEGER]),
    ('"count": "3"', 3, [R.TEXT_TO_NUMBER]),
    ('"count": "3.0"', 3, [R.TEXT_TO_NUMBER, R.DECIMAL_TO_INTEGER]),
    (f'"id": "{2**63 - 1}"', 2**63 - 1, [R.TEXT_TO_NUMBER]),
    ('"code": 11', "11", [R.VALUE_TO_TEXT]),
    ('"code": 11.0', "11", [R.VALUE_TO_TEXT]),
    ('"code": " fall"', "Fall", [R.ENUM_SPELLING]),
    ('"code": FALL', "Fall", [R.UNQUOTED_VALUE, R.ENUM_SPELLING]),
    ('"code": a b', "a b", [R.UNQUOTED_VALUE]),
    ('"code": true', "true", [R.VALUE_TO_TEXT]),
    ('"tags": "threats"', ["threats"], [R.ONE_ITEM_LIST]),
    ('"tags": []', [], []),
    ('"ages": 4', [4], [R.ONE_ITEM_LIST]),
    ('"ages": ["4", 5.0]', [4, 5], [R.TEXT_TO_NUMBER, R.DECIMAL_TO_INTEGER]),
    ('"note": "\U0001f600\U0001f600\U0001f600\U0001f600\U0001f600"', "\U0001f600" * 5, []),
]


@pytest.mark.parametrize(("member", "value", "repairs"), CONVERTED)
def test_a_value_of_another_type_is_converted_where_its_meaning_is_plain(member, value, repairs):
    answer = read(f"{{{member}}}", FIELDS)
    (found,) = answer.values.values()
    assert found == value
    assert type(found) is type(value)
    assert answer.repaired == tuple(repairs)


def test_an_optional_field_may_be_null_or_missing():
    assert read('{"flag": null, "count": 1}', FIELDS) == Answer({"count": 1})
    assert read("{}", FIELDS) == Answer({})
    assert read('{"flag": None}', FIELDS) == Answer({}, (R.PYTHON_LITERAL,))


def test_values_come_in_the_declared_order():
    assert list(read('{"note": "x", "count": 1, "flag": true}', FIELDS).values) == [
        "flag",
        "count",
        "note",
    ]


@pytest.mark.parametrize("extra", ["", ',"note": "unfin', ',"note"', ',"no', ',"note": ', ","])
def test_a_cut_reply_counts_if_every_required_field_was_complete(extra):
    spec = AnswerSpec((AnswerField("flag", "boolean"), FIELDS.fields[-1]))
    answer = read('{"flag": true ' + (extra or ',"x": [1'), spec, cut=True)
    assert answer == Answer({"flag": True}, (R.TRUNCATED,))


@pytest.mark.parametrize("rest", ["", ",", ', "', ', "n', ', "note"', ', "note": "', "\n"])
def test_a_closed_text_before_the_cut_is_complete(rest):
    spec = AnswerSpec((AnswerField("why", "string"), FIELDS.fields[-1]))
    answer = read('{"why": "He \\"hit\\" her."' + rest, spec)
    assert answer == Answer({"why": 'He "hit" her.'}, (R.TRUNCATED,))


def test_rambling_after_the_answer_does_no_harm_even_if_it_was_cut():
    answer = read(f"Here it is:\n{CLEAN}\nThis is because the" + " narrative" * 500, cut=True)
    assert answer == Answer(VALUES, (R.PROSE,))


def test_a_cut_reply_may_go_on_after_the_answer_where_thinking_is_known_to_be_over():
    text = f"<think>Hm.</think>{'In all likelihood. ' * 20}{CLEAN}\nThis is because"
    assert read(text, cut=True).values == VALUES


def test_names_that_differ_only_in_case_are_told_apart():
    spec = AnswerSpec((AnswerField("a", "integer"), AnswerField("A", "integer")))
    assert read("```{'a': 1, 'A': 2}```", spec).values == {"a": 1, "A": 2}


def test_no_pattern_rests_on_what_python_before_3_11_5_matches_wrongly():
    """A possessive group: gh-106052. `make test` may well run on a newer Python than the user's."""
    possessive_group = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")
    for file in Path(parse.__file__).parent.glob("*.py"):
        lines = file.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if possessive_group.search(line) and "`" not in line]
        assert not found, file
