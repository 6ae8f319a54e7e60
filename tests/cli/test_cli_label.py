"""`sample` and `label`, as they are typed: drawn, labelled by hand, read back, corrected."""

import json
import sqlite3
import stat
import zipfile
from contextlib import closing

import pytest
from sheets import fill, history, is_case, labels, rows_of, save
from xlsxwriter import Workbook

from overnight.commands import sample as sample_command
from overnight.store import labels as stored_labels
from overnight.testing import Scripted


@pytest.mark.parametrize(
    "words", [("sample", "--n", 5), ("prevalence",), ("prevalence", "--labels", "drawn")]
)
def test_a_repetition_is_no_whole_to_draw_from_or_to_tell_the_share_of(
    overnight, study_without_labels, words
):
    overnight("run", "study.yaml", "--repeat", 2, "--repeat-sample", 20)
    again = study_without_labels.value(
        "SELECT experiment_id FROM experiments WHERE repeat_of IS NOT NULL"
    )
    n_samples = study_without_labels.value("SELECT count(*) FROM samples")
    said = overnight(words[0], again, *words[1:])
    assert said.code == 3
    assert study_without_labels.value("SELECT count(*) FROM samples") == n_samples
    assert f"overnight {words[0]} {study_without_labels.id[:8]}" in said.err


# --- sample --------------------------------------------------------------------------------------


def test_a_sheet_is_private_blind_and_its_texts_are_texts(overnight, study_without_labels):
    said = overnight("sample", "--n", 20)
    assert said.code == 0
    assert "Sample 1: 20 of 59 narratives without a label" in said.out
    assert "exports" in said.out.split(" label ")[1]
    file = study_without_labels.folder / "exports" / study_without_labels.id / "sample-1.xlsx"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    head, *rows = rows_of(file)
    assert head == [
        "sample_number",
        "incident_id",
        "narrative_type",
        "narrative_text",
        "label",
        "note",
    ]
    assert [row[0] for row in rows] == [*range(1, 21)]
    assert all(row[3].startswith("=Case") and row[4] == "" for row in rows)
    assert "invented" not in said.out


