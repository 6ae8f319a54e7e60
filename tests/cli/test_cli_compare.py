"""`compare`, `prevalence`, `show --wrong` and `show --disagree`, as they are typed."""

import json

import pytest

from overnight.cli.show_compare import _values
from overnight.testing import Scripted


@pytest.fixture
def two(overnight, done, server):
    """Two experiments; the second says no to everything, and was told another prompt."""
    done.configure(server.url, experiment={"name": "all no"}, prompt={"system_prompt": "No."})
    no = {"detected": False, "confidence": 0.9, "indicators": [], "rationale": "no"}
    server.script = lambda _call: Scripted(no)
    assert overnight("run", "study.yaml", "--new").code == 0
    listed = json.loads(overnight("list", "--json").out)
    return [one["experiment_id"] for one in reversed(listed)]


@pytest.mark.parametrize("command", ["compare", "prevalence"])
def test_the_commands_have_help_and_json(overnight, command):
    said = overnight(command, "--help").out
    assert "--json" in said
    assert "--db" in said


def test_compare_shows_settings_figures_and_where_answers_differ(overnight, two):
    said = overnight("compare", *two)
    assert said.code == 0
    for words in (
        "prompt.system_prompt",
        "accuracy",
        "McNemar, exact binomial",
        "5 answered differently",
        "000007",
    ):
        assert words in said.out
    assert "is invented" not in said.out
    assert "Case 7 is invented" in overnight("compare", *two, "--with-text").out


def test_compare_as_json(overnight, two):
    found = json.loads(overnight("compare", *two, "--json", "--limit", "2").out)
    assert [one["experiment_id"] for one in found["experiments"]] == two
    assert found["differences"]["experiment.name"] == ["study", "all no"]
    pair = found["pairs"][0]
    assert (pair["first"], pair["second"], pair["paired"], pair["n_differing"]) == (*two, 30, 5)
    assert len(pair["differing"]) == 2
    assert pair["mcnemar"]["only_first"] == 5
    assert pair["p_holm"] == pair["mcnemar"]["p"]


def test_compare_needs_two_different_experiments(overnight, done):
    for words in ((done.id,), (done.id, "latest")):
        said = overnight("compare", *words)
        assert (said.code, said.out) == (2, "")
        assert "two different experiments" in said.err
    assert overnight("compare", done.id, "zzz").code == 3


def test_show_wrong_answers_only(overnight, two):
    def shown(*words):
        return json.loads(overnight("show", *words, "--json", "--limit", "0").out)

    assert shown(two[0], "--wrong", "any") == []
    wrong = shown(two[1], "--wrong", "fn")
    assert [row["row_num"] for row in wrong] == [1, 8, 15, 22, 29]
    assert shown(two[1], "--wrong", "fp") == []
    assert overnight("show", "--wrong", "maybe").code == 2


def test_show_where_two_disagree(overnight, two):
    rows = json.loads(overnight("show", "--disagree", *two, "--json").out)
    assert {row["incident_id"] for row in rows} == {f"{i:06d}" for i in (0, 7, 14, 21, 28)}
    assert (rows[0]["first"], rows[0]["second"], rows[0]["text"]) == ("1", "0", None)
    said = overnight("show", "--disagree", *two, "--with-text")
    assert "Case 7 is invented" in said.out


def test_prevalence_says_what_each_estimate_assumes(overnight, two):
    said = overnight("prevalence", two[0], "--by", "type")
    assert said.code == 0
    assert "prediction-powered (PPI++)" in said.out
    assert "is not known" in said.out
    found = json.loads(overnight("prevalence", two[0], "--labels", "random", "--json").out)
    assert found["overall"]["ppi"]["value"] == pytest.approx(5 / 30)
    assert found["overall"]["n_labelled"] == 30


def test_a_share_needs_yes_and_no(overnight, done):
    said = overnight("prevalence", done.id, "--of", "fall")
    assert said.code == 2
    assert "--of" in said.err


def test_long_settings_are_shown_where_they_differ():
    first, second = _values(["Judge with care. " * 9 + "Yes.", "Judge with care. " * 9 + "No."])
    assert (first[0], first[-5:], second[-4:]) == ("…", " Yes.", " No.")
    assert _values(["short", 3, None]) == ["short", "3", "null"]
