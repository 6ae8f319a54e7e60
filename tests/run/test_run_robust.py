"""What a hostile look at the run found, so that it stays found."""

import json
import os
import signal
import time
from contextlib import closing

import pytest

from overnight.domain.experiment import Status
from overnight.errors import SupersededError
from overnight.store import lock
from overnight.testing import Scripted, keyword_script, scripted_server, wait_until


def test_a_rate_limit_slows_everybody_down_not_one_narrative(study):
    def script(call):
        if len(server.calls) == 21:
            return Scripted(status=429, headers={"Retry-After": "2"}, body="{}")
        return keyword_script(call)

    with scripted_server(script, delay=0.01) as server:
        study.data(60).configure(server.url, run={"concurrency": 4})
        started = time.monotonic()
        result = study.run()

    assert time.monotonic() - started >= 2
    assert result.counts.answered == 60
    assert len(server.calls) == 61


def test_a_server_that_only_asks_for_rest_is_not_asked_for_every_narrative(study):
    def script(_call):
        return Scripted(status=429, headers={"Retry-After": "3600"}, body="{}")

    with scripted_server(script) as server:
        study.data(200).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: server.calls)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert len(server.calls) == 1
    assert study.value("SELECT count(*) FROM narrative_attempts") == 1


def test_a_rest_of_a_week_ends_the_run_and_says_so(study):
    def script(_call):
        return Scripted(status=429, headers={"Retry-After": "604800"}, body="{}")

    with scripted_server(script) as server:
        result = study.data(5).configure(server.url).run()

    assert result.status is Status.FAILED
    assert "168 hours" in result.reason


def test_a_reply_that_names_no_model_changes_nothing_of_what_is_known(study):
    def named(name):
        def script(call):
            content = json.dumps(keyword_script(call).content)
            body = {"choices": [{"message": {"content": content}}]}
            return Scripted(body=json.dumps(body | ({"model": name} if name else {})))

        return script

    study.data(12)
    for limit, name in ((3, None), (6, "A"), (9, None)):
        with scripted_server(named(name)) as server:
            study.configure(server.url, run={"max_narratives": 3})
            if limit == 3:
                study.run()
            else:
                grow(study, server, limit)
    assert study.value("SELECT served_model FROM experiments") == "A"
    with scripted_server(named("B")) as server:
        result = grow(study, server, 12)
    assert result.status is Status.FAILED
    assert "'B'" in result.reason


def grow(study, server, limit):
    from overnight.commands.resume import Changes, resume  # noqa: PLC0415 - used by one test

    return resume(
        "latest",
        db=study.database,
        changes=Changes(max_narratives=limit, api_url=server.url),
        handler=study.events.append,
    )


def test_a_clean_stop_books_only_calls_that_were_sent(study):
    with scripted_server(delay=0.02) as server:
        study.data(3000).configure(server.url, run={"concurrency": 8})
        for goal in (20, 60, 100):
            process = study.start("run", "study.yaml")
            wait_until(lambda goal=goal: len(server.calls) >= goal)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            booked = study.value("SELECT count(*) FROM narrative_attempts")
            assert booked == len(server.calls)
            assert study.value("SELECT sum(n_calls) FROM run_sessions") == booked
    assert study.query("SELECT DISTINCT status FROM narrative_attempts") == [("answered",)]


def test_a_bug_in_a_client_keeps_what_is_in_flight(study, monkeypatch):
    from overnight.call.openai import OpenAIClient  # noqa: PLC0415 - used by one test

    honest = OpenAIClient.call

    async def broken(self, request):
        if "Case 9 " in request.text:
            raise RuntimeError("a bug")
        return await honest(self, request)

    monkeypatch.setattr(OpenAIClient, "call", broken)
    with scripted_server(delay=0.2) as server:
        study.data(100).configure(server.url, run={"concurrency": 4})
        with pytest.raises(RuntimeError, match="a bug"):
            study.run()

    assert study.value("SELECT count(*) FROM narrative_results") == len(server.calls)
    assert study.query("SELECT status, status_reason FROM experiments") == [("failed", "a bug")]


@pytest.mark.parametrize("odd", [{"type": "stop"}, 5, ["length"]])
def test_a_finish_reason_that_is_no_word_is_none(study, odd):
    def script(call):
        content = json.dumps(keyword_script(call).content)
        choice = {"finish_reason": odd, "message": {"content": content}}
        return Scripted(body=json.dumps({"choices": [choice]}))

    with scripted_server(script) as server:
        assert study.data(2).configure(server.url).run().counts.answered == 2


def test_a_folder_that_cannot_be_written_does_not_spoil_a_completed_run(study, server):
    study.data(5).configure(server.url)
    (study.folder / "exports").write_text("a file where a folder should be")

    result = study.run()

    assert (result.status, result.files) == (Status.COMPLETED, ())
    assert any("overnight export" in getattr(e, "message", "") for e in study.events)
    assert study.value("SELECT accuracy FROM experiments") == 1.0


