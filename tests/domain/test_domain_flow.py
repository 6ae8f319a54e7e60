"""How many calls may be under way: all, some, one as a probe, none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.answer import Answer
from overnight.domain.concurrency import Controller
from overnight.domain.flow import (
    FIRST_DELAY,
    LONGEST_DELAY,
    SILENT_NARRATIVES,
    Flow,
    GiveUp,
    Paused,
    Resumed,
)
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Reply

REPLY = Reply("something")
ANSWERED = Answered(Answer({"detected": True}), REPLY)
UNREADABLE = Fault(ErrorCategory.PARSE_ERROR, "no JSON", Blame.NARRATIVE, reply=REPLY)
DOWN = Fault(ErrorCategory.API_ERROR, "no connection", Blame.SERVER, how=How.REFUSED)
LATE = Fault(ErrorCategory.API_ERROR, "no answer within 300 s", Blame.SERVER, how=How.TIMED_OUT)
BUSY = Fault(ErrorCategory.RATE_LIMIT, "slow down", Blame.SERVER, 429)
SLEPT = Fault(ErrorCategory.API_ERROR, "slept", Blame.NOBODY)
ALL = [ANSWERED, UNREADABLE, DOWN, LATE, BUSY, SLEPT]


def saw(flow, outcome, narrative_id=1, *, now=0.0, sent_at=None, n_left=1000):
    sent_at = now if sent_at is None else sent_at
    return flow.saw(outcome, narrative_id, sent_at=sent_at, now=now, n_left=n_left)


def paused(wanted=8, now=0.0, **options) -> Flow:
    """A flow that pauses since `now`."""
    flow = Flow(wanted, **options)
    for narrative_id in range(SILENT_NARRATIVES):
        change = saw(flow, DOWN, narrative_id, now=now)
    assert isinstance(change, Paused)
    return flow


# --- in the normal course ----------------------------------------------------------------------


def test_it_begins_with_one_call_and_goes_on_with_all():
    flow = Flow(8)
    assert flow.limit == 1
    saw(flow, ANSWERED)
    assert flow.limit == 8


def test_after_a_rest_it_is_one_call_then_two_then_four():
    flow = Flow(8, has_answered=True)
    limits = [flow.limit]
    for _ in range(3):
        for _ in range(flow.limit):
            saw(flow, ANSWERED)
        limits.append(flow.limit)
    assert limits == [1, 2, 4, 8]
    saw(flow, ANSWERED)
    assert flow.limit == 8


def test_a_rest_holds_everybody_and_is_followed_by_one_call():
    flow = Flow(4, allowance=4)
    flow.rest(10.0, now=100.0)
    assert not flow.may_send(0, now=109.9)
    assert flow.look_again_at(now=100.0) == 110.0
    assert flow.may_send(0, now=110.0)
    assert not flow.may_send(1, now=110.0)


def test_rate_limits_never_lead_to_a_pause():
    flow = Flow(4)
    assert [saw(flow, BUSY, i) for i in range(100)] == [None] * 100


# --- time-outs -----------------------------------------------------------------------------------


def test_time_outs_lower_the_concurrency_before_they_count():
    flow = Flow(8, allowance=8)
    for expected in (4, 2, 1):
        now = 1000.0 / expected
        assert saw(flow, LATE, 100 + expected, now=now) is None
        assert flow.limit == expected
    changes = [saw(flow, LATE, i, now=2000.0 + i) for i in range(SILENT_NARRATIVES)]
    assert changes[:-1] == [None] * (SILENT_NARRATIVES - 1)
    assert isinstance(changes[-1], Paused)


def test_the_time_outs_of_one_moment_lower_it_once():
    flow = Flow(16, allowance=16)
    for i in range(16):
        saw(flow, LATE, i, now=300.0, sent_at=0.0)
    assert flow.limit == 8


def test_what_was_lowered_recovers_slowly_while_answers_come():
    flow = Flow(8, allowance=8)
    saw(flow, LATE, now=300.0)
    assert flow.limit == 4
    for _ in range(2 * 4 + 1):
        saw(flow, ANSWERED)
    assert flow.limit == 5
    for _ in range(500):
        saw(flow, ANSWERED)
    assert flow.limit == 8


# --- a pause -------------------------------------------------------------------------------------


def test_five_different_narratives_without_an_answer_in_between_pause_the_run():
    flow = Flow(8)
    for _ in range(3):
        for narrative_id in range(SILENT_NARRATIVES - 1):
            assert saw(flow, DOWN, narrative_id) is None
            assert saw(flow, DOWN, narrative_id) is None, "the same one again is not another"
        saw(flow, UNREADABLE)
    for narrative_id in range(SILENT_NARRATIVES):
        change = saw(flow, DOWN, narrative_id, now=50.0)
    assert isinstance(change, Paused)
    assert (change.pause.began, change.pause.reason) == (50.0, "no connection")


def test_when_fewer_are_left_fewer_are_enough():
    flow = Flow(8)
    assert saw(flow, DOWN, 1, n_left=2) is None
    assert isinstance(saw(flow, DOWN, 2, n_left=2), Paused)
    assert isinstance(saw(Flow(8), DOWN, 1, n_left=1), Paused)


def test_probes_go_one_at_a_time_after_1_s_doubling_to_60_s():
    flow, now, waits = paused(now=100.0), 100.0, []
    for i in range(9):
        due = flow.look_again_at(now)
        waits.append(due - now)
        assert not flow.may_send(0, now=due - 0.001)
        assert flow.may_send(0, now=due)
        flow.sent()
        assert not flow.may_send(1, now=due), "one probe at a time"
        now = due
        assert isinstance(saw(flow, DOWN, 50 + i, now=now), Paused)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_answer_ends_the_pause_and_one_call_follows_then_two_then_four():
    flow = paused()
    flow.sent()
    change = saw(flow, ANSWERED, now=77.0)
    assert isinstance(change, Resumed)
    assert flow.pause is None
    assert flow.limit == 1
    saw(flow, ANSWERED)
    assert flow.limit == 2


def test_what_was_under_way_when_the_pause_began_is_no_probe():
    flow = paused(now=0.0)
    before = flow.pause.next_probe
    assert saw(flow, DOWN, 99, now=0.5) is None
    assert flow.pause.next_probe == before
    flow.sent()
    assert saw(flow, DOWN, 98, now=1.5, sent_at=-1.0) is None
    assert not flow.may_send(0, now=60.0), "the probe is still under way"
    assert isinstance(saw(flow, ANSWERED, now=0.6), Resumed), "but its answer counts"


@pytest.mark.parametrize("outcome", [BUSY, SLEPT])
def test_a_probe_that_says_nothing_leaves_room_for_another(outcome):
    flow = paused()
    flow.sent()
    saw(flow, outcome, now=2.0)
    assert flow.may_send(0, now=2.0)


def test_after_the_longest_outage_it_gives_up():
    flow = paused(max_outage=3600.0)
    flow.sent()
    assert isinstance(saw(flow, DOWN, now=3599.0), Paused)
    flow.sent()
    change = saw(flow, DOWN, now=3600.0)
    assert isinstance(change, GiveUp)
    assert "1 h 00 min" in change.reason


# --- any course of events ------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(ALL), st.floats(0, 400), st.booleans()),
    max_size=200,
)


@settings(deadline=None)
@given(steps=steps, wanted=st.integers(1, 64), n_left=st.integers(1, 20), auto=st.booleans())
def test_whatever_happens_calls_go_on_in_finite_time_and_never_more_than_wanted(
    steps, wanted, n_left, auto
):
    flow = Flow(wanted, controller=Controller(1, most=wanted) if auto else None)
    now, in_flight, window = 0.0, 0, 0
    for narrative_id, outcome, seconds, is_probe in steps:
        now += seconds
        if flow.may_send(in_flight, now) and is_probe:
            window = flow.sent(flow.limit, now)
        change = flow.saw(
            outcome, narrative_id, sent_at=now - seconds, now=now, n_left=n_left, window=window
        )
        if isinstance(change, GiveUp):
            return
        if outcome is BUSY:
            flow.rest(seconds, now)

        assert 1 <= flow.limit <= flow.ceiling <= wanted
        if flow.pause is not None and not flow.pause.is_probing:
            due = flow.look_again_at(now)
            assert due is None or due <= max(now + LONGEST_DELAY, flow.rest_until)
            assert flow.may_send(0, due if due is not None else now)
        elif flow.pause is None:
            due = flow.look_again_at(now)
            assert flow.may_send(0, due if due is not None else now)


def test_the_first_probe_comes_after_a_second():
    assert FIRST_DELAY == 1.0