@pytest.mark.usefixtures("study_without_labels")
def test_the_sheet_offers_the_labels(overnight, tmp_path):
    overnight("sample", "--n", 3, "--out", "s.xlsx")
    sheet = zipfile.ZipFile(tmp_path / "s.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert 'sqref="E2:E4"' in sheet
    assert '"yes,no"' in sheet


@pytest.mark.usefixtures("study_without_labels")
def test_answers_are_shown_only_on_request(overnight, tmp_path):
    overnight("sample", "--n", 20, "--out", "s.csv", "--with-answers")
    head, *rows = rows_of(tmp_path / "s.csv")
    assert head[4:6] == ["answer", "confidence"]
    assert {row[4] for row in rows} <= {"yes", "no"}
    assert all((row[4] == "yes") == is_case(int(row[1])) for row in rows)


def test_nothing_is_drawn_twice_and_a_sheet_is_never_overwritten(overnight, drawn):
    said = overnight("sample", "--n", 20, "--out", "sample.csv")
    assert (said.code, "is not overwritten" in said.err) == (2, True)
    assert drawn.value("SELECT count(*) FROM samples") == 1
    second = overnight("sample", "--n", 39, "--out", "second.csv")
    assert "20 that were drawn before and have no label yet" in second.out
    ids = [{row[1] for row in rows_of(drawn.folder / f)[1:]} for f in ("sample.csv", "second.csv")]
    assert (len(ids[0]), len(ids[1]), ids[0] & ids[1]) == (20, 39, set())
    assert "000001" not in ids[0] | ids[1]
    third = overnight("sample", "--n", 1)
    assert (third.code, "0 narratives have no label" in third.err) == (2, True)


def test_the_newest_sheet_can_be_had_again(overnight, drawn):
    said = overnight("sample", "--again", "--out", "again.csv")
    assert "Nothing was drawn" in said.out
    first, again = (drawn.folder / name for name in ("sample.csv", "again.csv"))
    assert first.read_bytes() == again.read_bytes()
    assert overnight("sample", "--again", "--n", 3).code == 2
    assert overnight("sample").code == 2


def test_the_same_seed_draws_the_same(overnight, study_without_labels):
    ids = []
    for seed in (5, 5, 6):
        overnight("sample", "--n", 10, "--seed", seed, "--out", "s.csv")
        ids.append([row[1] for row in rows_of(study_without_labels.folder / "s.csv")])
        (study_without_labels.folder / "s.csv").unlink()
        backdate(study_without_labels)
    assert ids[0] == ids[1] != ids[2]


def backdate(study):
    with closing(sqlite3.connect(study.database)) as connection, connection:
        connection.execute("DELETE FROM sample_members")
        connection.execute("DELETE FROM samples")


def test_strata_are_stated_and_their_probabilities_kept(overnight, study_without_labels):
    said = overnight("sample", "--n", 24, "--by", "stratum", "--json", "--out", "s.csv")
    found = json.loads(said.out)
    assert set(found["strata"]) == {"yes, le", "no, le", "yes, cme", "no, cme"}
    assert sum(one["n"] for one in found["strata"].values()) == 24
    for name, one in found["strata"].items():
        kept = study_without_labels.query(
            "SELECT DISTINCT probability FROM narrative_samples WHERE stratum = ?", name
        )
        assert kept == [(pytest.approx(one["n"] / one["n_frame"]),)]
    few = overnight("sample", "--n", 3, "--by", "stratum", "--out", "t.csv")
    assert (few.code, "8 in all" in few.err) == (2, True)


def test_a_sample_by_confidence_adds_up(overnight, study_without_labels):
    assert overnight("sample", "--n", 12, "--by", "confidence", "--out", "s.csv").code == 0
    chances = study_without_labels.query("SELECT probability FROM sample_members")
    assert len(chances) == 12
    assert all(0 < p <= 1 for (p,) in chances)


def test_no_sample_of_a_part_of_the_file(overnight, study_without_labels):
    with closing(sqlite3.connect(study_without_labels.database)) as connection, connection:
        connection.execute("DELETE FROM results WHERE result_id = 1")
    said = overnight("sample", "--n", 5)
    assert (said.code, "overnight resume" in said.err) == (3, True)


def test_broken_off_before_the_sheet_is_there_it_can_be_had_again(
    overnight, study_without_labels, monkeypatch
):
    def broken(*_words, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_command, "write_sheet", broken)
    assert overnight("sample", "--n", 5, "--out", "s.csv").code == 130
    monkeypatch.undo()
    monkeypatch.chdir(study_without_labels.folder)
    assert overnight("sample", "--again", "--out", "s.csv").code == 0
    assert len(rows_of(study_without_labels.folder / "s.csv")) == 6


def test_a_text_too_long_for_a_cell_of_xlsx_is_not_cut(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.configure(server.url)
    text = "An invented narrative. " * 2000
    (study.folder / "narratives.csv").write_text(
        f"incident_id,narrative_type,narrative_text\n1,le,{text}\n2,le,Two.\n"
    )
    study.run()
    said = overnight("sample", "--n", 2)
    assert said.code == 2
    assert "a cell of xlsx holds 32,767" in said.err
    assert "--again --out FILE.csv" in said.err
    assert list((study.folder / "exports").rglob("sample*")) == []
    assert overnight("sample", "--again", "--out", "s.csv").code == 0
    assert (
        len(rows_of(study.folder / "s.csv")[1][3]) > 40_000
        or len(rows_of(study.folder / "s.csv")[2][3]) > 40_000
    )


# --- label ---------------------------------------------------------------------------------------


def test_labels_are_recorded_and_every_figure_uses_them(overnight, drawn):
    file = save(drawn.folder / "done.csv", fill(drawn.folder))
    said = overnight("label", drawn.id, file, "--by", "Reader One")
    assert said.code == 0, said.err
    assert "20 labels by Reader One recorded." in said.out
    assert "Sample 1: 20 of 20 labelled." in said.out
    kept = history(drawn)
    assert len(kept) == 20
    assert {row[3:5] for row in kept} == {("Reader One", "done.csv")}
    found = json.loads(overnight("metrics", "--json").out)
    assert found["labelled"] == 21
    flags = drawn.query("SELECT incident_id, manual_flag_ind FROM narrative_results")
    assert sum(flag is not None for _, flag in flags) == 21
    assert drawn.value("SELECT n_positive_manual FROM experiments") == sum(
        row[1] == "1" for row in kept
    )
    shown = json.loads(overnight("show", "--json", "--limit", "0").out)
    assert sum(row["label"] is not None for row in shown) == 21


def test_reading_the_same_sheet_again_changes_nothing_and_says_so(overnight, drawn):
    file = save(drawn.folder / "done.csv", fill(drawn.folder, n=15))
    overnight("label", drawn.id, file)
    said = overnight("label", drawn.id, file)
    assert said.code == 0
    assert "Nothing new" in said.out
    assert "15 rows on record already." in said.out
    assert "5 rows without a label yet." in said.out
    assert len(history(drawn)) == 15


def test_a_workbook_that_excel_saved_with_numbers_for_ids_and_labels(overnight, drawn):
    """000042 becomes 42.0, and is still found, since no other id is 42 but for leading zeros."""
    _, *rows = fill(drawn.folder, label=lambda i: float(is_case(i)))
    with Workbook(str(drawn.folder / "done.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["incident_id", "narrative_type", "LABEL "])
        for at, row in enumerate(rows, 1):
            sheet.write_row(at, 0, [float(row[1]), row[2].upper(), row[4]])
    assert overnight("label", drawn.id, "done.xlsx").code == 0
    assert len(history(drawn)) == 20


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "cp1252"), ("\t", "utf-16"), (",", "utf-8")]
)
def test_a_csv_as_spreadsheets_save_it(overnight, drawn, delimiter, encoding):
    rows = fill(drawn.folder)
    rows[1][3] += " Invented: café, “quoted”, naïve; € 5"
    file = save(drawn.folder / "done.csv", rows, delimiter=delimiter, encoding=encoding)
    said = overnight("label", drawn.id, file)
    assert said.code == 0, said.err
    assert len(history(drawn)) == 20


def test_wrong_rows_are_named_and_nothing_is_recorded(overnight, drawn):
    rows = fill(drawn.folder)
    rows[1][4], rows[2][1], rows[3][1] = "perhaps", "999999", ""
    rows.append([*rows[5][:4], "no" if rows[5][4] == "yes" else "yes", ""])
    rows[4][4] = "This is an invented narrative that got into the wrong column."
    file = save(drawn.folder / "done.csv", rows)
    said = overnight("label", drawn.id, file)
    assert said.code == 2
    for words in (
        "5 rows are in the way",
        f"row 2 ({rows[1][1]}, {rows[1][2]}): the label 'perhaps' is neither yes nor no",
        "row 3 (999999",
        "row 4 (",
        "there is no incident_id",
        "the label of 61 characters",
        "row 22 (",
        "another label in row 6",
    ):
        assert words in said.err
    assert "invented narrative" not in said.err
    assert history(drawn) == []
    said = overnight("label", drawn.id, file, "--skip-invalid")
    assert said.code == 0
    assert "5 rows passed over" in said.out
    assert len(history(drawn)) == 16


def test_a_word_that_many_rows_have_is_named_once_with_what_is_allowed(overnight, drawn):
    words = iter([*["maybe"] * 8, *["perhaps"] * 2])
    file = save(drawn.folder / "done.csv", fill(drawn.folder, lambda _i: next(words, "yes")))
    said = overnight("label", drawn.id, file)
    assert said.code == 2
    assert "10 rows are in the way" in said.err
    first = [line for line in said.err.splitlines() if "'maybe'" in line]
    assert len(first) == 1
    assert (
        "8 rows (2, 3, 4, 5, 6 and 3 more): the label 'maybe' is neither yes nor no "
        "(allowed: yes or no;"
    ) in first[0]
    assert said.err.count("'perhaps'") == 1
    passed = json.loads(overnight("label", drawn.id, file, "--skip-invalid", "--json").out)
    assert (passed["n_invalid"], len(passed["invalid"]), passed["new"]) == (10, 2, 10)


def test_not_more_problems_are_listed_than_can_be_read(overnight, drawn):
    rows = fill(drawn.folder, lambda i: f"word {i}")
    rows += [[*row[:4], f"other {row[1]}", ""] for row in rows[1:]]
    said = overnight("label", drawn.id, save(drawn.folder / "done.csv", rows))
    assert said.code == 2
    assert said.err.count("is neither yes nor no") == 20
    assert "and 20 more problems" in said.err
    said = overnight("label", drawn.id, drawn.folder / "done.csv", "--skip-invalid")
    assert said.out.count("is neither yes nor no") == 20


def test_another_label_is_refused_and_with_replace_the_old_one_stays_in_the_history(
    overnight, drawn
):
    file = save(drawn.folder / "done.csv", fill(drawn.folder))
    overnight("label", drawn.id, file, "--by", "A")
    before = labels(drawn)
    rows = fill(drawn.folder)
    rows[1][4] = "no" if rows[1][4] == "yes" else "yes"
    rows[1][5] = "on second thoughts"
    other = save(drawn.folder / "other.csv", rows)
    said = overnight("label", drawn.id, other, "--by", "B")
    assert said.code == 3
    assert "1 row is in the way" in said.err
    assert "--skip-invalid" not in said.err
    said = overnight("label", drawn.id, other, "--by", "B", "--skip-invalid")
    assert said.code == 3
    assert "--skip-invalid skips what is wrong, not what disagrees: take that out" in said.err
    assert rows[1][1] in said.err
    assert (labels(drawn), len(history(drawn))) == (before, 20)
    said = overnight("label", drawn.id, other, "--by", "B", "--replace")
    assert "1 labels by B recorded, 1 of them in place of another." in said.out
    incident, now, old, who, _, note = history(drawn)[-1]
    assert (incident, who, note) == (rows[1][1], "B", "on second thoughts")
    assert (old, now) == (before[incident], labels(drawn)[incident])
    assert {old, now} == {"0", "1"}


def test_a_label_of_the_data_file_is_not_overwritten_silently_either(overnight, drawn):
    rows = [["incident_id", "narrative_type", "label"], ["000001", "cme", "yes"]]
    file = save(drawn.folder / "own.csv", rows)
    assert overnight("label", drawn.id, file).code == 3
    assert overnight("label", drawn.id, file, "--replace").code == 0
    assert history(drawn)[0][:3] == ("000001", "1", "0")


def test_the_data_file_still_counts_as_unchanged_after_labels_were_read(
    overnight, study_without_labels, server
):
    """Its labels are compared with those that it had, not with those that people gave."""
    study_without_labels.configure(server.url, run={"max_narratives": 50})
    overnight("run", "study.yaml", "--new")
    overnight("sample", "--n", 20, "--out", "sample.csv")
    file = save(study_without_labels.folder / "done.csv", fill(study_without_labels.folder))
    overnight("label", "latest", file)
    data = study_without_labels.folder / "narratives.csv"
    data.write_text(data.read_text() + "\n")  # saved anew: other bytes, the same rows
    said = overnight("resume", "latest", "--max-narratives", 60)
    assert said.code == 0, said.err
    assert "was saved anew; its 60 narratives are the same" in said.err + said.out
    assert "labels in" not in said.err + said.out
    grown = json.loads(overnight("prevalence", "--json").out)
    assert "the first 50 narratives only" in grown["samples"][0]["problem"]


def test_another_experiment_over_the_same_narratives_uses_labels_and_sample(
    overnight, drawn, server
):
    overnight("label", drawn.id, save(drawn.folder / "done.csv", fill(drawn.folder)))
    drawn.configure(server.url, prompt={"system_prompt": "Judge anew."})
    assert overnight("run", "study.yaml", "--new").code == 0
    found = json.loads(overnight("prevalence", "--json").out)
    assert (found["labels"], found["overall"]["n_labelled"]) == ("drawn", 21)


def test_an_id_that_may_be_one_of_two_is_not_guessed(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.configure(server.url)
    (study.folder / "narratives.csv").write_text(
        "incident_id,narrative_type,narrative_text\n007,le,One.\n07,le,Two.\n08,le,Three.\n"
    )
    study.run()
    sheet = study.folder / "sheet.csv"
    save(sheet, [["incident_id", "narrative_type", "label"], ["7", "le", "yes"], ["8", "le", "no"]])
    said = overnight("label", "latest", sheet)
    assert said.code == 2
    assert "row 2 (7, le): no narrative" in said.err
    assert "row 3" not in said.err


def test_broken_off_in_the_middle_nothing_is_recorded(overnight, drawn, monkeypatch):
    file = save(drawn.folder / "done.csv", fill(drawn.folder))
    n_left = [10]  # of the 20 labels: they are in the history by then, and not yet in their place
    whole = stored_labels.as_binary

    def breaking(label):
        n_left[0] -= 1
        if not n_left[0]:
            raise KeyboardInterrupt
        return whole(label)

    monkeypatch.setattr(stored_labels, "as_binary", breaking)
    assert overnight("label", drawn.id, file).code == 130
    monkeypatch.undo()
    monkeypatch.chdir(drawn.folder)
    assert history(drawn) == []
    assert set(labels(drawn).values()) == {None, "0"}
    assert overnight("label", drawn.id, file).code == 0
    assert len(history(drawn)) == 20


def test_doctor_sees_a_label_that_somebody_wrote_past_the_history(overnight, drawn):
    overnight("label", drawn.id, save(drawn.folder / "done.csv", fill(drawn.folder)))
    assert overnight("doctor").code == 0
    with closing(sqlite3.connect(drawn.database)) as connection, connection:
        connection.execute("UPDATE narratives SET label = 'x' WHERE label = '1'")
    said = overnight("doctor")
    assert said.code == 1
    assert "have another label than the newest on record" in said.out


def test_an_enum_is_offered_and_stored_as_declared(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    fields = {"event": {"type": "enum", "values": ["11", "fall"]}}
    study.configure(server.url, output={"primary": "event", "fields": fields})
    (study.folder / "narratives.csv").write_text(
        "incident_id,narrative_type,narrative_text\n1,le,One.\n2,le,Two.\n3,le,Three.\n"
    )
    server.script = lambda _call: Scripted({"event": "11"})
    study.run()
    said = overnight("sample", "--n", 3, "--by", "confidence")
    assert (said.code, "no answer has a confidence" in said.err) == (2, True)
    assert overnight("sample", "--n", 3, "--by", "stratum", "--out", "s.xlsx").code == 0
    sheet = zipfile.ZipFile(study.folder / "s.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert '"11,fall"' in sheet
    rows = fill(study.folder, lambda i: 11.0 if i == 1 else "FALL", source="s.xlsx")
    assert overnight("label", "latest", save(study.folder / "d.csv", rows)).code == 0
    assert set(study.query("SELECT label FROM source_narratives")) == {("11",), ("fall",)}
    found = json.loads(overnight("prevalence", "--of", "fall", "--json").out)
    assert found["overall"]["labelled_only"]["value"] == pytest.approx(2 / 3)


def test_files_that_are_no_sheet(overnight, drawn):
    for name, content, words in (
        ("no.csv", None, "there is no such file"),
        ("a.txt", b"x", "labels are read from"),
        ("b.csv", b"incident_id,label\n1,yes\n", "no column named narrative_type"),
        ("c.xlsx", b"x", "not a readable workbook"),
    ):
        if content:
            (drawn.folder / name).write_bytes(content)
        said = overnight("label", drawn.id, name)
        assert said.code == 2
        assert words in said.err


def test_purging_takes_samples_and_labels_along(overnight, drawn):
    file = save(drawn.folder / "done.csv", fill(drawn.folder))
    overnight("label", drawn.id, file)
    assert overnight("purge", drawn.id, "--yes").code == 0
    for table in ("human_labels", "sample_members", "samples", "narratives"):
        assert drawn.value(f"SELECT count(*) FROM {table}") == 0


# --- what becomes of the share -------------------------------------------------------------------


def test_the_share_rests_on_the_design_that_was_kept(overnight, drawn):
    unknown = json.loads(overnight("prevalence", "--json").out)
    assert unknown["labels"] == "unknown"
    file = save(drawn.folder / "done.csv", fill(drawn.folder))
    overnight("label", drawn.id, file)
    found = json.loads(overnight("prevalence", "--json").out)
    assert found["labels"] == "drawn"
    assert (
        found["samples"][0] | {"design": "random", "n": 20, "n_labelled": 20} == found["samples"][0]
    )
    said = overnight("prevalence", "--by", "type").out
    assert (
        "Sample 1: 20 of 59 narratives without a label that can be compared, at random; "
        "20 are labelled." in said
    )
    assert json.loads(overnight("prevalence", "--labels", "random", "--json").out)["samples"] == []


def test_drawn_needs_a_sample_and_the_file_may_declare_its_labels(
    overnight, study_without_labels, server
):
    said = overnight("prevalence", "--labels", "drawn")
    assert (said.code, "overnight sample" in said.err) == (2, True)
    study_without_labels.configure(server.url, data={"labels": {"design": "random"}})
    said = overnight("run", "study.yaml")
    assert "already" in said.out + said.err  # it shapes no answer: the same experiment
    assert overnight("run", "study.yaml", "--new").code == 0
    assert json.loads(overnight("prevalence", "--json").out)["labels"] == "random"
    assert study_without_labels.value("SELECT count(*) FROM datasets") == 1


def test_metrics_say_that_labels_were_drawn_unequally(overnight, study_without_labels):
    overnight("sample", "--n", 12, "--by", "stratum", "--out", "sample.csv")
    file = save(study_without_labels.folder / "done.csv", fill(study_without_labels.folder))
    overnight("label", study_without_labels.id, file)
    assert "12 were drawn with unequal probabilities" in overnight("metrics").out
