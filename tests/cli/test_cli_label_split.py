"""Drawn samples beside a test part, a random order and the count of looks, as they are typed."""

import csv
import json

import pytest

from overnight.domain.split import is_drawn

N = 120  # narratives; every other one has a label of the data file


@pytest.fixture
def study_with_a_test_part(study, server, monkeypatch):
    """Half of the cases are set apart, those that were labelled before among them."""
    monkeypatch.chdir(study.folder)
    with (study.folder / "narratives.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        head = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind", "fold"]
        writer.writerow(head)
        for i in range(N):
            text = f"Case {i} is invented." + " A partner was there." * (i % 5 == 0)
            label = str(int(i % 5 == 0)) if i % 2 else ""
            writer.writerow([f"c{i:04d}", "cme", text, label, ("train", "test")[i // 2 % 2]])
    study.url = server.url
    study.configure(server.url, data={"split": {"column": "fold", "test": ["test"]}})
    study.run()
    return study


def as_json(said):
    assert said.code == 0, said.err
    return json.loads(said.out)


def draw(overnight, n, *words):
    said = overnight("sample", "--n", n, "--out", "sheet.csv", *words)
    assert said.code == 0, said.err


def label(overnight, study, n=None):
    """Fill the sheet in, or its first rows, and read it back."""
    file = study.folder / "sheet.csv"
    head, *rows = list(csv.reader(file.read_text("utf-8-sig").splitlines()))
    for row in rows[:n]:
        row[head.index("label")] = "yes" if int(row[1][1:]) % 5 == 0 else "no"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([head, *rows])
    said = overnight("label", "latest", file)
    assert said.code == 0, said.err
    file.unlink()


def test_a_drawn_sample_speaks_for_all_narratives_with_the_labels_of_the_test_part(
    overnight, study_with_a_test_part
):
    draw(overnight, N // 2)
    label(overnight, study_with_a_test_part)
    said = overnight("prevalence")
    assert "The labels of the test part (fold: test) are used, too" in said.out
    found = as_json(overnight("prevalence", "--json"))
    assert found["labels"] == "drawn"
    assert found["test_labels_used"] is True
    assert found["overall"]["n_labelled"] == N
    assert found["overall"]["labelled_only"]["value"] == pytest.approx(0.2)


def test_every_other_estimate_leaves_the_labels_of_the_test_part_out(
    overnight, study_with_a_test_part
):
    draw(overnight, N // 2)
    label(overnight, study_with_a_test_part)
    found = as_json(overnight("prevalence", "--labels", "random", "--json"))
    assert found["test_labels_used"] is False
    assert found["overall"]["n_labelled"] == N // 2
    said = overnight("prevalence", "--labels", "random")
    assert "The labels of the test part (fold: test) are not used." in said.out


@pytest.mark.usefixtures("study_with_a_test_part")
def test_a_sample_that_waits_for_its_labels_opens_no_label_of_the_test_part(overnight):
    draw(overnight, 20)
    found = as_json(overnight("prevalence", "--json"))
    assert found["labels"] == "unknown"
    assert found["test_labels_used"] is False
    assert found["overall"]["n_labelled"] == N // 4


def test_labels_drawn_unequally_are_counted_among_those_that_are_measured(
    overnight, study_with_a_test_part
):
    draw(overnight, N // 2, "--by", "stratum")
    label(overnight, study_with_a_test_part)
    assert as_json(overnight("metrics", "--json"))["labels_drawn_unequally"] == N // 4
    assert as_json(overnight("metrics", "--final", "--json"))["labels_drawn_unequally"] == N // 4


def test_labels_read_in_are_other_labels_and_looks_at_them_are_counted_anew(
    overnight, study_with_a_test_part
):
    study = study_with_a_test_part
    study.configure(study.url, data={"file": "narratives.csv"}, run={"seed": 2})
    study.run(new=True)
    study.configure(study.url, data={"file": "narratives.csv"}, run={"seed": 3})
    study.run(new=True)
    before = as_json(overnight("metrics", "--json"))["look"]
    draw(overnight, 10)
    label(overnight, study)
    after = as_json(overnight("metrics", "--json"))["look"]
    assert (before["ordinal"], before["n_labels"]) == (2, N // 2)
    assert (after["ordinal"], after["n_labels"]) == (1, N // 2 + 10)


def test_the_figures_kept_with_an_experiment_stay_without_the_test_part(
    overnight, study_with_a_test_part
):
    study = study_with_a_test_part
    draw(overnight, N // 2)
    label(overnight, study)
    assert study.value("SELECT n_positive_manual + n_negative_manual FROM experiments") == N // 2


def test_a_completed_experiment_takes_over_how_its_labels_were_chosen(
    overnight, study_with_a_test_part
):
    study = study_with_a_test_part
    split = {"column": "fold", "test": ["test"]}
    study.configure(study.url, data={"split": split, "labels": {"design": "random"}})
    study.run()
    assert study.value("SELECT count(*) FROM experiments") == 1
    assert study.value("SELECT count(*) FROM attempts") == N
    assert as_json(overnight("prevalence", "--json"))["labels"] == "random"


def test_a_sample_of_the_first_in_another_order_does_not_speak_for_an_experiment(
    overnight, study_with_a_test_part
):
    """Of the first 40 in random order, others than the first 40 of the file could be drawn."""
    study = study_with_a_test_part
    study.configure(study.url, run={"max_narratives": 40, "order": "random"}).run(new=True)
    draw(overnight, 10)
    label(overnight, study)
    by_random = as_json(overnight("prevalence", "--json"))
    study.configure(study.url, run={"max_narratives": 40}).run(new=True)
    by_file = as_json(overnight("prevalence", "--labels", "drawn", "--json"))
    assert by_random["samples"][0]["problem"] is None
    assert by_file["samples"][0]["problem"] == (
        "it was drawn from the first 40 narratives only of another order"
    )


def test_a_corrected_label_makes_no_second_look_the_first(overnight, done):
    done.configure(done.url, data={"file": "narratives.csv", "split": {"test": 0.5}})
    assert overnight("run", "study.yaml").code == 0
    assert "The first look at the test part" in overnight("metrics", "--final").out
    test_case = next(i for i in range(30) if is_drawn(f"{i:06d}", 0, 0.5))
    kind, other = "cme" if test_case % 2 else "le", "no" if test_case % 7 == 0 else "yes"
    sheet = done.folder / "corrected.csv"
    sheet.write_text(f"incident_id,narrative_type,label\n{test_case:06d},{kind},{other}\n")
    assert overnight("label", done.id, sheet, "--replace").code == 0
    assert "NO LONGER A FIRST LOOK" in overnight("metrics", "--final").out
