"""Keyword rules: what fires, what is void, what a wrong rules file is told."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from overnight.call.client import Client
from overnight.call.rules import (
    Rules,
    RulesClient,
    judge,
    load_rules,
    refuse_unless_answerable,
)
from overnight.call.rules_file import RulesFile
from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.domain.outcome import Reply, Request
from overnight.errors import ConfigError, UsageError

HEAD = 'negations: [no, not, denied, without, "no history of"]\n'
RULES = (
    HEAD
    + """
field: detected
window: 12
negation_window: 6
rules:
  - name: protection order
    any: ["protection order", "restraining order"]
    weight: 0.9
  - name: assault
    any: ["assault*", "struck"]
    near: [wife, husband, boyfriend]
    window: 5
    weight: 0.6
  - name: fear
    any: [afraid]
    negations: false
    weight: 0.3
  - name: threat
    any: ["threat*"]
    weight: 0.4
threshold: 0.5
"""
)


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        file = tmp_path / "rules.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return to_file


@pytest.fixture
def rules(write):
    return load_rules(write(RULES))


LOADED = Rules.of(
    RulesFile.model_validate(YAML().load(RULES)), name="rules:tested"
)  # hypothesis wants no fixture per example


def fired(rules, text):
    return judge(rules, text)["indicators"]


def test_answer_has_the_four_fields(rules):
    answer = judge(rules, "She had a restraining order and was afraid.")
    assert answer == {
        "detected": True,
        "confidence": 0.93,
        "indicators": ["protection order", "fear"],
        "rationale": "2 rules fired: protection order (restraining order), fear (afraid)",
    }


def test_confidence_is_that_the_answer_is_right(rules):
    """Below the threshold the answer is no, and the weight speaks against it."""
    assert judge(rules, "He made threats.") == {
        "detected": False,
        "confidence": 0.6,
        "indicators": ["threat"],
        "rationale": "1 rule fired: threat (threat*)",
    }
    assert judge(rules, "")["confidence"] == 1
    assert judge(rules, "")["rationale"] == "No rule fired"


def test_weights_add_up_like_independent_chances(rules):
    answer = judge(rules, "Afraid of his threats.")
    assert answer["detected"]
    assert answer["confidence"] == pytest.approx(1 - 0.7 * 0.6)


@pytest.mark.parametrize(
    "text",
    [
        "RESTRAINING ORDER",
        "a restraining-order",
        "the restraining\norder",
        "the restraining order's terms",
        "the restraining  order.",
        '"restraining order"',
        "_restraining_ order",
    ],
)
def test_words_are_words_however_written(rules, text):
    assert fired(rules, text) == ["protection order"]


@pytest.mark.parametrize(
    "text",
    ["restraining orders", "unrestraining order", "He was restraining. Order came.", "order"],
)
def test_a_phrase_is_all_of_its_words_in_one_sentence(rules, text):
    assert fired(rules, text) == []


def test_star_is_the_rest_of_a_word(rules):
    for word in ("threat", "threats", "Threatened", "threat's"):
        assert fired(rules, f"a {word} was heard") == ["threat"]


def test_near_holds_on_both_sides_and_across_sentences(rules):
    assert fired(rules, "He assaulted his wife") == ["assault"]
    assert fired(rules, "His wife's brother was assaulted") == ["assault"]
    assert fired(rules, "The ex-husband came. Then he struck.") == ["assault"]


def test_near_ends_with_the_window(rules):
    assert fired(rules, "struck one two three four wife") == ["assault"]
    assert fired(rules, "struck one two three four five wife") == []
    assert fired(rules, "wife one two three four struck") == ["assault"]
    assert fired(rules, "wife one two three four five struck") == []


def test_a_negation_before_the_match_voids_it(rules):
    for text in ("No threats.", "She denied that he had made threats.", "no history of threats"):
        answer = judge(rules, text)
        assert answer["indicators"] == []
        assert answer["rationale"] == "No rule fired; negated: threat"


def test_a_negation_reaches_six_words_in_its_sentence_and_only_forward(rules):
    assert fired(rules, "no a b c d e threat") == []
    assert fired(rules, "no a b c d e f threat") == ["threat"]
    assert fired(rules, "threat not") == ["threat"]
    assert fired(rules, "He said no. Threats followed.") == ["threat"]
    assert fired(rules, "He said no! Threats followed.") == ["threat"]
    assert fired(rules, "He said no\n\nThreats followed.") == ["threat"]


def test_an_abbreviation_ends_no_sentence(rules):
    assert fired(rules, "No word from Dr. Smith of threats") == []
    assert fired(rules, "No word from J. Smith of threats") == []
    assert fired(rules, "Told no at 5. Threats followed") == ["threat"]


def test_one_free_match_is_enough(rules):
    assert fired(rules, "No threats in May. Threats in June.") == ["threat"]


def test_a_rule_can_be_exempt_from_negation(rules):
    assert fired(rules, "not afraid") == ["fear"]


def test_curly_apostrophes_and_accents_compare_equal(write):
    rules = load_rules(write('rules:\n  - {name: a, any: ["didn\'t", café]}\n'))
    assert fired(rules, "He didn\u2019t") == ["a"]
    assert fired(rules, "cafe\u0301") == ["a"]
    assert fired(rules, "CAFÉ") == ["a"]


def test_defaults_make_a_rules_file_of_two_lines(write):
    rules = load_rules(write("rules:\n  - {name: gun, any: [gun, 911]}\n"))
    assert judge(rules, "call 911") == {
        "detected": True,
        "confidence": 1,
        "indicators": ["gun"],
        "rationale": "1 rule fired: gun (911)",
    }


def test_the_decided_field_bears_its_own_name(write):
    rules = load_rules(write("field: ipv\nrules:\n  - {name: gun, any: [gun]}\n"))
    assert judge(rules, "gun")["ipv"] is True


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("rules:\n  - name: a\n    anny: [b]\n", 2, "rules.0.any: is missing"),
        ("rules:\n  - name: a\n    any: [b]\n    waight: 1\n", 4, "did you mean weight?"),
        ("treshold: 1\nrules:\n  - {name: a, any: [b]}\n", 1, "did you mean threshold?"),
        ("rules:\n  - name: a\n    any: [b]\n    weight: 2\n", 4, "less than or equal to 1, not 2"),
        ("rules:\n  - name: a\n    any: b\n", 3, "must be a list"),
        ("rules:\n  - name: a\n    any: ['*']\n", 3, "rest of a word"),
        ("rules:\n  - name: a\n    any:\n      - b\n      - 'x*y'\n", 5, "rest of a word"),
        ("rules:\n  - name: a\n    any: ['--']\n", 3, "holds no word"),
        ("rules:\n  - {name: a, any: [b]}\n  - {name: a, any: [c]}\n", 1, "two rules are named"),
        ("field: rationale\nrules:\n  - {name: a, any: [b]}\n", 1, "another field"),
        ("rules: []\n", 1, "at least 1"),
        ("a: [\n", 2, "not valid YAML"),
        ("a: 1\na: 2\n", 2, "not valid YAML"),
        ("just text\n", None, "holds no rules"),
        ("", None, "holds no rules"),
    ],
)
def test_a_wrong_rules_file_is_told_where_and_what(write, text, line, says):
    file = write(text)
    with pytest.raises(ConfigError) as error:
        load_rules(file)
    assert says in str(error.value)
    assert error.value.line == line
    assert str(error.value).startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert "\n" not in str(error.value)


def test_a_missing_or_binary_rules_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml: no such file"):
        load_rules(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_rules(tmp_path / "bad.yaml")


def test_every_byte_of_the_file_makes_another_model(write):
    first = load_rules(write(RULES)).name
    again = load_rules(write(RULES)).name
    other = load_rules(write(RULES + "# a comment\n")).name
    assert first == again != other
    assert first.startswith("rules:")
    assert len(first) == len("rules:") + 12


PLAIN = ("no", "not", "threat", "wife", "Assaulted", "restraining", "order", "of", "no history")
ODD = ("\n\n", "é", "İ", "ß", "\u2019s", "\ud800", "\x00", "threats'", "wife's", "-", "…", "Dr.")
WORDS = st.sampled_from(PLAIN + ODD)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_any_text_gets_the_same_whole_answer_twice(text):
    """Never raises, whatever the text; the second time and from a fresh index alike."""
    answer = judge(LOADED, text)
    assert judge(LOADED, text) == answer
    assert judge(Rules.of(LOADED.values, LOADED.name), text) == answer
    assert answer["indicators"] or not answer["detected"]
    assert 0.5 <= answer["confidence"] <= 1
    assert json.loads(json.dumps(answer)) == answer


@settings(deadline=None)
@given(st.text(min_size=4))
def test_the_rationale_never_quotes_the_narrative(text):
    secret = f"zq{text.encode(errors='replace').hex()}"
    answer = judge(LOADED, f"{secret} threatened his wife {secret}")
    assert secret not in json.dumps(answer)


def test_one_huge_narrative_takes_no_more_than_its_share(rules):
    """Time grows with the text, not with its square: 1.5 MB of nothing but matches."""
    assert fired(rules, "struck wife no " * 100_000) == ["assault"]


def ask(client, text):
    async def once():
        await client.open()
        try:
            return await client.call(Request(system="", user="", text=text, seed=1))
        finally:
            await client.close()

    return asyncio.run(once())


def test_as_a_client_it_replies_like_a_model(write):
    client: Client = RulesClient(load_rules(write(RULES)))
    assert client.structured == "json_schema"
    assert client.max_concurrency is None
    reply = ask(client, "a restraining order — “café”")
    assert isinstance(reply, Reply)
    assert json.loads(reply.text)["detected"] is True
    assert not reply.cut
    assert reply.model == load_rules(write(RULES)).name


def test_a_missing_file_is_said_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_rules(tmp_path / "gone.yaml")


def test_an_answer_that_rules_cannot_give_is_refused(write):
    rules = load_rules(write(RULES))
    refuse_unless_answerable(rules, DEFAULT_ANSWER)
    asked = AnswerSpec((AnswerField("event", "enum", values=("a", "b")),), primary="event")
    with pytest.raises(UsageError, match="boolean field 'detected'"):
        refuse_unless_answerable(rules, asked)
