"""`label --from`: a corrected data file keeps the labels that people gave."""

import json
import signal
import subprocess
import sys

import pytest
from corrected import (
    by_hand,
    correct,
    dataset_of,
    found,
    labels_in,
    newest,
    read,
    rewrite,
    truth,
    with_text,
)
from sheets import rows_of

from overnight.commands import label_from
from overnight.commands.doctor import doctor
from overnight.domain.split import is_drawn
from overnight.store import removal

# --- labels --------------------------------------------------------------------------------------


def test_labels_go_with_the_texts_and_keep_who_gave_them_and_when(overnight, labelled):
    read(overnight, labelled, "hand", by_hand((labelled.others[0], "no")), by="Reader Two")
    changed, gone = labelled.members[:2]
    new = correct(
        overnight,
        labelled,
        lambda row: None if int(row[0]) == gone else with_text(changed)(row),
    )
    said = overnight("label", new, "--from", labelled.id)
    assert said.code == 0, said.err
    by = "by Reader One, Reader Two, taken over"
    assert f"19 labels of {labelled.id[:8]}, {by}" in said.out
    assert "1 labels of narratives whose text is another one here" in said.out
    assert "1 labels of narratives which are not in the data here" in said.out
    assert f"  {changed:06d}, " in said.out
    assert f"  {gone:06d}, " in said.out
    before, now = labels_in(labelled, labelled.id), labels_in(labelled, new)
    left_out = {f"{changed:06d}", f"{gone:06d}"}
    assert [row[:4] for row in now] == [row[:4] for row in before if row[0] not in left_out]
    assert {row[4] for row in now} == {f"labels of {labelled.id[:8]}"}
    assert now[-1][5] == f"note {labelled.others[0]}"
    times = "SELECT labelled_at FROM human_labels WHERE dataset_id = ? ORDER BY label_id"
    at = [
        {row[0] for row in labelled.query(times, dataset_of(labelled, one))}
        for one in (labelled.id, new)
    ]
    assert at[1] <= at[0]
    assert labels_in(labelled, labelled.id) == before
    assert doctor(db=labelled.database).is_fine


def test_every_figure_uses_them(overnight, labelled):
    new = correct(overnight, labelled)
    assert json.loads(overnight("metrics", new, "--json").out)["labelled"] == 1
    overnight("label", new, "--from", labelled.id)
    assert json.loads(overnight("metrics", new, "--json").out)["labelled"] == 21
    count = "SELECT n_positive_manual + n_negative_manual FROM experiments WHERE experiment_id = ?"
    assert labelled.value(count, new) == 21


def test_the_same_again_changes_nothing_and_says_so(overnight, labelled):
    new = correct(overnight, labelled)
    overnight("label", new, "--from", labelled.id)
    before = labelled.query("SELECT * FROM human_labels"), labelled.query("SELECT * FROM samples")
    said = overnight("label", new, "--from", labelled.id)
    assert said.code == 0
    assert "Nothing new" in said.out
    assert "20 labels on record already." in said.out
    assert (
        labelled.query("SELECT * FROM human_labels"),
        labelled.query("SELECT * FROM samples"),
    ) == before


def test_what_was_corrected_here_since_stays_and_new_labels_of_there_come(overnight, labelled):
    """A label that was taken over before is not in the way of the one that replaced it here."""
    old, new = labelled.id, correct(overnight, labelled)
    assert overnight("label", new, "--from", old).code == 0
    number = labelled.members[0]
    word = "no" if truth((3, 10, 25, 31))(number) == "yes" else "yes"
    labelled.id = new
    read(overnight, labelled, "corrected", by_hand((number, word)), "--replace")
    labelled.id = old
    more = by_hand((labelled.others[0], "no"))
    read(overnight, labelled, "more", more, by="Reader Three")
    said = overnight("label", new, "--from", old)
    assert said.code == 0, said.err
    assert f"1 labels of {old[:8]}, by Reader Three, taken over" in said.out
    assert "20 labels on record already." in said.out
    stored = {row[0]: row[1] for row in labels_in(labelled, new)}
    assert stored[f"{number:06d}"] == {"yes": "1", "no": "0"}[word]
    assert overnight("label", new, "--from", old, "--replace").code == 0
    assert len(labels_in(labelled, new)) == 22


