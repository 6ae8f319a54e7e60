"""The findings of the review that started it, by their numbers: each a promise."""

import csv
import signal
import sqlite3
from contextlib import closing

import pytest

from overnight.commands.resume import Changes, resume
from overnight.commands.retry import retry
from overnight.domain.experiment import Event, Status
from overnight.errors import (
    AlreadyCompleted,
    DataChanged,
    ExperimentOwned,
    RefusedError,
    UnknownExperiment,
)
from overnight.events import SessionOpened
from overnight.session import Ending
from overnight.stop import StopRequest
from overnight.testing import Scripted, keyword_script, scripted_server, wait_until


def stopped_after(study, n, *, of=20, **sections):
    """A study that was stopped, as failed, when `n` of its narratives were answered."""
    stop = StopRequest()

    def script(call):
        if len(server.calls) < n:
            return keyword_script(call)
        stop.ask(Ending(Event.FAIL, "stopped by a test"))
        return Scripted(keyword_script(call).content, delay=0.1)

    with scripted_server(script) as server:
        study.data(of).configure(server.url, run={"concurrency": 1}, **sections)
        result = study.run(stop=stop)
    assert result.status is Status.FAILED
    assert result.counts.answered == n
    study.events.clear()
    return result


def going_on(study, server, name="latest", **changes):
    return resume(
        name,
        db=study.database,
        changes=Changes(api_url=server.url, **changes),
        handler=study.events.append,
    )


def said(study) -> str:
    return "\n".join(getattr(event, "message", "") for event in study.events)


def edit(study, change):
    """Rewrite the data file, `change` applied to its rows (lists of cells)."""
    file = study.folder / "narratives.csv"
    with file.open(newline="") as source:
        head, *rows = csv.reader(source)
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([head, *change(rows)])


