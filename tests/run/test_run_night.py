"""Whole nights by a frozen clock: the server misbehaves, the run does not."""

import itertools

import pytest
from night import NightServer, freeze

from overnight.commands.resume import Changes, resume
from overnight.dispatch.dispatcher import Dispatcher
from overnight.domain.experiment import Status
from overnight.events import Said, Waiting
from overnight.testing import Call, keyword_script
from overnight.testing.queueing import Bucket

HOUR = 3600.0


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only while everybody waits."""
    return freeze(monkeypatch)


@pytest.fixture
def night(study, clock, monkeypatch):
    """Run a study over a simulated server: `night(n, outages=...)`; (result, server)."""

    def run(n, *, concurrency=4, run=None, **events):
        server = NightServer(clock, **events)
        monkeypatch.setattr("overnight.commands.stint.make_client", lambda *_: server)
        study.data(n).configure(
            "http://127.0.0.1:9/v1",
            prompt={"user_template": "<<TEXT>>"},
            run={"concurrency": concurrency, **(run or {})},
        )
        return study.run(), server

    return run


def wrong_answers(study) -> list[tuple]:
    """Results that are not what the model says to the text."""
    rows = study.query(
        "SELECT s.narrative_text, r.detected, r.rationale FROM narrative_results r"
        " JOIN source_narratives s USING (incident_id, narrative_type) WHERE NOT r.error_occurred"
    )
    wrong = []
    for text, detected, rationale in rows:
        said = keyword_script(Call(text, "", 0, {}, {}, 1)).content
        if (bool(detected), rationale) != (said["detected"], said["rationale"]):
            wrong.append((text, detected, rationale))
    return wrong


def summary(study) -> str:
    return next(e.message for e in study.events if isinstance(e, Said) and " retried" in e.message)


def test_a_night_of_twelve_hours_with_everything_in_it(study, night):
    result, server = night(
        1200,
        latency=140.0,
        outages=[(1 * HOUR, 1.1 * HOUR), (3 * HOUR, 4.7 * HOUR)],
        unloaded=[(6 * HOUR, 6.2 * HOUR)],
        hangs=[(8 * HOUR, 8.1 * HOUR)],
        limits=[(9 * HOUR, 9.05 * HOUR, 20.0)],
        poison="Case 77 ",
    )

    assert server.at > 12 * HOUR
    assert (result.status, result.counts.answered, result.counts.errors) == (
        Status.COMPLETED,
        1199,
        1,
    )
    assert study.query("SELECT incident_id, error_category FROM v_errors") == [
        ("000077", "api_error")
    ]
    assert wrong_answers(study) == []
    booked = study.query("SELECT status, count(*) FROM narrative_attempts GROUP BY 1 ORDER BY 1")
    assert sum(n for _, n in booked) == len(server.calls)
    assert dict(booked)["answered"] == 1199
    assert study.value("SELECT count(*) FROM pauses WHERE ended_at IS NULL") == 0
    assert "1 narrative lost" in summary(study)
    assert "pauses (" in summary(study)


def test_an_outage_of_a_minute_costs_fewer_than_sixty_calls(study, night):
    _, server = night(300, concurrency=64, latency=5.0, outages=[(12.0, 72.0)])
    thrown = [at for at, _ in server.calls if 12.0 <= at < 72.0]
    assert 5 <= len(thrown) < 60
    assert study.value("SELECT count(*) FROM narrative_results WHERE error_occurred") == 0


def test_a_paused_run_says_so_and_since_when_and_why_and_when_it_is_over(study, night):
    result, _ = night(40, outages=[(100.0, 400.0)])

    waiting = [event for event in study.events if isinstance(event, Waiting)]
    assert waiting[0].n_probes == 0
    assert "the connection broke" in waiting[0].reason or "cannot connect" in waiting[0].reason
    assert waiting[-1].over_at is not None
    lasted = waiting[-1].over_at - waiting[-1].since
    assert 250 <= lasted <= 300 + 60 + 30
    probes = [e.next_probe - e.since for e in waiting if e.next_probe is not None]
    gaps = [b - a for a, b in itertools.pairwise(probes)]
    assert [round(gap) for gap in gaps[:5]] == [2, 4, 8, 16, 32]
    assert result.counts.answered == 40
    assert study.query("SELECT n_probes > 0, ended_at > began_at FROM pauses") == [(1, 1)]
    assert "0 narratives lost" in summary(study)


def test_each_probe_is_another_narrative(night):
    _, server = night(60, latency=10.0, outages=[(25.0, 600.0)])
    probed = [text for at, text in server.calls if 30.0 <= at < 600.0]
    assert len(probed) >= 8
    assert len(set(probed)) == len(probed)


def test_time_outs_lower_the_concurrency_first(study, night):
    result, server = night(100, concurrency=16, latency=10.0, hangs=[(100.0, 700.0)])
    assert result.counts.answered == 100
    assert study.value("SELECT count(*) FROM pauses") == 0
    late = [at for at, _ in server.calls if 100.0 <= at < 700.0]
    assert len(late) <= 16 + 8 + 4 + 2


def test_a_port_that_never_answers_pauses_the_run_in_the_end(study, night):
    result, server = night(100, concurrency=4, latency=10.0, hangs=[(100.0, 4 * HOUR)])
    assert result.counts.answered == 100
    assert study.value("SELECT count(*) FROM pauses") == 1
    assert len([at for at, _ in server.calls if 100.0 <= at < 4 * HOUR]) < 60


@pytest.mark.parametrize("n", [3, 40])
def test_the_narrative_that_kills_the_server_is_found_and_nothing_else_is_lost(study, night, n):
    result, server = night(n, latency=20.0, poison="Case 2 ", restart_sec=90.0)
    assert (result.status, result.counts.answered, result.counts.errors) == (
        Status.COMPLETED,
        n - 1,
        1,
    )
    assert study.value("SELECT incident_id FROM v_errors") == "000002"
    assert len([text for _, text in server.calls if "Case 2 " in text]) <= 24
    last = max(at for at, text in server.calls if "Case 2 " not in text)
    assert sum(at > last for at, text in server.calls if "Case 2 " in text) >= 1, "it is tried last"


def test_a_narrative_that_fails_while_others_are_answered_is_its_own_fault_in_the_end(night):
    result, server = night(100, latency=20.0, crashes="Case 2 ")
    assert (result.counts.answered, result.counts.errors) == (99, 1)
    assert len([text for _, text in server.calls if "Case 2 " in text]) == 6


def test_no_server_for_the_longest_outage_ends_the_session_resumable_with_nothing_burned(
    study, night, clock, monkeypatch
):
    result, server = night(50, run={"max_outage": "6h"}, outages=[(200.0, 200 * HOUR)])
    assert result.status is Status.FAILED
    assert "no answer for 6 h" in result.reason
    assert result.counts.errors == 0
    assert 6 * HOUR <= server.at - 200.0 < 6 * HOUR + 120
    assert study.value("SELECT count(*) FROM pauses WHERE ended_at IS NULL") == 0

    healed = NightServer(clock)
    monkeypatch.setattr("overnight.commands.stint.make_client", lambda *_: healed)
    assert study.run().counts.answered == 50


def test_a_server_that_is_not_there_at_first_is_waited_for(night):
    result, _ = night(10, outages=[(-1.0, 900.0)])
    assert result.counts.answered == 10


def test_a_rate_limit_of_an_hour_is_neither_a_pause_nor_a_failure(study, night):
    result, server = night(60, latency=5.0, limits=[(20.0, HOUR, 60.0)])
    assert result.counts.answered == 60
    assert study.value("SELECT count(*) FROM pauses") == 0
    assert len([at for at, _ in server.calls if 20.0 <= at < HOUR]) <= 4 + 60


def test_another_model_stops_the_run_before_a_further_call_and_can_be_accepted(
    study, night, clock, monkeypatch
):
    result, server = night(80, latency=10.0, swap_at=100.0)
    assert result.status is Status.FAILED
    assert "'another'" in result.reason
    assert "--accept-model" in result.reason
    assert len([at for at, _ in server.calls if at >= 110.5]) == 0
    before = study.value("SELECT count(*) FROM narrative_results")

    swapped = NightServer(clock, swap_at=0.0)
    monkeypatch.setattr("overnight.commands.stint.make_client", lambda *_: swapped)
    again = study.run()
    assert again.status is Status.FAILED
    assert len(swapped.calls) == 1
    accepted = resume(
        "latest",
        db=study.database,
        changes=Changes(accept_model=True),
        handler=study.events.append,
    )
    assert accepted.counts.answered == 80
    assert before < 80
    assert study.query("SELECT served_model FROM experiments") == [("another",)]
    assert study.query("SELECT DISTINCT served_model FROM run_sessions ORDER BY 1")[-1] == (
        "night",
    )


# --- how many calls at once ------------------------------------------------------------------


def path(study) -> list[tuple[int, float | None]]:
    """The limit and the rate, point by point."""
    return study.query("SELECT concurrency, rate FROM limits ORDER BY limit_id")


@pytest.mark.parametrize("slots", [1, 4, 16])
def test_auto_finds_how_many_calls_a_server_works_on_at_once(study, night, slots):
    n = (240 if slots < 16 else 100) * slots
    result, server = night(n, concurrency="auto", latency=2.0, slots=slots)
    assert result.counts.answered == n
    assert server.most_in_flight <= 2 * slots
    assert server.at <= 1.15 * n * 2.0 / slots + 60
    levels = [limit for limit, _ in path(study)]
    assert levels[0] == 1
    assert slots <= levels[-1] <= 2 * slots
    assert path(study)[-1][1] == pytest.approx(slots / 2.0, rel=0.2)
    assert study.value("SELECT concurrency FROM run_sessions") is None


def test_the_ledger_is_ahead_of_the_limit_that_was_found_and_not_of_the_cap(night, monkeypatch):
    seen = []

    def entered(dispatcher):
        honest(dispatcher)
        flow = dispatcher.flow
        now = max(flow.controller.level, flow.ceiling, dispatcher.in_flight)
        seen.append((dispatcher._n_open, now))

    honest = Dispatcher._refill
    monkeypatch.setattr(Dispatcher, "_refill", entered)
    night(400, concurrency="auto", latency=1.0, slots=4)
    highest = 0
    for n_open, now in seen:
        highest = max(highest, now)
        assert n_open <= highest + 16
    settled = seen[len(seen) // 2 :]  # after a step back those in flight are more than the limit
    assert all(n_open <= now + 16 for n_open, now in settled)
    assert highest <= 8


def test_a_pause_comes_first_and_auto_goes_on(study, night):
    outage = (100.0, 160.0)
    result, server = night(1400, concurrency="auto", latency=2.0, slots=8, outages=[outage])
    assert result.counts.answered == 1400
    assert study.value("SELECT count(*) FROM pauses") == 1
    assert server.most_in_flight <= 16
    after = [at for at, _ in server.calls if at >= 230.0]
    assert len(after) / (after[-1] - after[0]) >= 0.85 * 4.0


def test_a_hosted_service_that_limits_calls_per_second(study, night):
    """Sixty calls a minute: hardly any call is refused, and the minute is used up."""
    bucket = Bucket(1.0, 5.0)
    result, server = night(600, concurrency="auto", latency=0.8, bucket=bucket)
    refused = study.value("SELECT count(*) FROM narrative_attempts WHERE http_status = 429")
    assert result.counts.answered == 600
    assert refused <= 0.03 * len(server.calls)
    assert server.at <= 600 / 0.9 + 60


def test_a_fixed_number_keeps_no_path(study, night):
    night(20, concurrency=4)
    assert path(study) == []
    assert study.value("SELECT concurrency FROM run_sessions") == 4