def test_another_label_here_is_refused_and_with_replace_stays_in_the_history(overnight, labelled):
    """One of the new file, one that a person gave here."""
    in_file, by_person = labelled.members[:2]
    other = {i: "no" if truth((3, 10, 25, 31))(i) == "yes" else "yes" for i in (in_file, by_person)}

    def change(row):
        return [*row[:3], other[in_file]] if int(row[0]) == in_file else row

    new = correct(overnight, labelled, change)
    old, labelled.id = labelled.id, new
    read(overnight, labelled, "here", by_hand((by_person, other[by_person])))
    said = overnight("label", new, "--from", old)
    assert said.code == 3
    assert "2 narratives are in the way" in said.err
    assert said.err.count("another label is on record") == 1
    assert f"{in_file:06d}, " in said.err
    assert len(labels_in(labelled, new)) == 1
    assert labelled.value("SELECT count(*) FROM samples") == 1
    said = overnight("label", new, "--from", old, "--replace")
    assert said.code == 0
    assert "2 of them in place of another" in said.out
    replaced = {row[0]: (row[1], row[2]) for row in labels_in(labelled, new)[1:]}
    as_stored = {"yes": "1", "no": "0"}
    for number, word in other.items():
        now, before = replaced[f"{number:06d}"]
        assert now != as_stored[word]
        assert before in (word, as_stored[word])
    assert doctor(db=labelled.database).is_fine


def test_a_label_that_the_new_file_has_too_keeps_who_gave_it(overnight, labelled):
    """The corrected file often holds the labels as well: nothing is in the way of them."""
    said_so = truth((3, 10, 25, 31))

    def change(row):
        number = int(row[0])
        return [*row[:3], said_so(number)] if number in labelled.members else row

    new = correct(overnight, labelled, change)
    before = found(overnight, labelled.id)
    said = json.loads(overnight("label", new, "--from", labelled.id, "--json").out)
    assert (said["new"], said["replaced"]) == (20, 0)
    assert said["samples_problem"] is None
    assert found(overnight, new) == before


def test_looks_at_the_labels_follow_them(overnight, labelled, server):
    """Correcting the data does not make a test part untouched that somebody has seen."""
    labelled.configure(server.url, data={"split": {"test": 0.4}})
    assert overnight("run", "study.yaml").code == 0
    first = overnight("metrics", labelled.id, "--final")
    assert "The first look at the test part" in first.out
    number = next(i for i in labelled.members if is_drawn(f"{i:06d}", 0, 0.4))
    new = correct(overnight, labelled, with_text(number))  # so its label is another one, or none
    assert overnight("label", new, "--from", labelled.id).code == 0
    again = overnight("metrics", new, "--final")
    assert again.code == 0, again.err
    assert "NO LONGER A FIRST LOOK" in again.out
    assert f"({labelled.id[:8]})" in again.out
    assert overnight("purge", labelled.id, "--yes").code == 0
    assert f"({labelled.id[:8]})" in overnight("metrics", new, "--final").out
    labelled.configure(
        server.url,
        prompt={"version": "another"},
        model={"temperature": 0.7},
        data={"split": {"test": 0.4}},
    )
    assert overnight("run", "study.yaml", "--new").code == 0
    look = json.loads(overnight("metrics", "--json").out)["look"]
    assert (look["ordinal"], look["labels_changed"]) == (2, True)


def test_what_it_says_for_programs(overnight, labelled):
    new = correct(overnight, labelled, with_text(labelled.members[0]))
    said = json.loads(overnight("label", new, "--from", labelled.id, "--json").out)
    number = labelled.members[0]
    key = f"{number:06d}, {'cme' if number % 2 else 'le'}"
    assert said == {
        "experiment_id": new,
        "from": labelled.id,
        "by": "Reader One, Reader Two",
        "new": 19,
        "replaced": 0,
        "same": 0,
        "blank": 0,
        "n_invalid": 0,
        "invalid": [],
        "text_changed": [key],
        "labelled_again": 0,
        "gone": [],
        "gone_but_for_zeros": 0,
        "samples": {"2": {"n": 20, "n_labelled": 19}},
        "samples_taken_over": {"1": 2},
        "samples_problem": None,
        "measured": [new],
    }


