"""What holds for every reply."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overnight.domain.answer import DEFAULT_ANSWER, Answer, AnswerField, AnswerSpec, Unreadable
from overnight.parse import read_answer

SPEC = AnswerSpec(
    (
        AnswerField("flag", "boolean"),
        AnswerField("share", "number", min=0, max=1),
        AnswerField("count", "integer", min=-5, max=500),
        AnswerField("code", "enum", values=("11", "Fall", "fall from height")),
        AnswerField("tags", "list", max_items=3, max_length=12),
        AnswerField("ages", "list", of="number", required=False, min=0),
        AnswerField("note", "string", required=False, max_length=30),
    )
)
STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
TEXT = st.text(STORABLE | st.sampled_from("\"'{}[],:\\/#` \n0.9"), max_size=12)
SHARE = st.floats(0, 1) | st.integers(0, 1)

VALID = st.fixed_dictionaries(
    {
        "flag": st.booleans(),
        "share": SHARE,
        "count": st.integers(-5, 500),
        "code": st.sampled_from(SPEC.fields[3].values),
        "tags": st.lists(TEXT, max_size=3),
    },
    optional={
        "ages": st.lists(st.floats(0, 1e6), max_size=3),
        "note": TEXT,
    },
)
EXAMPLE = '{"flag": true, "share": 0.5, "count": 1, "code": "11", "tags": ["example"]}'
WRAPPINGS = [
    "{}",
    "```json\n{}\n```",
    "<think>perhaps " + EXAMPLE.replace("{", "{{").replace("}", "}}") + "?</think>\n{}",
    "Here is the answer:\n\n{}\n\nAnything else?",
    "Sure!\n```\n{}\n```\nIt says so.",
    "{}<|im_end|>",
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{}",
    '{{"answer": {}}}',
    "[{}]",
]


def dumped(values, draw_indent):
    return json.dumps(values, indent=draw_indent, ensure_ascii=draw_indent is None)


def plain_repr(values):
    """As Python prints it, where that needs no escapes that JSON does not know."""
    texts = [*values["tags"], values.get("note", "")]
    return repr(values) if all(text.isprintable() for text in texts) else json.dumps(values)


WRITTEN = st.one_of(
    VALID.flatmap(
        lambda v: st.tuples(
            st.just(v), st.sampled_from([None, 2]).map(lambda indent: dumped(v, indent))
        )
    ),
    VALID.map(lambda v: (v, plain_repr(v))),
)


@settings(deadline=None)
@given(WRITTEN, st.sampled_from(WRAPPINGS), st.booleans())
def test_a_valid_answer_reads_back_equal_from_any_wrapping(written, wrapping, cut):
    values, text = written
    answer = read_answer(wrapping.format(text), SPEC, cut=cut)
    assert isinstance(answer, Answer), answer
    assert answer.values == values
    assert bool(answer.repaired) == (wrapping != "{}" or text == repr(values))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(WRITTEN, st.sampled_from(WRAPPINGS), st.booleans())
def test_a_reply_cut_anywhere_gives_the_right_values_or_none(written, wrapping, cut):
    values, text = written
    whole = wrapping.format(text)
    for end in range(len(whole)):
        answer = read_answer(whole[:end], SPEC, cut=cut)
        if isinstance(answer, Answer):
            assert answer.values.items() <= values.items(), whole[:end]
            assert all(one.name in answer.values for one in SPEC.fields if one.required)


SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["yes", "0.5", "90%", "1.5", "-1", "fall ", "FALL", "0. nine", "7", "x" * 31])
)
ANY_VALUE = st.recursive(SCALAR | TEXT, lambda v: st.lists(v) | st.dictionaries(TEXT, v))
KEYS = st.sampled_from([one.name for one in SPEC.fields] + ["Flag", " share", "x"])


def is_declared(one: AnswerField, value: object) -> bool:
    """What the contract says a valid value is, written once more and plainly."""
    if one.type == "list":
        item = AnswerField(one.name, one.of, min=one.min, max=one.max, max_length=one.max_length)
        return (
            isinstance(value, list)
            and len(value) <= (one.max_items or 10**9)
            and all(is_declared(item, each) for each in value)
        )
    if one.type == "boolean":
        return isinstance(value, bool)
    if one.type in {"number", "integer"}:
        kinds = (int,) if one.type == "integer" else (int, float)
        low, high = one.min if one.min is not None else -1e309, one.max or 1.7e308
        return type(value) in kinds and low <= value <= high
    return isinstance(value, str) and (
        value in one.values if one.type == "enum" else len(value) <= (one.max_length or 10**9)
    )


def assert_sound(answer: Answer | Unreadable, spec: AnswerSpec) -> None:
    if isinstance(answer, Unreadable):
        assert answer.reason
        return
    names = {one.name: one for one in spec.fields}
    assert {one.name for one in spec.fields if one.required} <= set(answer.values) <= set(names)
    for name, value in answer.values.items():
        assert is_declared(names[name], value)
    json.dumps(answer.values, ensure_ascii=False).encode()  # it can be stored
    assert "\x00" not in str(answer.values)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALID, st.dictionaries(KEYS, ANY_VALUE, max_size=2), st.sampled_from(WRAPPINGS))
def test_no_value_is_accepted_that_was_not_declared(values, others, wrapping):
    text = json.dumps(values | others)
    assert_sound(read_answer(wrapping.format(text), SPEC), SPEC)
    assert_sound(read_answer(wrapping.format(repr(values | others)), SPEC), SPEC)


PIECES = st.sampled_from(
    [
        *"{}[]\":,'`\\/#* \n.-%",
        *["<think>", "</think>", "<|channel|>", "<|message|>", "final", "analysis", "<|end|>"],
        *["```json\n", "```", "</s>", "//", "/*", "*/", "\ufeff", "\udc80", "\x00", "\u201c"],
        *['"detected"', "detected", "true", "False", "null", '"confidence": 0.9', "0.", "1e999"],
        *['"indicators": ["a"]', '"rationale": "x"', "9" * 400, "NaN", "0. nine", "\\ud800"],
    ]
)


@settings(deadline=None, max_examples=400)
@given(
    st.text(st.characters()) | st.lists(PIECES, max_size=40).map("".join),
    st.sampled_from([DEFAULT_ANSWER, SPEC]),
    st.booleans(),
)
def test_no_text_whatever_raises(text, spec, cut):
    answer = read_answer(text, spec, cut=cut)
    assert_sound(answer, spec)
    if isinstance(answer, Answer) and not answer.repaired:
        assert isinstance(json.loads(text.strip(), parse_int=float), dict)
    assert read_answer(text, spec, cut=cut) == answer


@settings(deadline=None, max_examples=200)
@given(VALID, st.data())
def test_one_changed_character_never_moves_a_value_out_of_its_bounds(values, data):
    text = json.dumps(values)
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from("\"'{}[],:\\ .0e-%x\n") | st.just(""))
    assert_sound(read_answer(text[:place] + character + text[place + 1 :], SPEC), SPEC)
