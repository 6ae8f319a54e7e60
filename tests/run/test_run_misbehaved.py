"""A real server over real connections that does everything wrong, and what is right in the end."""

import pytest

from overnight.domain import flow
from overnight.domain.experiment import Status
from overnight.events import Waiting
from overnight.testing import Schedule, Scripted, faulty, keyword_script, scripted_server


@pytest.fixture
def quick(monkeypatch):
    """Waits of milliseconds in place of seconds."""
    monkeypatch.setattr(flow, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(flow, "LONGEST_DELAY", 0.2)


OWN = {  # incidents that are at fault themselves, and what comes of it
    "000011": "data_error",
    "000022": "refusal",
    "000033": "parse_error",
    "000044": "api_error",  # the server fails for this one alone, always
}


def everything() -> Schedule:
    """All faults, deterministic per narrative and call."""
    return (
        Schedule()
        .on(faulty.too_long(), text="Case 11 ")
        .on(faulty.filtered(), text="Case 22 ")
        .on(Scripted("I would rather not say."), text="Case 33 ")
        .on(faulty.server_error(500), text="Case 44 ")
        .on(faulty.poison(0.5), calls=150)
        .on(faulty.lmstudio_no_model(), calls=range(300, 312))
        .on(faulty.never_answers(), calls={60, 61})
        .on(faulty.rate_limited(0.1), calls={90, 200})
        .on(faulty.hangs_up(), nth=1, share=0.02)
        .on(faulty.cut_off(37), nth=1, share=0.04)
        .on(faulty.bad_gateway(), nth=1, share=0.06)
        .on(faulty.ollama_busy(), nth=1, share=0.08)
        .on(faulty.half_json(), nth=1, share=0.10)
        .on(faulty.error_inside(), nth=1, share=0.12)
        .on(faulty.drips(0.002), nth=1, share=0.14)
        .on(Scripted("{'detected': maybe"), nth=1, share=0.18)
    )


@pytest.mark.usefixtures("quick")
def test_600_narratives_through_all_faults_at_once(study, make_study):
    reference = make_study("reference")
    with scripted_server() as server:
        reference.data(600).configure(server.url).run()
    right = {row[0]: row for row in reference.answers()}

    with scripted_server(everything()) as server:
        study.data(600).configure(
            server.url,
            model={"timeout_sec": 5},  # a busy machine needs a while to connect
            run={"concurrency": 8, "max_attempts": 3},
        )
        result = study.run()

    assert result.status is Status.COMPLETED
    assert dict(study.query("SELECT incident_id, error_category FROM v_errors")) == OWN
    for row in study.answers():
        assert row[0] in OWN or row == right[row[0]]
    by_status = dict(study.query("SELECT status, count(*) FROM narrative_attempts GROUP BY 1"))
    refused = study.value(
        "SELECT count(*) FROM narrative_attempts WHERE error_message LIKE 'cannot connect%'"
    )
    # The server that dies at call 150 never sees what was on its way to it at that moment.
    assert 0 <= sum(by_status.values()) - len(server.calls) - refused <= 8
    assert by_status["answered"] == 600 - len(OWN)
    assert study.value("SELECT sum(n_calls) FROM run_sessions") == sum(by_status.values())
    seeds = {call.text: [] for call in server.calls}
    for call in server.calls:
        seeds[call.text].append(call.seed)
    assert max(max(s) for s in seeds.values()) <= 102


@pytest.mark.parametrize("after", [0, 1, 7, 40, 200])
@pytest.mark.usefixtures("quick")
def test_a_body_that_is_cut_anywhere_is_asked_for_again(study, after):
    with scripted_server(Schedule().on(faulty.cut_off(after), nth=1, share=0.5)) as server:
        study.data(30).configure(server.url)
        assert study.run().counts.answered == 30
    assert study.value("SELECT count(*) FROM narrative_results WHERE error_occurred") == 0
    assert len({call.seed for call in server.calls}) == 1


@pytest.mark.usefixtures("quick")
def test_a_server_that_is_gone_and_comes_back_is_waited_for(study):
    def script(call):
        if call.number == 20:
            server.go_down(1.0)
        return keyword_script(call)

    with scripted_server(script) as server:
        study.data(100).configure(server.url)
        result = study.run()

    assert (result.status, result.counts.answered) == (Status.COMPLETED, 100)
    waiting = [event for event in study.events if isinstance(event, Waiting)]
    assert waiting[0].over_at is None
    assert waiting[-1].over_at is not None
    log = next(study.folder.glob("logs/experiments/*/run.log")).read_text()
    assert "paused: " in log
    assert "answered again after" in log


@pytest.mark.usefixtures("quick")
def test_a_key_that_is_refused_in_mid_run_pauses_it_and_burns_nothing(study):
    with scripted_server(Schedule().on(faulty.wrong_key(), calls=range(30, 60))) as server:
        study.data(100).configure(server.url)
        assert study.run().counts.answered == 100
    assert study.value("SELECT count(*) FROM pauses") >= 1


def test_status_tells_of_a_pause_while_it_lasts(study):
    def script(call):
        return keyword_script(call) if call.number < 20 else Scripted(status=503, body="{}")

    with scripted_server(script) as server:
        study.data(100).configure(server.url)
        process = study.start("run", "study.yaml")
        while "paused since" not in (line := process.stderr.readline()):
            assert process.poll() is None
        assert "nothing is lost, the run goes on by itself" in line
        told, _ = study.start("status").communicate(timeout=20)
        listed, _ = study.start("list").communicate(timeout=20)
        as_json, _ = study.start("status", "--json").communicate(timeout=20)
        process.terminate()
        process.communicate(timeout=20)

    assert "paused since" in told
    assert "HTTP 503" in told
    assert "prob" in told
    assert "running (paused)" in listed
    assert '"next_probe_at"' in as_json
    assert process.returncode == 143
    assert study.value("SELECT count(*) FROM pauses WHERE ended_at IS NULL") == 0


def test_a_paused_run_can_be_cancelled(study):
    with scripted_server(lambda _call: Scripted(status=503, body="{}")) as server:
        study.data(50).configure(server.url)
        process = study.start("run", "study.yaml")
        while "paused since" not in process.stderr.readline():
            assert process.poll() is None
        done, _ = study.start("cancel", "latest").communicate(timeout=20)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Cancelled with 0 of 50 done" in done