def test_ids_that_lost_their_zeros_are_told(overnight, labelled):
    """The label of another narrative is never meant: nothing is guessed."""
    new = correct(overnight, labelled, lambda row: [str(int(row[0])), *row[1:]])
    said = overnight("label", new, "--from", labelled.id)
    assert said.code == 0, said.err
    assert "20 labels of narratives which are not in the data here" in said.out
    assert "20 of these are there with other zeros in front of their ids" in said.out
    assert labels_in(labelled, new) == []


def test_what_cannot_be_taken_over(overnight, study_without_labels):
    study = study_without_labels
    overnight("run", "study.yaml", "--new")
    same = newest(study)
    new = correct(overnight, study)
    for words, code, wanted in (
        ((same, "--from", study.id), 2, "are over the same data and share its labels"),
        ((new, "--from", study.id), 3, "nobody has labelled the data of"),
        ((new,), 2, "give either FILE"),
        ((new, "sheet.csv", "--from", study.id), 2, "give either FILE"),
        ((new, "--from", study.id, "--by", "Me"), 2, "keep who gave them"),
        ((new, "--from", "nothing"), 3, "no experiment has the id"),
    ):
        said = overnight("label", *words)
        assert (said.code, wanted in said.err) == (code, True), said.err


def test_a_label_that_the_answer_does_not_know_is_named(overnight, study_without_labels, server):
    """Labels of another question: the new experiment asks for something else."""
    study = study_without_labels
    read(overnight, study, "hand", by_hand((2, "yes"), (3, "no")))
    fields = {"event": {"type": "enum", "values": ["fall", "1"]}}
    study.configure(server.url, output={"primary": "event", "fields": fields})
    rewrite(study)
    overnight("run", "study.yaml", "--new")
    said = overnight("label", "latest", "--from", study.id)
    assert said.code == 2
    assert "narrative 000003, cme: the label '0' is none of fall, 1" in said.err
    said = overnight("label", "latest", "--from", study.id, "--skip-invalid")
    assert said.code == 0, said.err
    assert "1 labels passed over" in said.out
    assert "sample" not in said.out  # none was drawn there


def test_a_purge_says_that_labels_go_before_it_asks(overnight, labelled):
    """They are the dearest thing in the database, and nobody can ask for them again."""
    new = correct(overnight, labelled)
    said = overnight("purge", labelled.id)
    assert said.code == 2  # nobody can be asked here
    assert "So do the labels that people gave 20 of them." in said.out
    assert f"overnight label OTHER --from {labelled.id[:8]}" in said.out
    assert "labels that people gave" not in overnight("purge", new).out  # nobody labelled it
    assert len(labels_in(labelled, labelled.id)) == 20


# --- what may happen meanwhile -------------------------------------------------------------------


def test_broken_off_in_the_middle_nothing_is_taken_over(overnight, labelled, monkeypatch):
    new = correct(overnight, labelled)

    def broken(*_words):
        raise KeyboardInterrupt  # the labels are in their places by then

    monkeypatch.setattr(label_from, "copy_sample", broken)
    assert overnight("label", new, "--from", labelled.id).code == 130
    monkeypatch.undo()
    monkeypatch.chdir(labelled.folder)
    assert labels_in(labelled, new) == []
    assert json.loads(overnight("metrics", new, "--json").out)["labelled"] == 1
    assert overnight("label", new, "--from", labelled.id).code == 0
    assert len(labels_in(labelled, new)) == 20


def test_a_sample_drawn_at_the_same_time_is_not_passed_over(overnight, labelled, monkeypatch):
    """What was compared before the transaction is not what is there any more."""
    new = correct(overnight, labelled)
    monkeypatch.setattr(label_from, "newest_sample_id", lambda *_: 99)
    said = overnight("label", new, "--from", labelled.id)
    assert (said.code, "type the same again" in said.err) == (3, True)
    assert labels_in(labelled, new) == []


def test_labels_of_an_experiment_that_is_half_deleted_are_not_taken_over(
    overnight, labelled, monkeypatch
):
    new = correct(overnight, labelled)

    def broken(*_words):
        raise KeyboardInterrupt

    monkeypatch.setattr(removal, "empty_dataset", broken)
    assert overnight("purge", labelled.id, "--yes").code == 130
    monkeypatch.undo()
    monkeypatch.chdir(labelled.folder)
    said = overnight("label", new, "--from", labelled.id)
    assert said.code == 3
    assert f"overnight purge {labelled.id[:8]}" in said.err
    assert labels_in(labelled, new) == []
    assert overnight("purge", labelled.id, "--yes").code == 0


