"""`metrics`, as it is typed."""

import json

import pytest


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
