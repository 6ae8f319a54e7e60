"""What data files say is shown; a terminal obeys none of it."""

import csv
import json

import pytest

TITLE = "\x1b]0;owned\x07"  # would name the window
CLEAR = "\x9b2j"  # would be obeyed too, in one character
TURNED = "\u202e"  # would turn what follows
OBEYED = "\x1b\x07\x9b\u202e"


@pytest.fixture
def hostile(study, server, monkeypatch):
    """A completed study whose types and columns speak to the terminal."""
    monkeypatch.chdir(study.folder)
    with (study.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"]
        writer.writerow([*head, f"site{TURNED}"])
        for i in range(12):
            kind = f"=le{TITLE}" if i % 2 else f"cme{CLEAR}{TURNED}"
            writer.writerow([f"=id{i}{TITLE}", kind, f"Case {i} is invented.", i % 2, f"a{CLEAR}"])
    study.configure(server.url, data={"file": "narratives.csv", "keep": [f"site{TURNED}"]})
    study.run()
    return study


@pytest.mark.parametrize(
    "words",
    [
        ["run", "study.yaml"],
        ["metrics"],
        ["metrics", "--by", f"site{TURNED}"],
        ["metrics", "--by", f"nothing{TITLE}"],
        ["show"],
        ["show", f"{TITLE}"],
        ["methods"],
        ["prevalence"],
        ["show", "--json"],
        ["metrics", "--json"],
    ],
)
@pytest.mark.usefixtures("hostile")
def test_no_command_passes_on_what_a_terminal_would_obey(overnight, words):
    said = overnight(*words)
    assert not set(OBEYED) & set(said.out + said.err)


@pytest.mark.usefixtures("hostile")
def test_json_says_exactly_what_the_data_says(overnight):
    rows = json.loads(overnight("show", "--json", "--limit", 0).out)
    assert {row["narrative_type"] for row in rows} == {f"=le{TITLE}", f"cme{CLEAR}{TURNED}"}


def test_labels_of_guarded_ids_and_types_are_found(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    with (study.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text"])
        writer.writerows([f"=id{i}", "=le", f"Case {i} is invented."] for i in range(4))
    study.configure(server.url)
    study.run()
    assert overnight("sample", "--n", 4, "--out", "sheet.csv").code == 0
    head, *rows = csv.reader((study.folder / "sheet.csv").read_text("utf-8-sig").splitlines())
    for row in rows:
        row[head.index("label")] = "yes"
    with (study.folder / "filled.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    said = overnight("label", study.value("SELECT experiment_id FROM experiments"), "filled.csv")
    assert (said.code, study.value("SELECT count(*) FROM human_labels")) == (0, 4), said.err


BYTES = "x\udcff"  # how Python reads an argument that is no UTF-8


def test_an_id_that_is_no_utf_8_is_unknown(overnight, done):
    for words in (["show", BYTES], ["compare", done.id, BYTES], ["purge", BYTES, "--yes"]):
        said = overnight(*words)
        assert (said.code, "no experiment has the id" in said.err) == (3, True)


def test_an_empty_id_means_no_experiment(overnight, done):
    for words in (["purge", "", "--yes"], ["cancel", ""], ["metrics", ""]):
        said = overnight(*words)
        assert (said.code, "the id is empty" in said.err) == (3, True)
    assert done.value("SELECT count(*) FROM results") == 30


def test_names_that_are_no_utf_8_are_put_on_record(overnight, done):
    sheet = done.folder / f"{BYTES}.csv"
    sheet.write_text("incident_id,narrative_type,label\n000001,cme,yes\n")
    said = overnight("label", done.id, sheet, "--by", BYTES, "--replace")
    assert said.code == 0, said.err
    assert done.query("SELECT labelled_by, source_file FROM human_labels") == [("x?", "x?.csv")]
    other = done.folder / f"{BYTES}.yaml"
    other.write_text(done.config.read_text())
    assert overnight("run", other, "--new").code == 0
    assert overnight("run", other).code == 0
