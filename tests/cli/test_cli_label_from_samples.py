"""`label --from`: samples hold for a corrected data file where their design does."""

import csv
import random

import pytest
from corrected import (
    by_hand,
    correct,
    draw,
    found,
    newest,
    read,
    rewrite,
    truth,
    with_text,
)
from sheets import fill, rows_of, save

from overnight.testing import Scripted, keyword_script


@pytest.fixture
def with_sites(study_without_labels, overnight, server):
    """The study with a kept column, two samples, and labels given before and after each."""
    study = study_without_labels
    file = study.folder / "narratives.csv"
    with file.open(newline="") as source:
        head, *rows = csv.reader(source)
    with file.open("w", newline="") as out:
        sites = [[*row, f"site {int(row[0]) % 3}"] for row in rows]
        csv.writer(out).writerows([[*head, "Site"], *sites])
    study.configure(server.url, data={"keep": ["Site"]})
    assert overnight("run", "study.yaml", "--new").code == 0
    study.id = newest(study)
    return study


def history_of_draws(overnight, study, *design):
    """Labels before, between and after two samples; one of before is corrected at the end."""
    wrong = (3, 10, 20, 21, 31, 44, 50)
    read(overnight, study, "before", by_hand((4, "no"), (5, "no"), (6, "no")))
    drawn = draw(overnight, study, "one", "--n", 14, *design, wrong=wrong)
    left = [i for i in range(2, 60) if i not in (*drawn, 4, 5, 6)]
    between = left[:3]
    read(overnight, study, "between", by_hand(*((i, truth(wrong)(i)) for i in between)))
    second = draw(overnight, study, "two", "--n", 16, *design, wrong=wrong)
    left = [i for i in left if i not in (*between, *second)]
    read(overnight, study, "after", by_hand(*((i, truth(wrong)(i)) for i in left[:4])))
    read(overnight, study, "corrected", by_hand((5, "yes")), "--replace")
    return drawn, second


@pytest.mark.parametrize(
    "design",
    [
        ("--by", "random"),
        ("--by", "confidence"),
        ("--by", "stratum"),
        ("--by", "stratum", "--stratum", "Site"),
    ],
)
def test_where_no_text_has_changed_the_share_is_exactly_what_it_was(overnight, with_sites, design):
    """With labels known before, between and after the draws, overall and in every group."""
    history_of_draws(overnight, with_sites, *design)
    before = found(overnight, with_sites.id, "--by", "Site")
    assert before["labels"] == "drawn"
    assert all(one["problem"] is None for one in before["samples"])
    new = correct(overnight, with_sites)
    said = overnight("label", new, "--from", with_sites.id)
    assert "Sample 1 is taken over as sample 3, with its design." in said.out
    assert "Sample 2 is taken over as sample 4, with its design." in said.out
    assert found(overnight, new, "--by", "Site") == before


def test_it_is_so_in_a_random_order_of_a_part_too(overnight, with_sites, server):
    with_sites.configure(
        server.url, data={"keep": ["Site"]}, run={"order": "random", "max_narratives": 45}
    )
    assert overnight("run", "study.yaml", "--new").code == 0
    with_sites.id = newest(with_sites)
    draw(overnight, with_sites, "one", "--n", 20, wrong=(3, 10, 20, 31, 44))
    before = found(overnight, with_sites.id)
    new = correct(overnight, with_sites)
    assert overnight("label", new, "--from", with_sites.id).code == 0
    assert found(overnight, new) == before


