"""Bad luck at the worst moment: what a hostile reader of the promises tried."""

import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from overnight import clock
from overnight.call.openai import OpenAIClient
from overnight.commands import resume as resume_command
from overnight.commands.cancel import cancel
from overnight.commands.exports import Exports
from overnight.commands.resume import Changes, resume
from overnight.commands.retry import retry
from overnight.domain.experiment import Status
from overnight.errors import DatabaseBusy, RefusedError
from overnight.events import StoodStill
from overnight.store.experiments import find_experiment
from overnight.store.open import connected
from overnight.store.sessions import asked_to_stop
from overnight.testing import Call, Scripted, keyword_script, scripted_server, wait_until


def unreadable_until(seed: int, hangs_at: int = -1):
    """Case 1 is unreadable below a seed; the call with another seed gets no reply for long."""

    def script(call: Call) -> Scripted:
        if "Case 1 " not in call.text:
            return keyword_script(call)
        if call.seed == hangs_at:
            return Scripted("?", delay=30)
        return Scripted("?") if call.seed < seed else keyword_script(call)

    return script


def killed_at(study, server, seed: int, *command: str) -> None:
    """Start a command, and kill it when Case 1 is asked with this seed."""
    process = study.start(*command)
    wait_until(lambda: any(call.seed == seed for call in server.calls))
    process.kill()
    process.communicate()


# --- the same answers, whatever happened ------------------------------------------------------


def test_a_session_killed_between_unreadable_replies_gives_no_call_more(study):
    with scripted_server(unreadable_until(103, hangs_at=102)) as server:
        study.data(6).configure(server.url, run={"concurrency": 1})
        killed_at(study, server, 102, "run", "study.yaml")
        server.script = unreadable_until(103)
        result = resume(db=study.database, handler=study.events.append)
    assert result.counts.errors == 1  # seed 103, which would be answered, is that of a retry
    assert [call.seed for call in server.calls if "Case 1 " in call.text] == [
        100, 101, 102, 102,
    ]  # fmt: skip


def test_a_killed_retry_goes_on_with_the_calls_it_had_left(study):
    with scripted_server(unreadable_until(999)) as server:
        study.data(6).configure(server.url, run={"concurrency": 1})
        study.run()
        server.script = unreadable_until(106, hangs_at=105)
        killed_at(study, server, 105, "retry", "latest")
        server.script = unreadable_until(106)
        server.calls.clear()
        for expected in ([105], [106]):  # what was left of the first retry, then another one
            retry("latest", db=study.database, handler=study.events.append)
            assert [call.seed for call in server.calls] == expected
            server.calls.clear()
    assert study.value("SELECT count(*) FROM v_errors") == 0


# --- what dead sessions leave beside the database ---------------------------------------------

FOREIGN = [
    "[]\n",
    "null\n",
    '{"attempt_id": 1}\n',
    "\xff\xfe\x00\n",
    json.dumps(
        {
            **dict.fromkeys(("attempt_id", "narrative_id", "n_calls", "started_at"), 1),
            **dict.fromkeys(("first_error", "answer", "reply")),
            "response_sec": 1,
            "final": True,
            "fault": ["no such category", "", "server", None],
        }
    )
    + "\n",
]


def crashed(study, server) -> str:
    """The id of an experiment whose process was killed."""
    server.delay = 0.05
    study.data(60).configure(server.url)
    process = study.start("run", "study.yaml")
    wait_until(lambda: len(server.calls) > 20)
    process.kill()
    process.communicate()
    server.delay = 0.0
    return str(study.value("SELECT experiment_id FROM experiments"))


@pytest.mark.parametrize("content", FOREIGN)
def test_a_damaged_rescue_file_is_said_and_put_aside(study, server, content):
    name = f"overnight.db.{crashed(study, server)}-1"
    file = study.folder / f"{name}.rescue.jsonl"
    file.write_text(content, encoding="latin-1")
    result = resume(db=study.database, handler=study.events.append)
    assert result.status is Status.COMPLETED
    said = [getattr(event, "message", "") for event in study.events]
    assert any(f"{name}.rescue.jsonl is damaged" in line for line in said)
    assert not file.exists()
    kept = study.folder / f"{name}.damaged.rescue.jsonl"
    assert kept.read_text(encoding="latin-1") == content


