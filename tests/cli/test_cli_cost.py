"""What a run costs, as `check`, `run`, `status` and `report` say it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import parsed

from overnight.testing import Scripted, faulty, keyword_script
from overnight.words import money

PRICE = {"input": 2.0, "output": 10.0, "currency": "EUR"}


def paid(study, where="1"):
    """The cost of the calls on the ledger, as it is shown."""
    calls = study.query(
        f"SELECT prompt_tokens, completion_tokens FROM narrative_attempts WHERE {where}"
    )
    return money(sum((i or 0) * 2e-6 + (o or 0) * 10e-6 for i, o in calls), "EUR")


def change(study, *statements):
    with closing(sqlite3.connect(study.database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def rows(said):
    """A table of two columns as it was printed."""
    lines = [line.split(None, 1) for line in said.out.splitlines() if "  " in line]
    return {line[0]: line[1].strip() for line in lines if len(line) > 1}


def cost_paragraph(page):
    return next(text for text in page.texts if "model.price" in text)


@pytest.fixture
def priced(study, server, monkeypatch):
    """40 narratives, a price, and one reply that cannot be read; not run yet."""
    monkeypatch.chdir(study.folder)
    server.script = lambda call: (
        Scripted("no answer at all") if "Case 3 " in call.text else keyword_script(call)
    )
    return study.data(40).configure(server.url, model={"price": PRICE})


def test_the_end_of_a_run_says_what_it_cost_in_one_line(overnight, priced):
    said = overnight("run", "study.yaml")
    assert f"\nCost: {paid(priced)}.\n" in said.out
    assert f"\nCost: {paid(priced)}.\n" in overnight("run", "study.yaml").out, "without a call"
    said = overnight("retry", "latest")
    assert f"\nCost of all sessions: {paid(priced)}.\n" in said.out


def test_a_run_that_stops_says_what_the_whole_will_cost(overnight, priced, server):
    server.script = lambda call: (
        keyword_script(call) if call.number <= 25 else faulty.wrong_model("other")(call)
    )
    assert overnight("run", "study.yaml").code == 1
    said = overnight("status")
    assert rows(said)["cost"].startswith(f"{paid(priced)} so far, about ")
    told = json.loads(overnight("status", "--json").out)
    expected = told["cost"]["so_far"] / told["completed"] * 40
    assert told["cost"]["expected"] == pytest.approx(expected)
    assert rows(said)["cost"].endswith(f"about {money(expected, 'EUR')} in all")


def test_status_has_the_cost_for_people_and_programs(overnight, priced):
    overnight("run", "study.yaml")
    assert rows(overnight("status"))["cost"] == paid(priced)
    told = json.loads(overnight("status", "--json").out)["cost"]
    assert money(told["so_far"], told["currency"]) == paid(priced)
    assert money(told["in_vain"], "EUR") == paid(priced, "status = 'failed'")
    assert (told["answers"], told["answers_with_tokens"]) == (39, 39)
    assert told["expected"] is told["expected_of_file"] is None, "nothing is left"


def test_a_pilot_tells_what_all_narratives_of_the_file_will_cost(overnight, priced, server):
    priced.configure(server.url, model={"price": PRICE}, run={"max_narratives": 20})
    said = overnight("run", "study.yaml")
    told = json.loads(overnight("status", "--json").out)["cost"]
    assert told["expected_of_file"] == pytest.approx(told["so_far"] / 20 * 40)
    whole = money(told["expected_of_file"], "EUR")
    line = f"Cost: {paid(priced)}, about {whole} for all 40 narratives of the data."
    assert f"\n{line}\n" in said.out
    grown = overnight("resume", "latest", "--max-narratives", 40)
    assert f"\nCost of all sessions: {paid(priced)}.\n" in grown.out


@pytest.mark.parametrize("kind", ["html", "md"])
def test_the_report_has_the_cost_of_calls_that_gave_nothing_and_what_it_leaves_out(
    overnight, priced, kind
):
    overnight("run", "study.yaml")
    text = Path(overnight("report", "--format", kind).out.strip()).read_text("utf-8")
    answered, in_vain = paid(priced, "status = 'answered'"), paid(priced, "status = 'failed'")
    if kind == "html":
        page = parsed(text)
        told = {name: row[-1] for name, row in page.named("tokens", "in", "out", "cost").items()}
        assert told == {
            "of calls that were answered": answered,
            "of calls that were not": in_vain,
            "in all": paid(priced),
        }
        text = cost_paragraph(page)
    for words in (
        "At 2 EUR for a million tokens in and 10 EUR for a million out (model.price)",
        "without discounts for cached or batched input, which are not known.",
    ):
        assert words in text
    assert "may have been paid for" not in text, "no call was lost"


def test_the_report_says_which_calls_may_have_been_paid_for_too(overnight, priced):
    overnight("run", "study.yaml")
    change(
        priced,
        "UPDATE attempts SET status = 'lost', prompt_tokens = NULL WHERE attempt_id IN (1, 2)",
        "UPDATE attempts SET prompt_tokens = NULL WHERE attempt_id ="
        " (SELECT min(attempt_id) FROM attempts WHERE status = 'failed')",
    )
    page = parsed(Path(overnight("report").out.strip()).read_text("utf-8"))
    assert (
        "2 lost calls and 1 call that failed without tokens being reported may have been paid for "
        "and are not counted."
    ) in cost_paragraph(page)


def test_without_a_price_nothing_is_said_but_in_the_report_how_to_give_one(
    overnight, priced, server
):
    priced.configure(server.url)
    assert "cost" not in overnight("check", "study.yaml").out.lower()
    assert "cost" not in overnight("run", "study.yaml").out.lower()
    assert "cost" not in overnight("status").out.lower()
    assert json.loads(overnight("status", "--json").out)["cost"] is None
    page = parsed(Path(overnight("report").out.strip()).read_text("utf-8"))
    assert cost_paragraph(page) == (
        "No cost is given, since the experiment file holds no price (model.price, which may be "
        "added at any time)."
    )


@pytest.mark.usefixtures("priced")
def test_check_says_what_all_would_cost_by_its_one_call(overnight):
    told = json.loads(overnight("check", "study.yaml", "--json").out)
    estimate, call = told["estimated_cost"], told["call"]
    one = call["prompt_tokens"] * 2e-6 + call["completion_tokens"] * 10e-6
    assert estimate["per_narrative"] == pytest.approx(one)
    assert estimate["all"] == pytest.approx(one * 40)
    said = rows(overnight("check", "study.yaml"))["cost"]
    about = f"about {money(one, 'EUR')} per narrative, {money(one * 40, 'EUR')} for all 40: from "
    assert said.startswith(f"{about}this one call, with a text of 186 characters (yours: ")


def test_a_price_that_is_none_stops_before_anything_is_done(overnight, priced, server):
    priced.configure(server.url, model={"price": {"input": -1, "output": 1}})
    said = overnight("run", "study.yaml")
    assert said.code == 2
    assert "model.price.input: should be greater than or equal to 0, not -1" in said.err
    assert not (priced.folder / "overnight.db").exists()


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0.00 EUR"),
        (1234.5, "1,234.50 EUR"),
        (0.996, "1.00 EUR"),
        (0.1, "0.10 EUR"),
        (0.0421, "0.042 EUR"),
        (0.00031, "0.00031 EUR"),
        (0.000099, "less than 0.0001 EUR"),
    ],
)
def test_an_amount_is_shown_as_money(amount, shown):
    assert money(amount, "EUR") == shown


@given(st.floats(0.0001, 1e9))
def test_an_amount_that_is_shown_is_right_to_one_part_in_ten(amount):
    assert float(money(amount, "X").split()[0].replace(",", "")) == pytest.approx(amount, rel=0.1)
