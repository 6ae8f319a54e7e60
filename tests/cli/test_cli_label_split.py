"""Drawn samples beside a test part, kept columns, looks and reports, as they are typed."""

import csv
import json
import re

import pytest

from overnight.commands.report import facts_of
from overnight.domain.split import is_drawn
from overnight.report.paper.methods import methods
from overnight.report.paper.what_it_supports import said as what_it_supports

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
        row[head.index("label")] = "yes" if "partner" in row[3] else "no"
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


def test_how_many_are_wrong_in_the_test_part_cannot_be_taken_from_a_share(
    overnight, study_with_a_test_part
):
    """All wrong answers of the drawn, less those of the development part, would be those of it."""
    draw(overnight, N // 2)
    label(overnight, study_with_a_test_part)
    assert "Fewer than 10 of the drawn were answered wrongly" in overnight("prevalence").out
    assert not re.search(r"\d+ of the drawn", overnight("prevalence").out.replace("than 10 of", ""))
    assert "n_wrong" not in overnight("prevalence", "--json").out


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


def test_labels_read_in_do_not_begin_the_count_of_configurations_anew(
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
    assert (after["ordinal"], after["n_labels"]) == (2, N // 2 + 10)
    assert (before["labels_changed"], after["labels_changed"]) == (False, True)
    words = "2nd configuration measured on labels of this data (the labels, now 70, have changed"
    assert words in overnight("metrics").out


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


# --- by a kept column ----------------------------------------------------------------------------


@pytest.fixture
def study_with_sites(study, server, monkeypatch):
    """120 narratives without a label: half of them of the site A, all yes there are of it."""
    monkeypatch.chdir(study.folder)
    with (study.folder / "narratives.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "SiteID"])
        for i in range(N):
            text = f"Case {i} is invented." + " A partner was there." * (i % 10 == 0)
            writer.writerow([f"c{i:04d}", "cme", text, ("A", "B", "A", "")[i % 4]])
    study.configure(server.url, data={"keep": ["SiteID"]}).run()
    return study


def test_strata_can_be_those_of_a_kept_column(overnight, study_with_sites):
    said = overnight(
        "sample", "--n", 30, "--out", "sheet.csv", "--by", "stratum", "--stratum", "siteid"
    )
    assert said.code == 0, said.err
    assert "at random within each answer and SiteID" in said.out
    [(strata, column)] = study_with_sites.query("SELECT strata_json, stratum_column FROM samples")
    assert column == "SiteID"
    assert {name: size for name, (size, _) in json.loads(strata).items()} == {
        "no, (blank)": 30,
        "no, A": 48,
        "no, B": 30,
        "yes, A": 12,
    }


@pytest.mark.usefixtures("study_with_sites")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--by", "stratum", "--stratum", "SitID"), "did you mean SiteID"),
        (("--stratum", "SiteID"), "--stratum SiteID goes with --by stratum"),
    ],
)
def test_a_stratum_that_cannot_be_is_one_sentence(overnight, words, told):
    said = overnight("sample", "--n", 30, *words)
    assert said.code == 2
    assert told in said.err


@pytest.mark.parametrize("design", ["random", "stratum"])
def test_the_share_by_a_kept_column_is_that_of_each_value(overnight, study_with_sites, design):
    """Of a census the shares are known: 12 of 60 of the site A, none elsewhere."""
    draw(overnight, N - 1, "--by", design)
    label(overnight, study_with_sites)
    by = as_json(overnight("prevalence", "--by", "SiteID", "--json"))["by"]
    assert by["column"] == "SiteID"
    shares = {one["value"]: one["labelled_only"]["value"] for one in by["groups"]}
    assert shares == {
        "A": pytest.approx(0.2, abs=0.01),
        "B": 0,
        None: 0,
    }
    assert {one["value"]: one["n"] for one in by["groups"]} == {"A": 60, "B": 30, None: 30}
    said = overnight("prevalence", "--by", "SiteID")
    assert "By SiteID" in said.out
    assert "(blank)" in said.out


def test_groups_of_a_drawn_sample_are_estimated_by_its_design(overnight, study_with_sites):
    """By hand: each label counts as often as 1 / its probability, within the group alone."""
    draw(overnight, 40, "--by", "stratum")
    label(overnight, study_with_sites)
    drawn = study_with_sites.query(
        "SELECT m.probability, n.label FROM sample_members m JOIN narratives n USING (narrative_id)"
        " WHERE json_extract(n.kept, '$.SiteID') = 'A'"
    )
    yes = sum(1 / p for p, said in drawn if said == "1")
    by = as_json(overnight("prevalence", "--by", "SiteID", "--json"))["by"]
    [a] = [one for one in by["groups"] if one["value"] == "A"]
    assert a["labelled_only"]["value"] == pytest.approx(yes / sum(1 / p for p, _ in drawn))


@pytest.mark.usefixtures("study_with_a_test_part")
@pytest.mark.parametrize("labels", ["random", "within-type"])
def test_other_estimates_by_a_kept_column_leave_the_test_part_out(overnight, labels):
    found = as_json(overnight("prevalence", "--by", "fold", "--labels", labels, "--json"))
    known = {one["value"]: one["n_labelled"] for one in found["by"]["groups"]}
    assert known == {"train": N // 4, "test": 0}


@pytest.mark.usefixtures("study_with_sites")
def test_a_share_by_an_unknown_column_is_one_sentence(overnight):
    said = overnight("prevalence", "--by", "SitID")
    assert said.code == 2
    assert "did you mean SiteID" in said.err


# --- in the report -------------------------------------------------------------------------------


def supported(study):
    return " ".join(what_it_supports(facts_of(db=study.database)))


def test_a_report_says_how_the_labelled_were_drawn(overnight, study_with_sites):
    draw(overnight, 40)
    label(overnight, study_with_sites, n=30)
    told = supported(study_with_sites)
    assert (
        "Sample 1: 40 of 120 narratives without a label that can be compared, at random; "
        "30 are labelled" in told
    )
    assert "the labelled may differ from the rest" in told
    assert "not on record" not in told


def test_a_report_says_when_random_samples_make_the_labelled_a_sample_of_all(
    overnight, study_with_sites
):
    draw(overnight, 40)
    label(overnight, study_with_sites)
    draw(overnight, 20)
    label(overnight, study_with_sites)
    told = supported(study_with_sites)
    assert "Sample 2: 20 of 80 narratives" in told
    assert "So the labelled are a random sample of all" in told


@pytest.mark.parametrize(
    ("final", "whom"), [(False, "all narratives but those set apart"), (True, "the narratives set")]
)
def test_a_random_sample_is_one_of_the_part_that_figures_are_of(
    overnight, study_with_sites, server, final, whom
):
    data = {"keep": ["SiteID"], "split": {"test": 0.5}}
    study_with_sites.configure(server.url, data=data)
    assert overnight("run", "study.yaml").code == 0
    draw(overnight, 40)
    label(overnight, study_with_sites)
    told = " ".join(what_it_supports(facts_of(db=study_with_sites.database, final=final)))
    assert f"So the labelled are a random sample of {whom}" in told


def test_programs_are_told_the_part_also_where_nothing_in_it_is_labelled(
    overnight, study_with_sites, server
):
    data = {"keep": ["SiteID"], "split": {"test": 0.5}}
    study_with_sites.configure(server.url, data=data)
    assert overnight("run", "study.yaml").code == 0
    assert as_json(overnight("methods", "--json"))["part"] == "develop"


def test_a_report_says_that_figures_of_unequal_probabilities_are_of_the_labelled(
    overnight, study_with_sites
):
    draw(overnight, 40, "--by", "stratum", "--stratum", "SiteID")
    label(overnight, study_with_sites)
    assert "of the labelled, not of all narratives" in supported(study_with_sites)
    told = as_json(overnight("methods", "--json"))
    assert "at random within each answer and SiteID (seed " in told["paragraph"]
    assert "drawn with unequal probabilities and are not weighed" in told["paragraph"]
    assert told["samples"][0]["n_labelled"] == 40


def test_a_report_tells_drawn_labels_from_those_of_the_file(overnight, study_with_a_test_part):
    draw(overnight, 30)
    label(overnight, study_with_a_test_part)
    told = supported(study_with_a_test_part)
    assert "of them are among the narratives that these figures are of" in told
    assert f"{N // 4} others have labels; how these were chosen is not on record" in told
    assert "random sample of all" not in told
    assert (
        "the experiment covers 120 narratives of 120 cases; no narrative was left out"
        in methods(facts_of(db=study_with_a_test_part.database))
    )
    paragraph = as_json(overnight("methods", "--json"))["paragraph"]
    assert f"{N // 4} others have labels; how these were chosen is not on record" in paragraph


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