def test_a_member_whose_text_changed_is_asked_again_and_the_others_speak_for_it(
    overnight, with_sites
):
    drawn, _ = history_of_draws(overnight, with_sites, "--by", "stratum")
    whole = found(overnight, with_sites.id)
    new = correct(overnight, with_sites, with_text(drawn[0]))
    said = overnight("label", new, "--from", with_sites.id)
    assert "Sample 3: 13 of 14 labelled." in said.out
    partly = found(overnight, new)
    assert (partly["labels"], partly["overall"]["n_labelled"]) == (
        "drawn",
        whole["overall"]["n_labelled"] - 1,
    )
    assert "13 are labelled. The others are taken to be like them" in partly["claim"]
    assert "13 are labelled" not in whole["claim"]
    # The sheet of the sample, filled in for the older data, is read into the new one.
    file = with_sites.folder / "one-done.csv"
    said = overnight("label", new, file)
    assert said.code == 0, said.err
    assert "1 labels by" in said.out
    assert "13 rows on record already." in said.out
    assert found(overnight, new) == whole
    said = overnight("label", new, "--from", with_sites.id).out
    assert "1 narratives with another text here are labelled again already." in said
    assert "Not taken over" not in said


def test_a_sheet_that_is_out_with_the_readers_can_come_back_to_the_new_data(overnight, drawn):
    """Drawn, not labelled yet, and the file is corrected meanwhile: the design goes ahead."""
    new = correct(overnight, drawn)
    said = overnight("label", new, "--from", drawn.id)
    assert said.code == 0, said.err
    assert "Sample 1 is taken over as sample 2" in said.out
    assert overnight("label", new, save(drawn.folder / "done.csv", fill(drawn.folder))).code == 0
    share = found(overnight, new)
    assert share["labels"] == "drawn"
    assert share["samples"][0]["n_labelled"] == 20


def test_narratives_are_drawn_on_from_what_was_left(overnight, labelled):
    new = correct(overnight, labelled, with_text(labelled.members[0]))
    overnight("label", new, "--from", labelled.id)
    said = overnight("sample", new, "--n", 39, "--out", "next.csv")
    assert said.code == 0, said.err
    assert "1 that were drawn before and have no label yet" in said.out
    ids = {int(row[1]) for row in rows_of(labelled.folder / "next.csv")[1:]}
    assert ids == set(labelled.others)


@pytest.mark.parametrize("what", ["left out", "another order"])
def test_other_narratives_carry_their_labels_and_no_design(overnight, labelled, what):
    if what == "left out":
        new = correct(
            overnight,
            labelled,
            lambda row: None if int(row[0]) == labelled.others[0] else row,
        )
    else:
        file = labelled.folder / "narratives.csv"
        head, *rows = file.read_text().splitlines()
        random.Random(1).shuffle(rows)
        file.write_text("\n".join([head, *rows]))
        new = correct(overnight, labelled)
    said = overnight("label", new, "--from", labelled.id)
    assert said.code == 0
    assert "20 labels of" in said.out
    assert "The design of a sample cannot be claimed for this data: the 60 narratives" in said.out
    assert f"sample {new[:8]} --n 300" in said.out
    assert found(overnight, new)["labels"] == "unknown"


def test_narratives_after_those_that_were_covered_do_not_matter(overnight, labelled):
    """A longer file: the draw is still one from the first 60, and says so."""
    file = labelled.folder / "narratives.csv"
    file.write_text(file.read_text() + "000060,le,Case 60 is invented.,\n")
    new = correct(overnight, labelled)
    assert "is taken over as sample 2" in overnight("label", new, "--from", labelled.id).out
    share = found(overnight, new, "--labels", "drawn")
    assert share["samples"][0]["problem"] == "it was drawn from the first 60 narratives only"


def test_a_label_in_the_new_file_of_one_that_could_have_been_drawn_is_no_draw(overnight, labelled):
    """It would count as known beside the members that speak for it."""

    def change(row):
        return [*row[:3], "0"] if int(row[0]) == labelled.others[0] else row

    new = correct(overnight, labelled, change)
    said = overnight("label", new, "--from", labelled.id)
    assert "1 narratives that sample 1 could have drawn, and did not" in said.out
    assert found(overnight, new)["labels"] == "unknown"