def everything(study) -> dict[str, list[tuple]]:
    tables = study.query("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: study.query(f"SELECT * FROM {name}") for (name,) in tables}


# --- 1: the source data are verified ------------------------------------------------------------


def test_finding_1_changed_data_are_refused_with_both_checksums_and_what_changed(study, server):
    stopped_after(study, 5)
    stored = study.value("SELECT data_checksum FROM datasets")

    def change(rows):
        rows[3][2] = "Another text, invented as well."
        return [*rows[1:], ["new-1", "cme", "One more.", "0"], ["new-2", "cme", "And one.", "1"]]

    edit(study, change)
    before = everything(study)
    for command in (lambda: going_on(study, server), study.run):
        with pytest.raises(DataChanged) as refused:
            command()
        message = str(refused.value)
        assert stored in message
        assert message.count("sha256:") == 2
        assert "18 narratives unchanged, 1 edited, 1 missing, 2 new" in message
        assert "--use-stored-data" in message
        assert "--new" in message
        assert refused.value.exit_code == 3
    assert everything(study) == before
    assert not (study.folder / "backups").exists()
    assert server.calls == []


def test_finding_1_a_missing_file_is_told_by_the_word(study, server):
    stopped_after(study, 5)
    (study.folder / "narratives.csv").unlink()
    with pytest.raises(DataChanged, match=r"is missing \(stored sha256:\w{64}, now: missing\)"):
        going_on(study, server)


def test_finding_1_stored_data_go_on_whatever_became_of_the_file(study, server, make_study):
    reference = make_study("reference").data(20).configure(server.url)
    reference.run()
    stopped_after(study, 5)
    edit(study, lambda rows: [[a, b, "All is different now.", d] for a, b, _, d in rows])
    assert going_on(study, server, use_stored_data=True).status is Status.COMPLETED
    assert study.answers() == reference.answers()


def test_finding_1_a_file_that_was_only_saved_anew_is_adopted(study, server):
    stopped_after(study, 5)
    file = study.folder / "narratives.csv"
    file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
    assert going_on(study, server).status is Status.COMPLETED
    assert "was saved anew; its 20 narratives are the same" in said(study)
    assert study.value("SELECT count(*) FROM datasets") == 1

    again = study.configure(server.url, run={"concurrency": 1}).run()
    assert again.already_complete
    assert len(server.calls) == 15
    assert study.value("SELECT count(*) FROM datasets") == 1


def test_finding_1_rows_in_another_order_are_the_same_data(study, server):
    stopped_after(study, 5)
    edit(study, lambda rows: rows[::-1])
    assert going_on(study, server).counts.answered == 20


def test_finding_1_changed_labels_alone_are_named_as_such(study, server):
    stopped_after(study, 5)
    edit(study, lambda rows: [[a, b, c, "1"] for a, b, c, _ in rows])
    assert going_on(study, server).status is Status.COMPLETED
    assert "17 labels in" in said(study)
    assert "--new" in said(study)
    assert study.value("SELECT sum(manual_flag_ind) FROM source_narratives") == 3


def test_finding_1_a_completed_study_whose_file_is_saved_anew_costs_nothing(study, server):
    study.data(10).configure(server.url).run()
    file = study.folder / "narratives.csv"
    file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
    assert study.run().already_complete
    assert len(server.calls) == 10


# --- 2 and 13: states ---------------------------------------------------------------------------


def test_finding_2_a_completed_experiment_is_not_resumed(study, server):
    study.data(3).configure(server.url).run()
    with pytest.raises(AlreadyCompleted, match="already completed"):
        going_on(study, server)


def test_finding_2_an_unknown_id_is_refused_with_the_nearest(study, server):
    result = study.data(3).configure(server.url).run()
    wrong = "0" + result.experiment_id[1:]
    with pytest.raises(UnknownExperiment, match=result.experiment_id):
        going_on(study, server, wrong)


def test_finding_2_a_cancelled_experiment_says_so_when_it_goes_on(study):
    with scripted_server(delay=0.1) as server:
        study.data(30).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    with scripted_server() as server:
        assert going_on(study, server).status is Status.COMPLETED
    assert "had been cancelled; it goes on now" in said(study)


def test_finding_13_without_an_id_the_newest_that_waits_is_resumed(study, server):
    first = stopped_after(study, 2)
    study.config = study.folder / "another.yaml"
    study.configure(server.url, experiment={"name": "another"}, run={"seed": 5}).run()
    assert going_on(study, server, None).experiment_id == first.experiment_id
    with pytest.raises(UnknownExperiment, match="is unfinished"):
        going_on(study, server, None)


def test_finding_13_no_other_status_can_be_stored(study, server):
    study.data(2).configure(server.url).run()
    with (
        closing(sqlite3.connect(study.database)) as other,
        pytest.raises(sqlite3.IntegrityError, match="ck_status"),
    ):
        other.execute("UPDATE experiments SET status = 'paused'")


# --- 3: one owner -------------------------------------------------------------------------------


def test_finding_3_five_starts_at_once_make_one_experiment(study):
    with scripted_server(delay=0.5) as server:  # the last to come must find it at work
        study.data(60).configure(server.url)
        processes = [study.start("run", "study.yaml") for _ in range(5)]
        ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]

    assert sorted(code for _, code in ended) == [0, 3, 3, 3, 3]
    refused = [told for told, code in ended if code == 3]
    assert all("is being worked on by process" in told for told in refused)
    assert not any("going on with" in told for told in refused)
    assert study.value("SELECT count(*) FROM experiments") == 1
    assert study.value("SELECT count(*) FROM datasets") == 1
    assert len(server.calls) == 60


def test_finding_3_a_reused_pid_fools_nobody(study, server):
    """The dead owner's PID belongs to a living process now: ours."""
    stopped_after(study, 5)
    with closing(sqlite3.connect(study.database)) as other, other:
        import os  # noqa: PLC0415 - used by one test

        other.execute("UPDATE experiments SET status = 'running', status_reason = NULL")
        other.execute("UPDATE run_sessions SET ended_at = NULL, pid = ?", (os.getpid(),))
    assert going_on(study, server).status is Status.COMPLETED


# --- 5 and 8: limit and seed are those of the start ---------------------------------------------


def test_finding_5_and_8_what_shapes_answers_stays_as_it_was_and_each_difference_is_named(
    study, server
):
    stopped_after(study, 5)
    study.configure(
        server.url,
        run={"seed": 7, "max_narratives": 12, "concurrency": 2},
        prompt={"system_prompt": "Judge otherwise."},
    )
    result = going_on(study, server, config_file=study.config)

    told = said(study)
    assert "run.seed = 7 (it keeps 100) is not used" in told
    assert "run.max_narratives = 12 (it keeps nothing) is not used" in told
    assert "--max-narratives N raises it" in told
    assert "prompt.system_prompt" in told
    assert result.counts.answered == 20
    assert {call.seed for call in server.calls} == {100}
    assert {call.system for call in server.calls} == {"Judge."}


