"""Errors are asked again, read again, and shown by category."""

import signal

import pytest

from overnight.commands.reparse import reparse
from overnight.commands.resume import Changes, resume
from overnight.commands.retry import retry
from overnight.domain.experiment import Status
from overnight.errors import ExperimentOwned, UsageError
from overnight.testing import (
    Schedule,
    Scripted,
    faulty,
    keyword_script,
    scripted_server,
    wait_until,
)


def bad() -> Schedule:
    """One error of each kind that a narrative can have."""
    return (
        Schedule()
        .on(Scripted("nothing readable"), text="Case 1 ")
        .on(Scripted("nothing readable"), text="Case 2 ")
        .on(faulty.too_long(), text="Case 3 ")
        .on(faulty.filtered(), text="Case 4 ")
    )


@pytest.fixture
def with_errors(study):
    """A completed study of 12 narratives with four errors, over a server that is well now."""
    with scripted_server(bad()) as server:
        study.data(12).configure(server.url)
        assert study.run().counts.errors == 4
        server.script = keyword_script
        server.calls.clear()
        study.server = server
        yield study


def again(study, **options):
    return retry("latest", db=study.database, handler=study.events.append, **options)


def test_only_errors_of_the_usual_categories_are_asked_again(with_errors):
    done = again(with_errors)
    assert (done.result.status, done.result.counts.errors) == (Status.COMPLETED, 2)
    assert {call.text.split()[2] for call in with_errors.server.calls} == {"1", "2"}
    kinds = with_errors.query("SELECT kind, n_calls, n_results FROM run_sessions ORDER BY 1")
    assert kinds[0] == ("retry", 2, 2)


def test_categories_can_be_chosen(with_errors):
    done = again(with_errors, categories=["data_error", "refusal"])
    assert done.result.counts.errors == 2
    assert with_errors.query("SELECT DISTINCT error_category FROM v_errors") == [("parse_error",)]
    with pytest.raises(UsageError, match="no category is called 'api'"):
        again(with_errors, categories=["api"])


def test_a_dry_run_changes_nothing(with_errors):
    before = with_errors.query("SELECT * FROM run_sessions")
    done = again(with_errors, dry_run=True)
    assert (done.n_chosen, done.result) == (2, None)
    assert with_errors.server.calls == []
    assert with_errors.query("SELECT * FROM run_sessions") == before


def test_nothing_to_retry_changes_nothing(with_errors):
    again(with_errors, categories=["parse_error"])
    before = with_errors.query("SELECT * FROM run_sessions")
    assert again(with_errors, categories=["parse_error"]).result is None
    assert with_errors.query("SELECT * FROM run_sessions") == before
    process = with_errors.start("retry", "latest")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Nothing to retry" in out


def test_an_error_row_stays_until_its_new_outcome_replaces_it(with_errors):
    with_errors.server.script = lambda call: Scripted(keyword_script(call).content, delay=30)
    process = with_errors.start("retry", "latest")
    wait_until(lambda: with_errors.server.in_flight)
    assert with_errors.value("SELECT count(*) FROM v_errors") == 4
    assert with_errors.value("SELECT count(*) FROM narrative_results") == 12
    process.kill()
    process.communicate()

    with_errors.server.script = keyword_script
    resumed = resume("latest", db=with_errors.database, handler=with_errors.events.append)
    said = [getattr(event, "message", "") for event in with_errors.events]
    assert resumed.status is Status.COMPLETED
    assert any("a retry of errors was not finished: overnight retry" in line for line in said)
    assert again(with_errors).result.counts.errors == 2


def test_a_retry_gives_three_fresh_calls_with_the_seeds_that_follow(with_errors):
    with_errors.server.script = bad()
    assert again(with_errors).result.counts.errors == 4
    seeds = [call.seed for call in with_errors.server.calls if "Case 1 " in call.text]
    assert seeds == [103, 104, 105]
    assert (
        with_errors.value(
            "SELECT attempt_count FROM narrative_results WHERE incident_id = '000001'"
        )
        == 6
    )


def test_a_retry_of_many_hopeless_errors_is_not_stopped_as_worthless(study):
    with scripted_server(lambda call: Scripted("?" if call.number <= 400 else "")) as server:
        study.data(60).configure(server.url, run={"max_error_share": 1.0, "concurrency": 1})
        study.run()
        n = study.value("SELECT count(*) FROM v_errors")
        done = again(study)
    assert n >= 18
    assert len(server.calls) >= 6 * n
    assert "not yet run" in done.result.reason


def test_a_retry_of_an_unfinished_experiment_leaves_it_unfinished(study):
    with scripted_server(bad(), delay=0.05) as server:
        study.data(120).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) > 70)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        server.script = keyword_script
        done = again(study)
        assert done.result.status is Status.FAILED
        assert "narratives not yet run" in done.result.reason
        result = resume(
            "latest",
            db=study.database,
            changes=Changes(retry_errors=True),
            handler=study.events.append,
        )
    assert result.status is Status.COMPLETED


# --- reparse -----------------------------------------------------------------------------------


def test_replies_are_read_again_without_a_call(with_errors, monkeypatch):
    from overnight.commands import reparse as command  # noqa: PLC0415 - used by one test
    from overnight.domain.answer import Answer  # noqa: PLC0415

    def better(reply, _spec, *, cut):
        assert (reply, cut) == ("nothing readable", False)
        return Answer({"detected": True, "confidence": 0.5, "indicators": [], "rationale": "r"})

    monkeypatch.setattr(command, "read_answer", better)
    before = with_errors.value("SELECT accuracy FROM experiments")
    calls = with_errors.query("SELECT * FROM narrative_attempts")
    done = reparse("latest", db=with_errors.database, handler=with_errors.events.append)

    assert (done.n_unreadable, done.n_read) == (2, 2)
    assert with_errors.server.calls == []
    assert with_errors.query(
        "SELECT detected, error_occurred, error_category, attempt_count,"
        " first_error_message IS NOT NULL, raw_response FROM narrative_results"
        " WHERE incident_id = '000001'"
    ) == [(1, 0, None, 3, 1, "nothing readable")]
    assert with_errors.value("SELECT accuracy FROM experiments") != before
    assert with_errors.value("SELECT status FROM experiments") == "completed"
    assert len(with_errors.query("SELECT * FROM narrative_attempts")) == len(calls)


def test_what_still_cannot_be_read_stays_as_it_is(with_errors):
    before = with_errors.answers()
    done = reparse("latest", db=with_errors.database, handler=with_errors.events.append)
    assert (done.n_unreadable, done.n_read) == (2, 0)
    assert with_errors.answers() == before


def test_nothing_is_read_again_while_somebody_works(with_errors):
    with_errors.server.script = lambda call: Scripted(keyword_script(call).content, delay=30)
    process = with_errors.start("retry", "latest")
    wait_until(lambda: with_errors.server.in_flight)
    with pytest.raises(ExperimentOwned, match=f"process {process.pid}"):
        reparse("latest", db=with_errors.database, handler=with_errors.events.append)
    process.kill()
    process.communicate()


# --- what is shown -------------------------------------------------------------------------------


def test_errors_are_shown_by_category_without_a_word_of_any_narrative(with_errors):
    out, _ = with_errors.start("show", "latest", "--errors").communicate(timeout=20)
    assert "parse_error: 2" in out
    assert "data_error: 1" in out
    assert "refusal: 1" in out
    assert "000003" in out
    assert "is invented" not in out
    out, _ = with_errors.start("show", "latest", "--errors", "--with-text").communicate(timeout=20)
    assert "Case 3 is invented." in out