def test_what_was_known_before_the_draw_must_be_known_here(overnight, study_without_labels):
    """Its text has changed: once it is labelled again, the same command takes the sample over."""
    study = study_without_labels
    read(overnight, study, "before", by_hand((4, "no"), (5, "no")))
    draw(overnight, study, "one", "--n", 20, wrong=(3, 10, 20))
    before = found(overnight, study.id)
    old, study.id = study.id, correct(overnight, study, with_text(4))
    said = overnight("label", study.id, "--from", old)
    assert "1 narratives that were labelled before sample 1 was drawn have no label" in said.out
    assert found(overnight, study.id)["labels"] == "unknown"
    read(overnight, study, "again", by_hand((4, "no")))
    said = overnight("label", study.id, "--from", old)
    assert "Nothing new" in said.out
    assert "is taken over as sample 2" in said.out
    assert found(overnight, study.id) == before


def test_a_draw_among_other_labels_is_no_draw_where_they_are_read_otherwise(
    overnight, study_without_labels, server
):
    """`maybe` in the file is a label of an enum, so that nobody drew it; for yes or no it is none.

    Counted as one that could have been drawn, it would be spoken for by members that do not.
    """
    study = study_without_labels
    rewrite(study, lambda row: [*row[:3], "maybe"] if int(row[0]) % 3 == 0 else [*row[:3], ""])
    fields = {"event": {"type": "enum", "values": ["1", "0", "maybe"]}}
    study.configure(server.url, output={"primary": "event", "fields": fields})
    server.script = lambda _call: Scripted('{"event": "1"}')
    assert overnight("run", "study.yaml", "--new").code == 0
    old = newest(study)
    assert overnight("sample", old, "--n", 10, "--out", "one.csv").code == 0
    assert (
        overnight(
            "label",
            old,
            save(study.folder / "done.csv", fill(study.folder, lambda _: "1", source="one.csv")),
        ).code
        == 0
    )
    server.script = keyword_script
    study.configure(server.url)
    rewrite(study)
    assert overnight("run", "study.yaml", "--new").code == 0
    said = overnight("label", "latest", "--from", old)
    assert said.code == 0, said.err
    assert "10 labels of" in said.out
    assert "the answer here is another one (detected, boolean)" in said.out
    assert found(overnight, "latest")["labels"] == "unknown"


def test_labels_given_here_before_count_for_the_draw_as_they_did_there(overnight, labelled):
    """One that could have been drawn, labelled here first: for the sample it is not known."""
    before = found(overnight, labelled.id)
    old, labelled.id = labelled.id, correct(overnight, labelled)
    read(overnight, labelled, "here", by_hand((labelled.others[0], "yes")))
    overnight("label", labelled.id, "--from", old)
    now = found(overnight, labelled.id)
    for estimate in ("labelled_only", "ppi", "rogan_gladen"):
        assert now["overall"][estimate] == before["overall"][estimate]


def test_a_sample_of_the_new_data_is_not_mixed_with_another_draw(overnight, labelled):
    new = correct(overnight, labelled)
    overnight("sample", new, "--n", 5, "--out", "own.csv")
    said = overnight("label", new, "--from", labelled.id)
    assert "20 labels of" in said.out
    assert "another sample was drawn here" in said.out
    assert labelled.value("SELECT count(*) FROM samples") == 2


def test_a_sample_that_was_drawn_there_since_follows(overnight, labelled):
    new = correct(overnight, labelled)
    overnight("label", new, "--from", labelled.id)
    draw(overnight, labelled, "two", "--n", 10, wrong=(44, 50))
    said = overnight("label", new, "--from", labelled.id)
    assert "10 labels of" in said.out
    assert "Sample 3 is taken over as sample 4" in said.out
    assert found(overnight, new) == found(overnight, labelled.id)


def test_a_second_correction_takes_over_what_the_first_one_had(overnight, labelled):
    before = found(overnight, labelled.id)
    first = correct(overnight, labelled)
    overnight("label", first, "--from", labelled.id)
    old, labelled.id = labelled.id, first
    second = correct(overnight, labelled)
    assert overnight("label", second, "--from", first).code == 0
    assert found(overnight, second) == before
    assert overnight("purge", old, "--yes").code == 0
    assert found(overnight, second) == before
