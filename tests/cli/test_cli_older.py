"""A database that came from R or from version 1: every command works, or says in a sentence why."""

import csv
import json
import re
import sqlite3
from contextlib import closing

import pytest

from older_world import make_older
from overnight.config.expand import literal
from r_world import COMPLETED, TEMPLATE, RDatabase

ID = COMPLETED[:8]


@pytest.fixture(params=["first", "second", "version 1"])
def old(request, study, server, overnight, monkeypatch):
    """Completed, of 60 narratives, and brought up to date; the experiment file is beside it."""
    monkeypatch.chdir(study.folder)
    if request.param == "version 1":
        study.data(60).configure(server.url)
        study.old = study.run().experiment_id[:8]
        make_older(study.database)
    else:
        file = RDatabase(study.database, request.param, url=server.url).build().file
        file.write_text(re.sub(r" +(?=\"?,)", "", file.read_text()))  # R stored texts without them
        study.old = ID
        study.configure(
            server.url,
            experiment={"name": "study a"},
            model={"provider": "lmstudio"},
            prompt={"user_template": literal(TEMPLATE)},
            run={"seed": 1024},
        )
    study.database.chmod(0o600)
    assert overnight("migrate").code == 0
    assert study.query("SELECT 1 FROM experiments WHERE configuration_sha256 IS NULL") == []
    server.calls.clear()
    return study


def count(study, table: str) -> int:
    return study.value(f"SELECT count(*) FROM {table}")


def test_whatever_reads_works(old, overnight):
    for words in (
        ("list",),
        ("status", old.old),
        ("show", old.old),
        ("show", old.old, "--errors"),
        ("show", old.old, "--wrong", "any"),
        ("show", old.old, "--left-out"),
        ("metrics", old.old),
        ("report", old.old),
        ("methods", old.old),
        ("export", old.old, "--format", "csv,json,jsonl,xlsx"),
        ("prevalence", old.old, "--labels", "all"),
    ):
        said = overnight(*words)
        assert said.code == 0, (words, said.err)
        if words[0] != "report":
            json_ = overnight(*words, "--json")
            assert json_.code == 0, (words, json_.err)
            assert json.loads(json_.out) is not None


def test_what_asks_for_more_than_there_is_says_so_in_a_sentence(old, overnight):
    for words, code, sentence in (
        (("show", old.old, "--repeats"), 2, "no complete repetition"),
        (("metrics", old.old, "--final"), 2, "nothing is set apart"),
        (("metrics", old.old, "--by", "Region"), 2, "Region"),
        (("resume", old.old), 3, "already completed"),
        (("sample", old.old), 2, "--n"),
    ):
        said = overnight(*words)
        assert said.code == code, (words, said.out, said.err)
        assert sentence in said.err, words


def test_a_look_at_labels_is_counted_once(old, overnight):
    before = count(old, "looks")
    for _ in range(2):
        assert overnight("metrics", old.old).code == 0
    assert count(old, "looks") == before + 1
    assert "configuration measured on these labels" in overnight("metrics", old.old).out


def test_labels_can_be_drawn_filled_in_and_read_back(old, overnight):
    with closing(sqlite3.connect(old.database)) as connection:
        connection.execute(
            "UPDATE narratives SET label = NULL, manual_flag_ind = NULL, case_label = NULL,"
            " manual_flag = NULL WHERE row_num > 20"
        )
        connection.commit()
    said = overnight("sample", old.old, "--n", 10, "--out", "sheet.csv")
    assert said.code == 0, said.err
    sheet = old.folder / "sheet.csv"
    with sheet.open(newline="", encoding="utf-8-sig") as file:
        names, *rows = csv.reader(file)
    with sheet.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(
            ["no" if name == "label" else cell for name, cell in zip(names, row, strict=True)]
            for row in rows
        )
    said = overnight("label", old.old, "sheet.csv")
    assert said.code == 0, said.err
    assert count(old, "human_labels") == 10
    for verb in ("prevalence", "metrics", "report", "methods"):
        said = overnight(verb, old.old)
        assert said.code == 0, (verb, said.err)


def test_the_experiment_file_finds_it_again_and_copies_its_answers(old, overnight, server):
    said = overnight("run", "study.yaml", "--reuse", old.old)
    assert said.code == 0, said.err
    n_errors = 60 - old.value("SELECT count(*) FROM results WHERE copied = 1")
    assert len(server.calls) == n_errors < 10
    said = overnight("doctor")
    assert said.code == 0, said.out
    assert overnight("compare", old.old, "latest").code == 0


def test_a_sample_of_it_can_be_asked_again(old, overnight, server):
    said = overnight("run", "study.yaml", "--repeat", 3, "--repeat-sample", 12)
    assert said.code == 0, said.err
    asked = [call for call in server.calls if call.seed > 1900 or 1100 <= call.seed < 1300]
    assert old.query(
        "SELECT repeat_no, count(*) FROM experiments JOIN results USING (experiment_key)"
        " WHERE repeat_of IS NOT NULL GROUP BY 1"
    ) == [(2, 12), (3, 12)]
    assert len(asked) >= 12
    of = re.search(
        r"[0-9a-f-]{36}",
        str(old.query("SELECT DISTINCT repeat_of FROM experiments WHERE repeat_of IS NOT NULL")),
    )[0]
    assert "Asked again" in overnight("metrics", of).out
    assert overnight("report", of).code == 0
    second = old.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    assert overnight("compare", of, second).code == 0
    looks = "SELECT count(DISTINCT configuration_sha256) FROM looks WHERE experiment_id IN (?, ?)"
    assert old.value(looks, of, second) == 1


def test_it_can_be_purged(old, overnight):
    assert overnight("purge", old.old, "--yes").code == 0
    assert old.old not in overnight("list").out


def test_one_whose_configuration_cannot_be_told_is_no_other_one_either(old, overnight):
    """As where a variable of the environment, which it uses, is not set at the migration."""
    with closing(sqlite3.connect(old.database)) as connection:
        connection.execute("UPDATE experiments SET configuration_sha256 = NULL")
        connection.commit()
    assert overnight("metrics", old.old).code == 0
    assert overnight("run", "study.yaml", "--repeat", 2, "--repeat-sample", 12).code == 0
    assert overnight("metrics", old.old).code == 0
    repetition = old.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    assert overnight("metrics", repetition).code == 0
    assert (
        old.value(
            "SELECT count(DISTINCT configuration_sha256) FROM looks WHERE experiment_id IN"
            " (SELECT experiment_id FROM experiments WHERE repeat_no = 2 UNION"
            "  SELECT repeat_of FROM experiments)"
        )
        == 1
    )