def test_what_does_not_shape_answers_may_change_at_each_session_and_is_logged(study, server):
    stopped_after(study, 5)
    study.configure(
        server.url, run={"concurrency": 3, "drain_sec": 5}, experiment={"name": "renamed"}
    )
    going_on(study, server, config_file=study.config)

    assert "changed: run.concurrency: 1 before, now 3" in said(study)
    assert "changed: run.drain_sec: nothing before, now 5" in said(study)
    assert study.value("SELECT experiment_name FROM experiments") == "renamed"
    log = next(study.folder.glob("logs/experiments/*/run.log")).read_text()
    assert "changed: run.concurrency" in log


def test_finding_5_a_limit_can_be_raised_but_not_lowered(study, server):
    study.data(30).configure(server.url, run={"max_narratives": 10}).run()
    with pytest.raises(RefusedError, match="can only be raised, not lowered to 5"):
        going_on(study, server, max_narratives=5)
    result = going_on(study, server, max_narratives=1000)
    assert (result.counts.total, result.counts.answered) == (30, 30)
    assert len(server.calls) == 30


# --- 6: exports at a resume ---------------------------------------------------------------------


def test_finding_6_exports_are_made_true_again_at_a_resume(study):
    stopped_after(study, 5)
    with scripted_server(delay=0.2) as server:
        process = study.start("resume", "--api-url", server.url)
        file = lambda: next(iter(study.folder.glob("exports/*/results.csv")), None)  # noqa: E731
        wait_until(file)
        process.kill()
        process.communicate()
    with file().open(encoding="utf-8-sig") as exported:
        rows = list(csv.DictReader(exported))
    assert len(rows) >= 5
    assert rows[0]["incident_id"] == "000000"


# --- 7: an error is not forgotten ---------------------------------------------------------------


def test_finding_7_a_retry_keeps_the_history_and_replaces_the_error_only_by_an_outcome(study):
    def script(call):
        bad = "Case 3 " in call.text and not healed
        return Scripted("no answer at all") if bad else keyword_script(call)

    healed: list[bool] = []
    with scripted_server(script) as server:
        study.data(6).configure(server.url).run()
        row = "SELECT error_occurred, attempt_count, error_category, first_error_message"
        at = " FROM narrative_results WHERE incident_id = '000003'"
        assert study.query(row + at)[0][:3] == (1, 3, "parse_error")
        first = study.query(row + at)[0][3]
        healed.append(True)
        done = retry("latest", db=study.database, handler=study.events.append)

    assert done.result.counts.errors == 0
    assert study.query(row + at) == [(0, 4, None, first)]
    replies = study.query(
        "SELECT reply FROM narrative_attempts WHERE incident_id = '000003' ORDER BY attempt_id"
    )
    assert replies == [("no answer at all",)] * 2 + [(None,), (None,)]
    assert [call.seed for call in server.calls if "Case 3 " in call.text] == [100, 101, 102, 103]


# --- 9: commits ---------------------------------------------------------------------------------


def test_finding_9_what_has_come_back_is_safe_within_a_second(study):
    def script(call):
        late = "Case 9 " in call.text
        return Scripted(keyword_script(call).content, delay=30 if late else 0)

    with scripted_server(script) as server:
        study.data(10).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) == 10)
        wait_until(lambda: study.value("SELECT count(*) FROM results") == 9, seconds=1)
        process.kill()
        process.communicate()


# --- 10 and 12: numbers over everything ---------------------------------------------------------


def test_finding_10_metrics_are_over_all_results_of_all_sessions(study, server):
    stopped_after(study, 9)
    assert study.value("SELECT accuracy FROM experiments") is None
    result = going_on(study, server)
    assert study.value("SELECT count(*) FROM narrative_results") == result.counts.total
    assert study.query("SELECT n_true_positive, n_true_negative, accuracy FROM experiments") == [
        (3, 17, 1.0)
    ]


def test_finding_12_what_is_done_and_what_remains_is_said_at_the_start(study, server):
    stopped_after(study, 5)
    going_on(study, server)
    opened = next(event for event in study.events if isinstance(event, SessionOpened))
    counts = opened.counts
    assert (counts.completed, counts.errors, counts.remaining, counts.total) == (5, 0, 15, 20)