@pytest.mark.parametrize("name", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_last_call_does_not_spoil_a_completed_run(study, monkeypatch, name):
    from overnight.commands import exports  # noqa: PLC0415 - used by one test

    def export_when_told(*arguments, **options):
        os.kill(os.getpid(), name)
        return honest(*arguments, **options)

    honest = exports.export
    monkeypatch.setattr(exports, "export", export_when_told)
    with scripted_server() as server:
        result = study.data(3).configure(server.url).run()

    assert result.status is Status.COMPLETED
    assert len(result.files) == 3


def test_a_key_is_hidden_before_a_message_is_cut(study, monkeypatch):
    key = "sk-" + "k3y" * 60
    monkeypatch.setenv("STUDY_KEY", key)

    def script(_call):
        return Scripted(status=500, body=json.dumps({"error": "x" * 150 + " " + key}))

    with scripted_server(script) as server:
        study.data(5).configure(
            server.url, model={"api_key_env": "STUDY_KEY"}, run={"max_outage": 0.01}
        ).run()

    log = next(study.folder.glob("logs/experiments/*/run.log")).read_text()
    assert "k3y" not in log
    assert not study.query("SELECT 1 FROM narrative_attempts WHERE error_message LIKE '%k3y%'")


@pytest.mark.parametrize(
    "spelled",
    [
        lambda text: json.dumps(json.dumps(text)),
        str.upper,
        lambda text: text.replace(" ", "\\n"),
        lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    ],
)
def test_a_narrative_is_not_quoted_however_a_server_spells_it(study, spelled):
    def script(call):
        return Scripted(status=500, body=json.dumps({"error": spelled(call.text)}))

    with scripted_server(script) as server:
        study.data(5, words=3).configure(server.url, run={"max_outage": 0.01}).run()

    messages = study.query("SELECT DISTINCT error_message FROM narrative_attempts")
    assert all("quotes what was sent" in message or "[…]" in message for (message,) in messages)
    assert not any("nvented" in message.casefold() for (message,) in messages)


@pytest.mark.parametrize("name", ["study 1? final", "a%20b", "#1", "Zoë's"])
def test_a_folder_may_have_any_name(make_study, server, name):
    study = make_study(name)
    assert study.data(3).configure(server.url).run().status is Status.COMPLETED
    assert study.value("SELECT count(*) FROM narrative_results") == 3
    assert {p.name for p in study.folder.parent.iterdir()} == {name}


def test_a_session_that_was_taken_over_lets_go_of_its_lock(study):
    def script(call):
        if len(server.calls) == 3:
            import sqlite3  # noqa: PLC0415 - used by one test

            with closing(sqlite3.connect(study.database, timeout=10)) as other, other:
                other.execute("UPDATE run_sessions SET ended_at = started_at")
        return keyword_script(call)

    with scripted_server(script) as server:
        study.data(50).configure(server.url, run={"concurrency": 1})
        with pytest.raises(SupersededError):
            study.run()

    key = study.value("SELECT experiment_key FROM experiments")
    assert not lock.is_held(study.database, key)


def test_the_progress_columns_do_not_stand_still(study):
    def script(call):
        said = keyword_script(call)
        return Scripted(said.content, delay=20 if "Case 19 " in call.text else 0)

    with scripted_server(script) as server:
        study.data(20).configure(server.url, run={"drain_sec": 1})
        process = study.start("run", "study.yaml")
        wait_until(lambda: study.database.exists() and len(server.calls) == 20)
        done = "SELECT n_narratives_completed FROM experiments"
        wait_until(lambda: study.value(done) == 19, seconds=5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_nobody_reading_the_output_changes_nothing_of_the_outcome(study, server, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    study.data(30).configure(server.url)
    process = study.start("run", "study.yaml")
    process.stdout.close()
    process.stderr.close()

    assert process.wait(timeout=30) == 0
    assert study.value("SELECT status FROM experiments") == "completed"


@pytest.mark.parametrize("n", [19, 40])
def test_a_run_whose_answers_are_worthless_stops_after_twenty(study, n):
    with scripted_server(lambda _call: Scripted("I cannot say")) as server:
        result = study.data(n).configure(server.url, run={"concurrency": 1}).run()

    if n < 20:
        assert result.status is Status.COMPLETED
        return
    assert result.status is Status.FAILED
    assert "show latest --errors" in result.reason
    assert "then overnight run CONFIG --new" in result.reason
    assert len(server.calls) <= 20 * 3 + 2 * 17  # other narratives were on their way already


def test_a_run_that_becomes_worthless_later_stops_too(study):
    def script(call):
        late = int(call.text.split()[2]) >= 100
        return Scripted("", finish_reason="content_filter") if late else keyword_script(call)

    with scripted_server(script) as server:
        study.data(300).configure(server.url, run={"concurrency": 1, "max_error_share": 0.2})
        result = study.run()

    assert result.status is Status.FAILED
    assert result.counts.errors == 21


def test_the_same_command_after_a_pilot_has_grown_pays_for_nothing_again(study, server):
    study.data(30).configure(server.url, run={"max_narratives": 10})
    first = study.run()
    grow(study, server, 30)
    again = study.run()

    assert again.already_complete
    assert again.experiment_id == first.experiment_id
    assert len(server.calls) == 30


def test_a_new_experiment_of_an_old_name_says_in_what_it_differs(study, server):
    study.data(3).configure(server.url).run()
    study.configure(server.url, prompt={"system_prompt": "Judge well."}).run()

    said = [getattr(event, "message", "") for event in study.events]
    assert any("a new experiment: it differs from" in message for message in said)
    assert any("prompt.system_prompt" in message for message in said)


def test_a_log_can_be_found_while_a_run_goes_on(study):
    with scripted_server(delay=0.2) as server:
        study.data(30).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: server.calls)
        log_dir = study.value("SELECT log_dir FROM experiments")
        process.kill()
        process.communicate()

    assert (study.folder / log_dir / "run.log").exists()
