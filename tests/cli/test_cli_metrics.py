"""`metrics`, as it is typed."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from overnight.report.look_text import ordinal


def test_metrics_shows_figures_with_three_decimals_and_what_the_brackets_mean(overnight, done):
    said = overnight("metrics")
    assert said.code == 0
    rows = {line.split("  ")[0]: line for line in said.out.splitlines()}
    assert "1.000 [0.886, 1.000]" in rows["accuracy"]
    assert "95 % intervals" in said.out
    assert "Right answers by confidence" in said.out
    assert "Cases" not in said.out  # each has one narrative
    assert done.folder.name not in said.out


@pytest.mark.usefixtures("done")
def test_metrics_as_json_has_every_figure_with_its_interval_and_bounds(overnight):
    found = json.loads(overnight("metrics", "--json").out)["evaluation"]
    accuracy = found["overall"]["figures"]["accuracy"]
    assert accuracy == {
        "value": 1.0,
        "low": pytest.approx(0.8865, abs=1e-4),
        "high": 1.0,
        "n": 30,
        "method": "wilson",
        "if_errors_wrong": 1.0,
        "if_errors_right": 1.0,
        "by_case": None,
    }
    assert set(found["by_type"]) == {"cme", "le"}
    assert found["n_cases"] == 30
    assert found["overall"]["figures"]["kappa"]["low"] is None  # nothing was wrong: no interval


def test_metrics_of_an_experiment_that_has_only_begun(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.data(30).configure(server.url)
    assert overnight("run", "study.yaml", "--max-narratives", "4").code == 0
    said = overnight("metrics")
    assert said.code == 0
    assert (
        "measured (answered, labelled)    4" in said.out.replace("  " * 6, "    ")
        or "4" in said.out
    )


@pytest.fixture
def split(overnight, study, server, monkeypatch):
    """A completed study that sets a part apart and keeps its types as a column."""
    monkeypatch.chdir(study.folder)
    data = {"keep": ["narrative_type"], "split": {"test": 0.3}}
    study.data(60).configure(server.url, data=data)
    study.said = overnight("run", "study.yaml")
    return study


def test_the_end_of_a_run_says_what_is_set_apart_and_how_often_labels_were_seen(overnight, split):
    said = split.said.out
    told = re.search(
        r"Without the test part \(30% of the cases, drawn with seed 0\): the figures are of (\d+) "
        r"of the 60 results; metrics --final shows those of the rest, once, at the end\.",
        said,
    )
    assert re.search(rf"^results +{told[1]} ", said[told.end() :], re.MULTILINE)
    assert f" {told[1]} " not in said[: told.start()]
    assert "First configuration measured on these labels" in split.said.out
    said = overnight("metrics")
    part = "Of the development part, without the test part (30% of the cases, drawn with seed 0)"
    assert part in said.out
    assert "First configuration measured on these labels" in said.out


@pytest.mark.usefixtures("split")
def test_the_final_figures_say_whether_this_is_the_first_look(overnight):
    first, second = overnight("metrics", "--final"), overnight("metrics", "--final")
    assert "Of the test part alone" in first.out
    assert "The first look at the test part" in first.out
    assert "NO LONGER A FIRST LOOK" in second.out
    assert "first looked at on" in second.out
    found = json.loads(overnight("metrics", "--final", "--json").out)
    assert found["part"] == "test"
    assert found["split"]["share"] == 0.3
    assert found["look"]["is_first_look"] is False
    assert found["look"]["ordinal"] == 1


@pytest.mark.usefixtures("split")
def test_metrics_by_a_column_show_every_figure_with_its_interval(overnight):
    said = overnight("metrics", "--by", "narrative_type")
    table = said.out[said.out.index("By narrative_type") :]
    assert "cme" in table
    assert "accuracy" in table
    assert "[" in table
    groups = json.loads(overnight("metrics", "--by", "narrative_type", "--json").out)["by"]
    assert {group["value"] for group in groups["groups"]} == {"cme", "le"}
    accuracy = groups["groups"][0]["evaluation"]["overall"]["figures"]["accuracy"]
    assert accuracy["low"] < accuracy["value"] <= accuracy["high"]


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("first", ["metrics", "report", "methods"])
def test_a_look_at_the_test_part_is_one_look_whichever_command_gives_it(overnight, split, first):
    """Looking again by another command, with the same configuration and labels, is no new look."""
    assert overnight(first, "--final").code == 0
    looks = split.query("SELECT look_id, first_at FROM looks WHERE part = 'test'")
    assert len(looks) == 1
    for command in ("metrics", "report", "methods"):
        assert overnight(command, "--final").code == 0
    assert split.query("SELECT look_id, first_at FROM looks WHERE part = 'test'") == looks
    assert "NO LONGER A FIRST LOOK" in overnight("metrics", "--final").out


@pytest.mark.usefixtures("split")
def test_methods_and_report_say_of_which_part_their_figures_are(overnight):
    whole = json.loads(overnight("metrics", "--json").out)["labelled"]
    test = json.loads(overnight("metrics", "--final", "--json").out)["labelled"]
    said = overnight("methods").out
    assert f"{whole} of {whole} answered narratives" in said
    assert "Figures are of the development part, without the test part (30% of the cases" in said
    assert f": {whole} of 60 cases." in said
    final = overnight("methods", "--final").out
    assert f"{test} of {test} answered narratives" in final
    assert (
        f"Figures are of the test part alone (30% of the cases, drawn with seed 0): {test}" in final
    )
    assert "The test part was first looked at on" in final
    assert "with this configuration" in final
    page = Path(overnight("report", "--final").out.strip())
    assert page.name == "report-final.html"
    assert "Of the test part alone" in page.read_text()
    plain = Path(overnight("report").out.strip())
    assert plain.name == "report.html"
    assert "Of the development part, without the test part" in plain.read_text()


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("command", ["report", "methods"])
def test_without_a_test_part_there_is_no_final_report_either(overnight, command):
    said = overnight(command, "--final")
    assert said.code == 2
    assert "data.split" in said.err


@pytest.fixture
def by_year(overnight, study, server, monkeypatch):
    """Sites and years of very different sizes, and blank ones."""
    monkeypatch.chdir(study.folder)
    study.data(48)
    file = study.folder / "narratives.csv"
    head, *rows = file.read_text().splitlines()
    sites = ["Site 10", "Site 2", "", "site 1", "Site 10", "Site 10"]
    years = ["2021", "999", "2003", "2021", "", "2021"]
    wards = [*range(22), *(i for i in range(22) if i not in (8, 9)), *range(6)]
    more = [f"{row},{sites[i % 6]},{years[i % 6]},Ward {wards[i]}" for i, row in enumerate(rows)]
    file.write_text("\n".join([f"{head},Site,Year,Ward", *more]) + "\n")
    study.configure(server.url, data={"keep": ["Site", "Year", "Ward"]})
    assert overnight("run", "study.yaml").code == 0


@pytest.mark.usefixtures("by_year")
@pytest.mark.parametrize("command", ["metrics", "prevalence"])
@pytest.mark.parametrize(
    ("column", "values"),
    [("Site", ["site 1", "Site 2", "Site 10", "(blank)"]), ("Year", ["999", "2003", "2021"])],
)
def test_groups_stand_in_the_natural_order_of_their_values(overnight, command, column, values):
    said = overnight(command, "--by", column).out
    lines = said[said.index(f"By {column}") :].splitlines()[2:]
    shown = [name for line in lines if (name := line.split("  ")[0]) != "all narratives"]
    assert shown[: len(values)] == values
    found = json.loads(overnight(command, "--by", column, "--json").out)["by"]["groups"]
    assert [one["value"] or "(blank)" for one in found][: len(values)] == values


@pytest.mark.usefixtures("by_year")
def test_of_many_groups_the_largest_are_shown_and_that_is_said(overnight):
    said = overnight("metrics", "--by", "Ward").out
    table = said[said.index("By Ward") :]
    shown = [line.split("  ")[0] for line in table.splitlines() if line.startswith("Ward ")][1:]
    assert shown[:20] == [f"Ward {i}" for i in range(22) if i not in (8, 9)]  # these have fewest
    assert "Ward has 2 more values, with 2 of the 48 narratives: the 20 with most" in table
    assert "are shown, in the order of the values" in table


@pytest.mark.parametrize("limit", ["NULL", "40"])
def test_a_row_without_a_total_covers_what_its_limit_and_its_data_allow(overnight, done, limit):
    with closing(sqlite3.connect(done.database)) as connection, connection:
        connection.execute(
            f"UPDATE experiments SET n_narratives_total = NULL, max_narratives = {limit}"
        )
    connection.close()
    found = json.loads(overnight("metrics", "--json").out)
    assert (found["total"], found["remaining"]) == (30, 0)
    for command in ("metrics", "status", "list", "report", "export", "prevalence", "check"):
        words = (command, "study.yaml", "--offline") if command == "check" else (command,)
        assert overnight(*words).code == 0


@pytest.mark.usefixtures("split")
def test_an_unknown_column_is_one_sentence(overnight):
    said = overnight("metrics", "--by", "narrative_tpye")
    assert said.code == 2
    assert "did you mean narrative_type? Columns to keep" in said.err
    assert said.out == ""


@pytest.mark.usefixtures("split")
def test_two_columns_at_once_are_one_too_many(overnight):
    said = overnight("metrics", "--by", "narrative_type,narrative_type")
    assert said.code == 2
    assert "are 2 columns; one column, such as narrative_type" in said.err


@pytest.mark.usefixtures("done")
def test_final_without_a_test_part_is_one_sentence(overnight):
    said = overnight("metrics", "--final")
    assert said.code == 2
    assert "data.split" in said.err


@pytest.mark.usefixtures("split")
def test_check_says_the_order_what_is_kept_and_what_is_set_apart(overnight, study, server):
    study.configure(
        server.url,
        data={"keep": ["narrative_type"], "split": {"test": 0.3}},
        run={"order": "random", "max_narratives": 9},
    )
    said = overnight("check", "study.yaml", "--offline")
    assert "9 in a random order" in said.out
    assert "30% of the cases, drawn with seed 0" in said.out


def test_a_number_is_said_as_people_say_it():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]
    )