# --- 11: a backup before a resume ---------------------------------------------------------------


def test_finding_11_a_backup_is_made_before_a_resume_and_can_be_gone_without(study, server):
    stopped_after(study, 5)
    going_on(study, server, max_narratives=None)
    (backup,) = (study.folder / "backups").glob("*.db")
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM narrative_results").fetchone() == (5,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert backup.stat().st_mode & 0o777 == 0o600


def test_finding_11_no_backup_where_none_is_wanted(study, server):
    stopped_after(study, 5)
    going_on(study, server, backup=False)
    assert not (study.folder / "backups").exists()


# --- 16, 17, 18 ---------------------------------------------------------------------------------


def test_finding_16_every_session_marks_its_beginning_in_one_log(study, server):
    stopped_after(study, 5)
    going_on(study, server)
    (log,) = study.folder.glob("logs/experiments/*/run.log")
    text = log.read_text()
    assert text.count("======== START of") == 1
    assert text.count("======== RESUME of") == 1
    assert log.stat().st_mode & 0o777 == 0o600


def test_finding_17_the_indexes_of_the_review_are_there(study, server):
    study.data(2).configure(server.url).run()
    names = {row[0] for row in study.query("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"uq_source_narrative", "uq_result_per_exp_narrative"} <= names


def test_finding_18_the_environment_resumes(study, server, monkeypatch):
    result = stopped_after(study, 5)
    study.configure(server.url)
    for name, value in (("RESUME", "1"), ("EXPERIMENT_ID", result.experiment_id)):
        monkeypatch.setenv(name, value)
    process = study.start("run", "study.yaml")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(server.calls) == 15
    assert study.query("SELECT kind FROM run_sessions ORDER BY 1") == [("resume",), ("start",)]


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({"RESUME": "1"}, 2, "RESUME=1 needs EXPERIMENT_ID"),
        ({"RESUME": "yes", "EXPERIMENT_ID": "x"}, 2, "it is 1 or 0"),
        ({"RESUME": "1", "EXPERIMENT_ID": "ffffffff"}, 3, "no experiment has the id"),
        ({"RETRY_ERRORS_ONLY": "1"}, 0, "has no effect without RESUME=1"),
        ({"RESUME": "0", "EXPERIMENT_ID": "x"}, 0, "3 narratives in"),
    ],
)
def test_finding_18_combinations_that_make_no_sense_are_named(
    study, server, monkeypatch, environ, *, code, words
):
    study.data(3).configure(server.url).run()
    study.configure(server.url, experiment={"name": "other"}, run={"seed": 5})
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    process = study.start("run", "study.yaml")
    _, told = process.communicate(timeout=30)
    assert (process.returncode, words in told) == (code, True), told


def test_finding_18_only_errors_are_retried_when_the_environment_says_so(study, monkeypatch):
    def script(call):
        bad = "Case 1 " in call.text and not healed
        return Scripted("?") if bad else keyword_script(call)

    healed: list[bool] = []
    with scripted_server(script) as server:
        result = study.data(4).configure(server.url).run()
        healed.append(True)
        n = len(server.calls)
        for name, value in (
            ("RESUME", "1"),
            ("EXPERIMENT_ID", result.experiment_id),
            ("RETRY_ERRORS_ONLY", "1"),
        ):
            monkeypatch.setenv(name, value)
        process = study.start("run", "study.yaml")
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert len(server.calls) == n + 1
    assert study.value("SELECT sum(error_occurred) FROM narrative_results") == 0


def test_flags_win_over_the_environment(study, server, monkeypatch):
    result = study.data(3).configure(server.url).run()
    monkeypatch.setenv("RESUME", "1")
    monkeypatch.setenv("EXPERIMENT_ID", result.experiment_id)
    process = study.start("run", "study.yaml", "--new")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert study.value("SELECT count(*) FROM experiments") == 2


def test_a_live_owner_is_named_also_to_who_would_change_the_limit(study):
    with scripted_server(delay=0.2) as server:
        study.data(60).configure(server.url, run={"max_narratives": 50})
        first = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 3)
        with pytest.raises(ExperimentOwned, match=f"process {first.pid}"):
            going_on(study, server, max_narratives=60)
        first.kill()
        first.communicate()