def test_what_stands_behind_a_damaged_line_is_read_in(study, server):
    experiment_id = crashed(study, server)
    attempt, narrative, session = study.query(
        "SELECT attempt_id, narrative_id, session_id FROM attempts WHERE status = 'open' LIMIT 1"
    )[0]
    answer = {"detected": True, "confidence": 0.125, "indicators": [], "rationale": "rescued"}
    record = {
        "attempt_id": attempt,
        "narrative_id": narrative,
        "n_calls": 1,
        "first_error": None,
        "final": True,
        "started_at": 1.8e9,
        "response_sec": 1.0,
        "fault": None,
        "answer": {"values": answer, "repaired": []},
        "reply": {
            "text": json.dumps(answer),
            "finish_reason": "stop",
            "prompt_tokens": 70_000,
            "completion_tokens": 3,
        },
    }
    file = study.folder / f"overnight.db.{experiment_id}-{session}.rescue.jsonl"
    file.write_text("damaged\n" + json.dumps(record) + '\n{"cut')
    resume(db=study.database, handler=study.events.append)
    assert study.value("SELECT count(*) FROM results WHERE rationale = 'rescued'") == 1
    tokens = "SELECT sum(prompt_tokens), sum(completion_tokens)"
    told = study.query(f"{tokens}, sum(n_with_tokens) FROM run_sessions")
    paid = study.query(f"{tokens}, count(prompt_tokens + completion_tokens) FROM attempts")
    assert told == paid
    assert told[0][0] > 70_000, "what it cost is on the books too"


def test_what_only_looks_like_a_rescue_file_is_left_alone(study, server):
    name = f"overnight.db.{crashed(study, server)}"
    (study.folder / f"{name}-1.rescue.jsonl").mkdir()
    (study.folder / f"{name}-x.rescue.jsonl").write_text("not ours")
    result = resume(db=study.database, handler=study.events.append)
    assert result.status is Status.COMPLETED
    assert (study.folder / f"{name}-x.rescue.jsonl").read_text() == "not ours"


# --- an owner that has only just begun ----------------------------------------------------------


@contextmanager
def about_to_begin(study, monkeypatch):
    """A resume that stands still in its backup, with the lock; it goes on at the end."""
    from overnight.session import opening  # noqa: PLC0415 - of two tests

    standing, go_on, results = threading.Event(), threading.Event(), []

    def stand(*_arguments):
        standing.set()
        go_on.wait(20)

    monkeypatch.setattr(opening, "_back_up", stand)
    thread = threading.Thread(
        target=lambda: results.append(resume("latest", db=study.database, handler=lambda _e: None))
    )
    thread.start()
    standing.wait(20)
    try:
        yield results
    finally:
        go_on.set()
        thread.join(30)


@pytest.mark.parametrize("before", ["running", "failed", "cancelled"])
def test_who_is_about_to_begin_can_be_cancelled(study, server, monkeypatch, before):
    crashed(study, server)
    if before == "cancelled":
        cancel("latest", db=study.database, handler=lambda _e: None)
    if before == "failed":
        server.script = lambda _call: Scripted(status=401, body="{}")
        resume("latest", db=study.database, handler=lambda _e: None)
        server.script = keyword_script
    server.delay = 2.0
    with about_to_begin(study, monkeypatch) as results:
        asking = study.start("cancel", "latest", "--no-wait")
        if before != "failed":  # the dead session's row takes the request
            assert asking.wait(30) == 0
        else:  # it waits for a session that can be asked
            with pytest.raises(subprocess.TimeoutExpired):
                asking.wait(1.5)
    assert asking.wait(30) == 0
    assert results[0].status is Status.CANCELLED


def test_who_is_about_to_begin_is_not_taken_for_the_dead(study, server, monkeypatch):
    crashed(study, server)
    dead = study.value("SELECT pid FROM run_sessions")
    with about_to_begin(study, monkeypatch):
        _, refused = study.start("resume", "latest").communicate(timeout=20)
        shown, _ = study.start("status").communicate(timeout=20)
    assert f"process {os.getpid()}, which has just begun" in refused
    assert f"process {dead}" not in refused + shown


def test_a_request_to_stop_is_heard_after_a_look_that_failed(study, monkeypatch):
    looks = []

    def look(database, session_id):
        looks.append(session_id)
        if len(looks) == 1:
            raise DatabaseBusy("locked")
        return asked_to_stop(database, session_id)

    monkeypatch.setattr("overnight.app.asked_to_stop", look)
    with scripted_server(delay=0.1) as server:
        study.data(400).configure(server.url)
        thread = threading.Thread(target=study.run)
        thread.start()
        wait_until(lambda: looks)
        cancel("latest", db=study.database, handler=lambda _e: None)
        thread.join(30)
    assert study.value("SELECT status FROM experiments") == "cancelled"


def test_a_limit_that_somebody_else_raised_meanwhile_is_not_lowered(study, server, monkeypatch):
    study.data(30).configure(server.url, run={"max_narratives": 5}).run()
    with connected(study.database) as database:
        before = find_experiment(database, "latest")
    other = study.start("resume", "latest", "--max-narratives", "20")
    honest = resume_command.carry_out

    def late(*arguments, **words):
        assert other.wait(30) == 0
        return honest(*arguments, **words)

    monkeypatch.setattr(resume_command, "carry_out", late)
    monkeypatch.setattr(resume_command, "find_experiment", lambda *_: before)
    with pytest.raises(RefusedError, match="raised the limit"):
        resume(
            "latest",
            db=study.database,
            changes=Changes(max_narratives=10),
            handler=study.events.append,
        )
    assert study.value("SELECT n_narratives_total FROM experiments") == 20


