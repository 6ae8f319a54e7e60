"""A corrected data file costs only what has changed: the other answers are copied."""

import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest

from overnight.commands.doctor import doctor
from overnight.commands.results import results
from overnight.commands.resume import Changes, resume
from overnight.commands.status import status
from overnight.domain.experiment import Status
from overnight.errors import DataChanged, RefusedError, UnknownExperiment
from overnight.store import reuse
from overnight.store.datasets import text_digest
from overnight.testing import Scripted, keyword_script
from overnight.views import view_json

ANSWERS = (
    "incident_id, narrative_type, detected, confidence, indicators, rationale, output_json,"
    " error_occurred, error_category, raw_response"
)


def correct(study, *, n=3):
    """Correct the first `n` texts, leave one narrative out, and add one."""
    file = study.folder / "narratives.csv"
    with file.open(newline="", encoding="utf-8") as source:
        head, *rows = csv.reader(source)
    for row in rows[:n]:
        row[2] = row[2].replace("invented", "invented and corrected")
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([head, *rows[:-1], ["new", "cme", "Case new is invented.", "0"]])


def answers(study, experiment_id):
    return study.query(
        f"SELECT {ANSWERS} FROM narrative_results WHERE experiment_id = ? ORDER BY 1, 2",
        experiment_id,
    )


def in_full(study, make_study, server):
    """What an experiment answers that asks every narrative of the study."""
    whole = make_study("whole").configure(server.url)
    shutil.copy(study.folder / "narratives.csv", whole.folder)
    return answers(whole, whole.run().experiment_id)


def said(study) -> str:
    return "\n".join(getattr(event, "message", "") for event in study.events)


@pytest.fixture
def corrected(study, server):
    """A completed study of 20 whose data file has been corrected since, at no calls so far."""
    study.data(20).configure(server.url)
    study.first = study.run().experiment_id
    correct(study)
    server.calls.clear()
    study.events.clear()
    return study


def test_only_what_has_changed_is_asked_and_the_result_equals_a_full_run(
    corrected, server, make_study
):
    result = corrected.run(reuse=corrected.first)
    assert (result.status, result.counts.copied) == (Status.COMPLETED, 16)
    assert len(server.calls) == 4

    assert answers(corrected, result.experiment_id) == in_full(corrected, make_study, server)


def test_a_copied_answer_made_no_call_and_every_account_says_so(corrected):
    result = corrected.run(reuse=corrected.first)
    new = result.experiment_id
    rows = corrected.query(
        "SELECT copied_from, count(*), sum(attempt_count) FROM narrative_results"
        " WHERE experiment_id = ? GROUP BY 1 ORDER BY 1",
        new,
    )
    assert rows == [(None, 4, 4), (corrected.first, 16, 0)]
    assert corrected.query(
        "SELECT count(*) FROM v_results WHERE experiment_id = ? AND copied_from = ?",
        new,
        corrected.first,
    ) == [(16,)]
    assert corrected.query(
        "SELECT count(*) FROM narrative_attempts WHERE experiment_id = ?", new
    ) == [(4,)]
    assert corrected.query(
        "SELECT n_calls, n_results FROM run_sessions WHERE experiment_id = ?", new
    ) == [(4, 4)]
    found = status(new, db=corrected.database)
    json = view_json(found.view)
    assert (json["answered"], json["copied"], json["remaining"]) == (20, 16, 0)
    assert found.completion_tokens == sum(
        tokens
        for (tokens,) in corrected.query(
            "SELECT completion_tokens FROM narrative_attempts WHERE experiment_id = ?", new
        )
    )
    copied = Counter(r.copied_from for r in results(new, db=corrected.database))
    assert copied == {corrected.first: 16, None: 4}
    assert doctor(db=corrected.database).is_fine
    assert "16 answers are copied" in said(corrected)


def test_a_crash_while_copying_is_no_matter(corrected, server, monkeypatch):
    monkeypatch.setattr(reuse, "_CHUNK", 5)
    copy, calls = reuse._copy_chunk, []

    def dies(connection, copying, after, last):
        copy(connection, copying, after, last)
        calls.append(last)
        if last == 15:
            raise KeyboardInterrupt  # within the transaction of the third chunk

    monkeypatch.setattr(reuse, "_copy_chunk", dies)
    with pytest.raises(KeyboardInterrupt):
        corrected.run(reuse=corrected.first)
    n = "SELECT count(*) FROM results WHERE copied IS NOT NULL"
    assert corrected.value(n) == 7  # two chunks of five, of which three texts are corrected
    assert server.calls == []

    monkeypatch.setattr(reuse, "_copy_chunk", copy)
    result = corrected.run(reuse=corrected.first)  # the same command
    assert (result.status, result.counts.copied) == (Status.COMPLETED, 16)
    assert len(server.calls) == 4
    assert corrected.value("SELECT count(*) FROM experiments") == 2


