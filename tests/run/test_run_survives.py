"""Killed, interrupted, started twice: the same command goes on, and nothing is lost."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from overnight.commands.resume import Changes, resume
from overnight.domain.experiment import Status
from overnight.errors import ExperimentOwned, SupersededError
from overnight.store import lock
from overnight.testing import Scripted, keyword_script, scripted_server, wait_until


def n_results(study) -> int:
    if not study.database.exists():
        return 0
    found = study.query("SELECT count(*) FROM sqlite_master WHERE name = 'results'")
    return study.value("SELECT count(*) FROM results") if found[0][0] else 0


def untouched_answers(make_study, n):
    reference = make_study("reference")
    with scripted_server() as server:
        reference.data(n).configure(server.url).run()
    return reference.answers()


def test_killed_at_any_moment_the_same_command_goes_on_to_the_same_answers(study, make_study):
    reference = untouched_answers(make_study, 120)
    with scripted_server(delay=0.1) as server:
        study.data(120).configure(server.url, run={"concurrency": 8})
        safe: dict[tuple, tuple] = {}
        for goal in (1, 30, 60, 90):
            process = study.start("run", "study.yaml")
            wait_until(lambda goal=goal: n_results(study) >= goal)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            committed = {row[:2]: row for row in study.answers()}
            assert safe.items() <= committed.items()
            safe = committed
        result = study.run()

    assert result.status is Status.COMPLETED
    assert study.answers() == reference
    lost = study.value("SELECT count(*) FROM narrative_attempts WHERE status = 'lost'")
    assert len(server.calls) <= 120 + lost
    assert lost <= 4 * (8 + 16)
    assert study.value("SELECT count(*) FROM narrative_attempts WHERE status = 'open'") == 0
    assert study.query("SELECT ended_how, count(*) FROM run_sessions GROUP BY 1 ORDER BY 1") == [
        ("crashed", 4),
        ("finish", 1),
    ]
    assert study.value("SELECT sum(attempt_count) FROM narrative_results") == study.value(
        "SELECT count(*) FROM narrative_attempts"
    )


def test_ctrl_c_waits_for_calls_in_flight_and_keeps_their_answers(study):
    with scripted_server(delay=0.3) as server:
        study.data(100).configure(server.url, run={"concurrency": 4})
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 6)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "Ctrl-C again stops at once" in said
    assert study.query("SELECT status, status_reason FROM experiments") == [
        ("cancelled", "stopped by Ctrl-C")
    ]
    assert n_results(study) == len(server.calls)
    assert study.query("SELECT DISTINCT status FROM narrative_attempts") == [("answered",)]


def test_a_second_ctrl_c_stops_at_once_and_books_the_abandoned_calls_as_lost(study):
    def script(call):
        said = keyword_script(call)
        return said if len(server.calls) == 1 else Scripted(said.content, delay=15)

    with scripted_server(script) as server:
        study.data(100).configure(server.url, run={"concurrency": 4})
        process = study.start("run", "study.yaml")
        wait_until(lambda: server.in_flight == 4)
        process.send_signal(signal.SIGINT)
        while "Ctrl-C again stops at once" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=8)

    assert process.returncode == 130
    assert study.query("SELECT status, count(*) FROM narrative_attempts GROUP BY 1 ORDER BY 1") == [
        ("answered", 1),
        ("lost", 4),
    ]


def test_sigterm_stops_the_run_as_failed_and_resumable(study):
    with scripted_server(delay=0.1) as server:
        study.data(60).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 5)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 143
        assert study.value("SELECT status FROM experiments") == "failed"
        assert study.run().status is Status.COMPLETED


def test_a_closed_terminal_does_not_stop_a_run(study):
    with scripted_server(delay=0.05) as server:
        study.data(40).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 4)
        process.stderr.close()
        process.stdout.close()
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=20) in (0, 1)

    assert study.value("SELECT status FROM experiments") == "completed"


def test_a_second_process_is_refused_and_told_who_works(study):
    with scripted_server(delay=0.2) as server:
        study.data(1000).configure(server.url)
        first = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 3)
        second = study.start("run", "study.yaml")
        _, said = second.communicate(timeout=30)
        n_experiments = study.value("SELECT count(*) FROM experiments")
        first.send_signal(signal.SIGKILL)
        first.communicate()

    assert second.returncode == 3
    assert f"process {first.pid} on {os.uname().nodename}" in said
    assert "Traceback" not in said
    assert n_experiments == 1


def test_in_one_process_too_a_second_session_is_refused(study, server):
    study.data(5).configure(server.url, run={"max_narratives": 3})
    result = study.run()
    key = study.value("SELECT experiment_key FROM experiments")
    assert lock.acquire(study.database, key)
    try:
        with pytest.raises(ExperimentOwned):
            resume(
                result.experiment_id,
                db=study.database,
                changes=Changes(max_narratives=4),
                handler=lambda _event: None,
            )
    finally:
        lock.release(study.database, key)


def test_a_session_that_was_taken_over_writes_nothing_more(study):
    def script(call):
        if len(server.calls) == 10:
            take_over()
        return keyword_script(call)

    def take_over():
        with closing(sqlite3.connect(study.database, timeout=10)) as other, other:
            other.execute("UPDATE run_sessions SET ended_at = started_at, ended_how = 'taken over'")
        seen.append(n_results(study))

    seen: list[int] = []
    with scripted_server(script, delay=0.05) as server:
        study.data(100).configure(server.url, run={"concurrency": 1})
        with pytest.raises(SupersededError):
            study.run()

    assert seen == [n_results(study)]
    assert study.query("SELECT ended_how FROM run_sessions") == [("taken over",)]


def test_the_next_session_says_how_many_calls_may_have_been_paid_for(study):
    with scripted_server(delay=0.5) as server:
        study.data(30).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: server.in_flight == 4)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with scripted_server() as server:
        study.configure(server.url)
        study.run()

    said = " ".join(getattr(event, "message", "") for event in study.events)
    assert "may have been paid for" in said


def test_a_limit_is_not_raised_while_another_process_works(study):
    with scripted_server(delay=0.2) as server:
        study.data(600).configure(server.url, run={"max_narratives": 500})
        first = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) >= 3)
        second = study.start("resume", "latest", "--max-narratives", 600)
        second.communicate(timeout=30)
        assert second.returncode == 3
        assert study.value("SELECT n_narratives_total FROM experiments") == 500
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)


def test_a_pilot_grows_and_asks_nothing_again(study, server):
    study.data(30).configure(server.url, run={"max_narratives": 10}).run()
    result = resume(
        "latest", db=study.database, changes=Changes(max_narratives=25), handler=lambda _event: None
    )

    assert (result.status, result.counts.total) == (Status.COMPLETED, 25)
    assert len(server.calls) == 25
    assert study.run(max_narratives=25).already_complete
