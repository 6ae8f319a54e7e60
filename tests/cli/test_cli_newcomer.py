"""Sentences that somebody who sees the program for the first time must not misread."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from overnight.commands.report import facts_of
from overnight.report import shares
from overnight.report.paper.how_it_went import how_it_went
from overnight.report.paper.methods import methods
from overnight.report.paper.what_came_out import what_came_out
from overnight.testing import Scripted

N = 120


@pytest.fixture
def begun(overnight, study, server, monkeypatch):
    """Run an experiment over N cases with two narratives each, labelled as `label` has it."""
    monkeypatch.chdir(study.folder)

    def run(label, **sections):
        with (study.folder / "narratives.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
            for i in range(N):
                for type_ in ("cme", "le"):
                    text = f"Case {i} ({type_}) is invented." + " A partner was there." * (
                        i % 5 == 0
                    )
                    writer.writerow([f"c{i:04d}", type_, text, label(i, type_)])
        study.configure(server.url, **sections)
        assert overnight("run", "study.yaml").code == 0
        return study

    return run


def draw(overnight, n, labelled):
    """Draw so many, and label the first so many of them."""
    assert overnight("sample", "--n", n, "--out", "sheet.csv").code == 0
    sheet, filled = Path("sheet.csv"), Path("filled.csv")
    with sheet.open(encoding="utf-8-sig") as file:
        head, *rows = list(csv.reader(file))
    for row in rows[:labelled]:
        row[head.index("label")] = "no"
    with filled.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    said = overnight("label", "latest", "filled.csv")
    assert said.code == 0, said.err
    sheet.unlink()


def odd(i, _type):
    """Every fourth case is labelled, one of them so that nobody can compare it."""
    return "maybe" if i == 0 and _type == "cme" else ("no" if i % 4 == 0 else "")


def test_labelled_are_those_with_a_label_that_can_be_compared(overnight, begun):
    begun(odd)
    draw(overnight, 20, 20)
    said = overnight("methods").out
    n = json.loads(overnight("metrics", "--json").out)["labelled"]
    assert n == N // 4 * 2 - 1 + 20
    assert f"{n} of {2 * N} answered narratives" in said
    assert "1 more label could not be compared and is not counted as labelled" in said
    assert f"{n - 20} others have labels; how" in said
    assert "all of them were labelled" in said
    looked = f"{n + 1}, of them 1 that cannot be compared"
    assert looked in " ".join(overnight("metrics").out.split())


def test_a_sample_is_numbered_in_a_paper_only_beside_another_one(overnight, begun):
    begun(lambda _i, _type: "")
    draw(overnight, 20, 18)
    said = overnight("methods").out
    assert "Sample" not in said
    assert "20 of 240 narratives without a label that can be compared, at random (seed " in said
    assert "18 of 20 were labelled; that these are like the others the design does not" in said
    assert "drawn with known probabilities, and that those drawn and not labelled are" in said
    draw(overnight, 10, 10)
    said = overnight("methods").out
    assert "Sample 1: 20 of 240" in said
    assert "Sample 2: 10 of 2" in said


def test_a_random_sample_without_a_single_one_of_a_type_is_not_quoted_for_all(overnight, begun):
    data = {"labels": {"design": "random"}}
    begun(lambda i, type_: int(i % 5 == 0) if type_ == "cme" and i % 2 else "", data=data)
    said = overnight("prevalence").out
    assert "To quote for all narratives: none without reservation" in said
    assert "None of the 60 labelled narratives is of the type le" in said
    assert "corrected by the labels" not in overnight("methods").out


def test_a_rare_type_without_a_label_is_no_reason_to_doubt_a_random_sample(overnight, begun):
    data = {"labels": {"design": "random"}}
    begun(lambda i, type_: int(i == 5) if type_ == "cme" and i < 7 else "", data=data)
    assert "To quote: 0." in overnight("prevalence").out


def test_intervals_are_promised_95_of_100_only_where_enough_is_wrong(overnight, begun, monkeypatch):
    begun(lambda _i, _type: "")
    draw(overnight, 20, 20)
    few = overnight("prevalence").out
    assert "in some 90 of 100" in few
    assert "95 of 100 such samples" not in few
    monkeypatch.setattr(shares, "FEW_WRONG", 0)
    enough = overnight("prevalence").out
    assert "in 95 of 100 such samples" in enough
    assert "some 90 of 100" not in enough


def test_what_is_counted_in_one_part_says_so(begun, server):
    yes = json.dumps({"detected": False, "confidence": 0.9, "indicators": [], "rationale": "x"})
    server.script = lambda _call: Scripted(f"```json\n{yes}\n```")
    study = begun(lambda i, _type: i % 2, data={"split": {"test": 0.4}})
    facts = facts_of(db=study.database)
    n = facts.metrics.repaired["fence removed"]
    assert n < 2 * N
    assert f"fence removed {n:,}; counted in the development part alone." in methods(facts)
    assert "counted in the development part alone" in repr(list(how_it_went(facts)))
    assert "Discs: figures of the development part" in repr(list(what_came_out(facts)))


def test_the_first_of_a_file_are_named_no_sample_by_metrics_too(overnight, begun, study):
    begun(lambda _i, _type: "")
    with closing(sqlite3.connect(study.database)) as connection, connection:
        connection.execute("DELETE FROM results WHERE narrative_id > 20")
    connection.close()
    assert "the first ones of the file: no random part of it" in overnight("metrics").out


def test_compare_tells_what_shapes_answers_from_other_settings(overnight, begun, study, server):
    begun(lambda i, _type: i % 2)
    first = study.value("SELECT experiment_id FROM experiments")
    server.script = lambda _call: Scripted(
        {"detected": True, "confidence": 0.9, "indicators": [], "rationale": "x"}
    )
    study.configure(
        server.url,
        experiment={"name": "other"},
        prompt={"system_prompt": "Other."},
        run={"concurrency": 2},
    )
    assert overnight("run", "study.yaml", "--new").code == 0
    said = overnight("compare", first, "latest").out
    told, rest = said.split("Other settings that differ")
    assert "prompt.system_prompt" in told
    assert "experiment.name" not in told
    others = rest.split("Figures")[0]
    assert "experiment.name" in others
    assert "prompt.system_prompt" not in others
    rows = [line.split() for line in said.split("answered differently:")[1].splitlines()]
    ends = [row[-3:] for row in rows if len(row) > 4 and row[0].isdigit()]
    assert ends
    assert {word for row in ends for word in row} <= {"yes", "no"}