@pytest.mark.parametrize("within", [True, False])
def test_a_kill_while_copying_is_no_matter(corrected, server, make_study, within):
    """Within the transaction of a chunk, or between two of them; the answers are the same."""
    dies = f"""
import os, signal, sys
from overnight.cli import main
from overnight.store import reuse
copy, reuse._CHUNK = reuse._copy_chunk, 5
def dying(connection, copying, after, last):
    if not {within} and last == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    copy(connection, copying, after, last)
    if {within} and last == 10:
        os.kill(os.getpid(), signal.SIGKILL)
reuse._copy_chunk = dying
sys.argv = ["overnight", "run", "study.yaml", "--reuse", "{corrected.first}"]
main()
"""
    killed = subprocess.run(
        [sys.executable, "-c", dies], cwd=corrected.folder, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    n = corrected.value("SELECT count(*) FROM results WHERE copied IS NOT NULL")
    assert n == (2 if within else 7)
    result = corrected.run(reuse=corrected.first)
    assert (result.status, result.counts.copied, len(server.calls)) == (Status.COMPLETED, 16, 4)
    assert doctor(db=corrected.database).is_fine
    assert answers(corrected, result.experiment_id) == in_full(corrected, make_study, server)


def test_latest_typed_again_goes_on_with_what_it_began(corrected, server, monkeypatch):
    """By then the latest is the very experiment that the same command has begun."""

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reuse, "_copy_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            corrected.run(reuse="latest")
    result = corrected.run(reuse="latest")
    assert (result.status, result.counts.copied, len(server.calls)) == (Status.COMPLETED, 16, 4)
    assert corrected.run(reuse="latest").already_complete
    assert corrected.value("SELECT count(*) FROM experiments") == 2
    correct(corrected, n=1)  # the data are others now: what is latest is copied from
    third = corrected.run(reuse="latest")
    assert corrected.value("SELECT count(*) FROM experiments") == 3
    assert third.counts.copied > 0


@pytest.mark.parametrize("how", ["run", "resume"])
def test_any_command_that_goes_on_finishes_the_copying(corrected, server, monkeypatch, how):
    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reuse, "_copy_chunk", dies)
        with pytest.raises(KeyboardInterrupt):
            corrected.run(reuse=corrected.first)
    if how == "run":
        result = corrected.run()
    else:
        result = resume("latest", db=corrected.database, handler=corrected.events.append)
    assert (result.status, result.counts.copied, len(server.calls)) == (Status.COMPLETED, 16, 4)


def test_the_same_command_again_makes_no_call(corrected, server):
    corrected.run(reuse=corrected.first)
    server.calls.clear()
    assert corrected.run(reuse=corrected.first).already_complete
    fresh = corrected.run(reuse=corrected.first, new=True)
    assert (fresh.counts.copied, len(server.calls)) == (16, 4)


def test_a_raised_limit_copies_further(corrected, server):
    result = corrected.run(reuse=corrected.first, max_narratives=10)
    assert (result.counts.copied, len(server.calls)) == (7, 3)
    grown = resume(
        "latest",
        db=corrected.database,
        changes=Changes(max_narratives=20),
        handler=corrected.events.append,
    )
    assert (grown.status, grown.counts.copied, len(server.calls)) == (Status.COMPLETED, 16, 4)


def test_errors_are_asked_anew(study, server):
    server.script = lambda call: (
        Scripted("nothing readable") if "Case 3 " in call.text else keyword_script(call)
    )
    study.data(10).configure(server.url)
    first = study.run().experiment_id
    server.script = keyword_script
    server.calls.clear()
    result = study.run(reuse=first)
    assert (result.counts.copied, result.counts.errors, len(server.calls)) == (9, 0, 1)


def test_texts_are_matched_whatever_their_ids_and_each_keeps_its_own_answer(study, server):
    study.data(10).configure(server.url)
    file = study.folder / "narratives.csv"
    with file.open("a", newline="") as out:  # two narratives with one text, answered differently
        csv.writer(out).writerows([["a", "le", "Same.", "1"], ["b", "le", "Same.", "0"]])
    said_so = iter([0.25, 0.75])
    server.script = lambda call: (
        Scripted({"detected": True, "confidence": next(said_so), "indicators": [], "rationale": ""})
        if "Same." in call.text
        else keyword_script(call)
    )
    study.configure(server.url, run={"concurrency": 1})
    first = study.run().experiment_id
    file.write_text(file.read_text().replace("00000", "renamed-"))
    server.calls.clear()
    second = study.run(reuse=first)
    assert (second.counts.copied, server.calls) == (12, [])
    assert study.query(
        "SELECT incident_id, confidence FROM narrative_results WHERE experiment_id = ?"
        " AND incident_id IN ('a', 'b') ORDER BY 1",
        second.experiment_id,
    ) == [("a", 0.25), ("b", 0.75)]


def test_another_request_is_refused_by_the_names_of_its_fields(corrected, server):
    corrected.configure(server.url, prompt={"system_prompt": "Other."}, run={"seed": 7})
    with pytest.raises(RefusedError, match=r"differ .* in prompt\.system_prompt, run\.seed$"):
        corrected.run(reuse=corrected.first)
    with pytest.raises(UnknownExperiment):
        corrected.run(reuse="nothing")
    assert corrected.value("SELECT count(*) FROM datasets") == 1
    assert corrected.value("SELECT count(*) FROM experiments") == 1