def killed(study, module, function, *words, after=False):
    """Type a command in a process that is killed when it comes to a function, or out of it."""
    dies = f"""
import os, signal, sys
from overnight.cli import main
from overnight.commands import {module}
whole = {module}.{function}
def dying(*words, **options):
    if {after}:
        whole(*words, **options)
    os.kill(os.getpid(), signal.SIGKILL)
{module}.{function} = dying
sys.argv = ["overnight", *{[str(word) for word in words]}]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", dies], cwd=study.folder, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_kill_while_labels_are_taken_over_is_no_matter(overnight, labelled):
    """Everything is written by then, and nothing committed; the same command does it."""
    before = found(overnight, labelled.id)
    new = correct(overnight, labelled)
    killed(labelled, "label_from", "copy_sample", "label", new, "--from", labelled.id, after=True)
    assert labels_in(labelled, new) == []
    assert labelled.value("SELECT count(*) FROM samples") == 1
    assert overnight("label", new, "--from", labelled.id).code == 0
    assert found(overnight, new) == before
    assert doctor(db=labelled.database).is_fine


@pytest.mark.parametrize(("function", "n"), [("add_sample", 0), ("write_sheet", 20)])
def test_a_kill_while_a_sample_is_drawn_leaves_all_of_it_or_nothing(
    overnight, study_without_labels, function, n
):
    """In its transaction: the same command draws. After it: `--again` writes the sheet."""
    study = study_without_labels
    is_drawn = function == "write_sheet"
    killed(study, "sample", function, "sample", "--n", 20, "--out", "s.csv", after=not is_drawn)
    assert study.value("SELECT count(*) FROM sample_members") == n
    assert study.value("SELECT count(*) FROM samples") == int(is_drawn)
    assert not (study.folder / "s.csv").exists()
    again = ("--again",) if is_drawn else ("--n", 20)
    assert overnight("sample", *again, "--out", "s.csv").code == 0
    assert len(rows_of(study.folder / "s.csv")) == 21
    assert study.value("SELECT count(*) FROM samples") == 1
    assert doctor(db=study.database).is_fine


# --- what a run says -----------------------------------------------------------------------------


def test_a_new_run_says_that_there_are_labels(overnight, labelled):
    new = correct(overnight, labelled, with_text(labelled.members[0]))
    short = labelled.id[:8]
    said = (
        f"19 labels that people gave the earlier version of this data ({short}) can be taken over: "
        f"overnight label {new[:8]} --from {short}"
    )
    assert said in labelled.said
    assert labels_in(labelled, new) == []  # labels decide figures: nobody takes them over unasked
    overnight("label", new, "--from", labelled.id)
    assert "can be taken over" not in overnight("run", "study.yaml", "--new").err


def test_of_several_versions_it_names_the_one_with_the_most_labels(overnight, labelled):
    number = labelled.members[0]
    old, labelled.id = labelled.id, correct(overnight, labelled, with_text(number))
    overnight("label", labelled.id, "--from", old)
    read(overnight, labelled, "again", by_hand((number, "yes")))
    rewrite(labelled)
    said = overnight("run", "study.yaml", "--new").err
    assert (
        f"20 labels that people gave the earlier version of this data ({labelled.id[:8]})" in said
    )


def test_of_equals_it_names_the_newest_where_labels_may_have_been_corrected(overnight, labelled):
    old, labelled.id = labelled.id, correct(overnight, labelled)
    overnight("label", labelled.id, "--from", old)
    correct(overnight, labelled)
    assert f"earlier version of this data ({labelled.id[:8]}) can be taken over" in labelled.said


def test_it_says_so_of_another_file_only_where_answers_are_copied(overnight, labelled, server):
    (labelled.folder / "narratives.csv").rename(labelled.folder / "corrected.csv")
    with (labelled.folder / "corrected.csv").open("a") as file:
        file.write("\n")
    labelled.configure(server.url, data={"file": "corrected.csv"})
    assert "can be taken over" not in overnight("run", "study.yaml", "--new").err
    said = overnight("run", "study.yaml", "--new", "--reuse", labelled.id)
    assert "20 labels that people gave" in said.err


def test_it_says_nothing_where_nobody_has_labelled(overnight, study_without_labels):
    correct(overnight, study_without_labels)
    assert "can be taken over" not in study_without_labels.said