# --- work that takes its time is no sleep ---------------------------------------------------------


def test_a_model_that_loads_and_an_export_that_writes_for_long_are_work(study, server, monkeypatch):
    def slowly(honest):
        def slow(*arguments):
            time.sleep(2.6)
            return honest(*arguments)

        return slow

    monkeypatch.setattr(clock, "_LONGEST_GAP", 2.5)
    monkeypatch.setattr(OpenAIClient, "open", slowly(OpenAIClient.open))
    monkeypatch.setattr(Exports, "finish", slowly(Exports.finish))
    study.data(6).configure(server.url).run()
    assert not [event for event in study.events if isinstance(event, StoodStill)]
    worked, stood_still = study.query("SELECT runtime_sec, stood_still_sec FROM run_sessions")[0]
    assert worked > 5.2
    assert stood_still == 0.0


# --- what servers say ---------------------------------------------------------------------------


def test_a_rest_beyond_the_calendar_ends_the_run_and_says_so(study):
    def script(_call):
        return Scripted(status=429, headers={"Retry-After": "99999999999999"}, body="{}")

    with scripted_server(script) as server:
        result = study.data(5).configure(server.url).run()
    assert result.status is Status.FAILED
    assert "asks to come back in 27,777,777,778 hours" in result.reason


def test_an_outage_burns_nothing_also_where_one_attempt_is_all(study):
    with scripted_server(delay=0.02) as server:
        study.data(100).configure(server.url, run={"max_attempts": 1})
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) > 40)
        server.go_down(1.5)
        process.communicate(timeout=40)
    assert study.value("SELECT count(*) FROM v_errors") == 0
    assert study.value("SELECT status FROM experiments") == "completed"


# --- a data file that is not where it was ---------------------------------------------------------


def test_a_missing_file_of_an_unfinished_experiment_is_refused_with_the_ways_on(study, server):
    experiment_id = crashed(study, server)
    (study.folder / "narratives.csv").rename(study.folder / "moved.csv")
    before = study.query("SELECT * FROM run_sessions")
    for command in (["run", "study.yaml"], ["resume"]):
        process = study.start(*command)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 3
        assert "now: missing" in said
        assert f"overnight resume {experiment_id[:8]} --use-stored-data" in said
        assert "\nPut the file back, " in said
        assert "--reuse" not in said, "which needs the file"
        assert "--new" not in said
        assert "going on with" not in said
    assert f"overnight resume {experiment_id[:8]} --config CONFIG" in said
    assert study.query("SELECT * FROM run_sessions") == before
    assert not (study.folder / "backups").exists()

    study.configure(server.url, data={"file": "moved.csv"})
    process = study.start("resume", experiment_id[:8], "--config", "study.yaml")
    process.communicate(timeout=20)
    assert process.returncode == 0


# --- a terminal that stands still ----------------------------------------------------------------


def test_a_screen_that_nobody_reads_on_holds_no_run_up(study, server):
    study.data(60).configure(server.url)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    process = subprocess.Popen(
        study.command("run", "study.yaml", "--db", study.database),
        cwd=study.folder,
        stdout=subprocess.PIPE,
        stderr=write,
        text=True,
    )
    study.started.append(process)
    os.close(write)
    wait_until(lambda: study.database.exists() and len(server.calls) == 60)
    wait_until(lambda: study.value("SELECT status FROM experiments") == "completed")
    with os.fdopen(read, "rb") as screen:  # somebody reads on
        said = screen.read().decode()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "0 of 60 done" in said
    assert "[PROGRESS] 60/60" in said
    assert "Completed: 60 of 60." in out


# --- what must not be seen ----------------------------------------------------------------------


def test_a_variable_in_a_name_or_a_note_stays_unexpanded_wherever_it_is_kept(
    study, server, monkeypatch
):
    monkeypatch.setenv("HIDDEN", "an-expanded-value")
    study.data(6).configure(
        server.url,
        experiment={"name": "of ${HIDDEN}", "notes": "for ${HIDDEN}"},
        model={"name": "m-${HIDDEN}"},
        prompt={"version": "v-${HIDDEN}", "author": "${HIDDEN}", "system_prompt": "${HIDDEN}"},
    )
    seen = ""
    for command in (["check"], ["run"], ["run"], ["run", "--new"]):
        seen += "".join(study.start(command[0], "study.yaml", *command[1:]).communicate(timeout=20))
    for command in ("list", "status", "show", "metrics"):
        seen += "".join(study.start(command).communicate(timeout=20))
    assert {call.system for call in server.calls} == {"an-expanded-value"}
    assert "of ${HIDDEN}" in seen
    assert "is already complete" in seen
    assert "an-expanded-value" not in seen
    for file in study.folder.rglob("*"):
        assert not file.is_file() or b"an-expanded-value" not in file.read_bytes(), file