def test_the_model_must_be_the_one_whose_answers_were_copied(corrected, server):
    def other(call):
        made = keyword_script(call)
        return Scripted(made.content, model="another")

    server.script = other
    result = corrected.run(reuse=corrected.first)
    assert result.status is Status.FAILED
    assert "now answers as 'another'" in result.reason
    assert len(server.calls) <= 4
    assert result.counts.answered == 16


def test_answers_of_several_models_are_named(corrected):
    with closing(sqlite3.connect(corrected.database)) as other, other:
        other.execute(
            "INSERT INTO run_sessions (experiment_key, experiment_id, kind, host, pid, started_at,"
            " ended_at, overnight_version, served_model) VALUES (1, 'x', 'resume', 'h', 1,"
            " '2026-01-01 00:00:00.000', '2026-01-01 00:00:00.000', '0', 'another')"
        )
    corrected.run(reuse=corrected.first)
    assert "are by several models: another, scripted" in said(corrected)


def test_the_growing_file_and_the_exports_hold_copied_answers_too(corrected):
    result = corrected.run(reuse=corrected.first)
    folder = corrected.folder / "exports" / result.experiment_id
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert Counter(line["copied_from"] for line in lines) == {corrected.first: 16, None: 4}
    assert (folder / "results.csv").read_text().count(corrected.first) == 16


def test_changed_data_are_refused_with_the_cheapest_way_on(study, server):
    study.data(10).configure(server.url)
    first = study.run(max_narratives=5).experiment_id
    correct(study, n=1)
    study.events.clear()
    with pytest.raises(DataChanged, match=f"--reuse {first[:8]}"):
        resume(
            first,
            db=study.database,
            changes=Changes(max_narratives=8),
            handler=study.events.append,
        )


def test_answers_that_are_there_are_not_paid_for_again_without_a_word(corrected, server):
    """A corrected comma in a completed study must not cost 48 hours."""
    with pytest.raises(RefusedError, match=rf"nothing but data.*--reuse {corrected.first[:8]}\."):
        corrected.run()
    assert not server.calls
    assert corrected.value("SELECT count(*) FROM experiments") == 1
    assert corrected.run(new=True).counts.copied == 0


def test_other_narratives_in_the_same_file_are_a_new_experiment(corrected, server):
    corrected.data(20, words=31)
    assert corrected.run().status is Status.COMPLETED
    assert len(server.calls) == 20


def test_the_source_may_be_gone_meanwhile(corrected, server, monkeypatch):
    """Then what is not copied is asked."""

    def gone(*_):
        raise UnknownExperiment("gone")

    monkeypatch.setattr("overnight.session.copying.find_experiment", gone)
    result = corrected.run(reuse=corrected.first)
    assert (result.status, result.counts.copied, len(server.calls)) == (Status.COMPLETED, 0, 20)
    assert "is gone" in said(corrected)


def test_a_random_order_covers_other_narratives_and_copies_all_the_same(corrected, server):
    """Which narratives are asked, and in which order, is no part of a request."""
    corrected.configure(server.url, run={"order": "random"})
    result = corrected.run(reuse=corrected.first, max_narratives=10)
    copied = result.counts.copied
    assert (result.status, copied + len(server.calls)) == (Status.COMPLETED, 10)
    grown = resume(
        "latest",
        db=corrected.database,
        changes=Changes(max_narratives=20),
        handler=corrected.events.append,
    )
    assert (grown.status, grown.counts.copied, len(server.calls)) == (Status.COMPLETED, 16, 4)
    assert doctor(db=corrected.database).is_fine


def test_errors_of_the_other_experiment_that_are_errors_again_do_not_stop_the_run(study, server):
    """What is left to ask are mostly the errors: that says nothing against the model."""
    bad = {f"Case {i} is invented" for i in range(2, 100, 4)}
    server.script = lambda call: (
        Scripted("nothing readable")
        if any(words in call.text for words in bad)
        else keyword_script(call)
    )
    study.data(100).configure(server.url)
    first = study.run()
    assert first.counts.errors == 25
    correct(study)
    result = study.run(reuse=first.experiment_id)
    assert (result.status, result.counts.copied) == (Status.COMPLETED, 72)
    assert result.counts.errors == 25


def test_what_is_new_beside_copied_answers_is_not_paid_for_as_rubbish(study, server):
    """Most answers are copied, and the model gives nothing readable to the others."""
    study.data(100).configure(server.url)
    first = study.run().experiment_id
    correct(study, n=45)
    server.script = lambda _call: Scripted("nothing readable")
    server.calls.clear()
    result = study.run(reuse=first)
    assert (result.status, result.counts.copied) == (Status.FAILED, 54)
    assert "gave no readable answer" in result.reason
    assert result.counts.errors < 30


def test_texts_that_failed_are_known_by_their_digests():
    texts = [f"Case {i} is invented." for i in range(50)]
    found = reuse.FailedTexts(map(text_digest, texts[::2]))
    assert [text in found for text in texts] == [i % 2 == 0 for i in range(50)]
    assert "" not in found
    assert "Case 1 is invented." not in reuse.FailedTexts(())
