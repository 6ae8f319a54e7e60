"""What follows from how a call ended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.answer import Answer
from overnight.domain.attempt import Job
from overnight.domain.decision import (
    MAX_UNREADABLE,
    SILENT_NARRATIVES,
    Accept,
    Course,
    RetryIn,
    SlowDown,
    Stop,
    back_off,
    decide,
)
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Reply

REPLY = Reply("something")
ANSWERED = Answered(Answer({"detected": True}), REPLY)
UNREADABLE = Fault(ErrorCategory.PARSE_ERROR, "no JSON in it", Blame.NARRATIVE, reply=REPLY)
TOO_LONG = Fault(ErrorCategory.DATA_ERROR, "too long", Blame.NARRATIVE, 400)
REFUSED = Fault(ErrorCategory.REFUSAL, "content filter", Blame.NARRATIVE, 200)
DOWN = Fault(ErrorCategory.API_ERROR, "no connection", Blame.SERVER)
BUSY = Fault(ErrorCategory.RATE_LIMIT, "slow down", Blame.SERVER, 429)
BAD_KEY = Fault(ErrorCategory.API_ERROR, "401: change the key", Blame.SETUP, 401)
NO_SCHEMA = Fault(ErrorCategory.API_ERROR, "takes no JSON schema", Blame.FORM, 400)

ALL = [ANSWERED, UNREADABLE, TOO_LONG, REFUSED, DOWN, BUSY, BAD_KEY, NO_SCHEMA]


def job(narrative_id: int = 1, **history: object) -> Job:
    return Job(Narrative(narrative_id, narrative_id, str(narrative_id), "cme", "text"), **history)


def course(max_attempts: int = 6, n_answers: int = 0) -> Course:
    return Course(max_attempts, n_answers=n_answers)


# --- one call --------------------------------------------------------------------------------


def test_an_answer_is_the_result():
    assert decide(ANSWERED, job(), course()) == Accept()


@pytest.mark.parametrize("fault", [TOO_LONG, REFUSED])
@pytest.mark.parametrize("n_answers", [0, 100])
def test_a_narratives_own_fault_is_its_result_at_once(fault, n_answers):
    assert decide(fault, job(), course(n_answers=n_answers)) == Accept()


@pytest.mark.parametrize("n_answers", [0, 100])
def test_a_form_that_is_not_understood_is_asked_again_at_once_without_it(n_answers):
    state = course(n_answers=n_answers)
    asked = job()
    assert decide(NO_SCHEMA, asked, state) == RetryIn(0.0)
    assert (asked.failed_now, asked.n_unreadable) == (0, 0)
    assert state.silent is None


def test_before_the_first_answer_a_wrong_set_up_stops_the_run_and_says_what_to_change():
    assert decide(BAD_KEY, job(), course()) == Stop("401: change the key")


def test_after_an_answer_what_looks_like_the_set_up_is_tried_again():
    assert isinstance(decide(BAD_KEY, job(), course(n_answers=1)), RetryIn)


def test_the_first_error_ever_stays():
    first = job()
    for fault in (NO_SCHEMA, DOWN, UNREADABLE):
        decide(fault, first, course())
    assert first.first_error == "takes no JSON schema"
    earlier = job(first_error="an earlier session's")
    decide(DOWN, earlier, course())
    assert earlier.first_error == "an earlier session's"


# --- unreadable replies ----------------------------------------------------------------------


def test_an_unreadable_reply_is_asked_for_twice_more_and_is_then_the_result():
    one, state = job(), course()
    seeds = [one.seed(100)]
    for _ in range(MAX_UNREADABLE - 1):
        assert decide(UNREADABLE, one, state) == RetryIn(0.0)
        seeds.append(one.seed(100))
    assert decide(UNREADABLE, one, state) == Accept()
    assert seeds == [100, 101, 102]


def test_the_seed_goes_on_from_what_earlier_sessions_could_not_read():
    one = job(n_calls=3, n_unreadable=2)
    assert one.seed(100) == 102
    assert decide(UNREADABLE, one, course()) == RetryIn(0.0)
    assert one.seed(100) == 103
    assert decide(UNREADABLE, one, course()) == RetryIn(0.0), "three calls in each session"


@pytest.mark.parametrize("fault", [DOWN, BUSY, NO_SCHEMA, BAD_KEY])
def test_no_other_failure_moves_the_seed(fault):
    one = job(n_unreadable=1)
    decide(fault, one, course(n_answers=5))
    assert one.seed(100) == 101


# --- the server is away ----------------------------------------------------------------------


def test_the_server_is_given_more_time_after_each_failure():
    waits = [back_off(n) for n in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert back_off(10**6) == 60


def test_a_server_that_names_a_longer_time_is_given_it():
    later = Fault(ErrorCategory.API_ERROR, "503", Blame.SERVER, 503, retry_after=30.0)
    assert decide(later, job(), course()) == RetryIn(30.0)
    sooner = Fault(ErrorCategory.API_ERROR, "503", Blame.SERVER, 503, retry_after=0.1)
    assert decide(sooner, job(), course()) == RetryIn(1.0)


def test_slow_down_is_obeyed_and_never_counted():
    one, state = job(), course(max_attempts=1, n_answers=0)
    asked = Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, retry_after=7.0)
    for _ in range(50):
        assert decide(asked, one, state) == SlowDown(7.0)
        assert decide(BUSY, one, state) == SlowDown(2.0), "longer each time in a row"
        state.saw_reply()
    assert one.failed_now == 0
    assert state.silent is None


def test_five_different_narratives_without_an_answer_stop_the_run():
    state = course()
    for narrative_id in range(1, SILENT_NARRATIVES):
        assert isinstance(decide(DOWN, job(narrative_id), state), RetryIn)
    assert decide(DOWN, job(99), state) == Stop("the model's server does not answer: no connection")


@pytest.mark.parametrize("reply", [ANSWERED, UNREADABLE, TOO_LONG, REFUSED])
def test_any_reply_in_between_shows_that_the_server_is_there(reply):
    state = course()
    for narrative_id in range(1, 30):
        assert isinstance(decide(DOWN, job(narrative_id), state), RetryIn)
        if narrative_id % (SILENT_NARRATIVES - 1) == 0:
            decide(reply, job(1000 + narrative_id), state)


def test_a_narrative_that_fails_while_others_are_answered_is_given_up_after_max_attempts():
    one, state = job(), course(max_attempts=3)
    for _ in range(2):
        assert isinstance(decide(DOWN, one, state), RetryIn)
        decide(ANSWERED, job(2), state)
    assert decide(DOWN, one, state) == Accept()


def test_a_narrative_that_fails_while_nobody_is_answered_stops_the_run_and_is_not_given_up():
    one, state = job(), course(max_attempts=3, n_answers=1000)
    for _ in range(2):
        assert isinstance(decide(DOWN, one, state), RetryIn)
    assert decide(DOWN, one, state) == Stop("the model's server stopped answering: no connection")


def test_a_rest_longer_than_three_days_is_a_matter_for_a_human():
    asked = Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, retry_after=4 * 86400.0)
    assert isinstance(decide(asked, job(), course()), Stop)


# --- any course of events --------------------------------------------------------------------

events = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(ALL)), min_size=1, max_size=120)


OWN = (ANSWERED, TOO_LONG, REFUSED)


class Ideal:
    """What should be decided, reckoned from the whole history and not from counters."""

    def __init__(self, max_attempts: int) -> None:
        self.max_attempts = max_attempts
        self.history: list[tuple[int, Fault | Answered]] = []

    def see(self, narrative_id: int, outcome: Fault | Answered) -> None:
        self.history.append((narrative_id, outcome))

    def replies(self, since: int = 0) -> int:
        """How many calls came back with something to read."""
        return sum(o in (*OWN, UNREADABLE) for _, o in self.history[since:])

    def failures(self, narrative_id: int) -> list[int]:
        """When a narrative failed by the server's fault."""
        return [
            i
            for i, (key, o) in enumerate(self.history)
            if key == narrative_id and (o is DOWN or o is BAD_KEY)
        ]

    def silent(self) -> set[int]:
        """Narratives without an answer since the last reply."""
        last = max(
            (i for i, (_, o) in enumerate(self.history) if o in (*OWN, UNREADABLE)), default=-1
        )
        return {key for key, o in self.history[last + 1 :] if o is DOWN or o is BAD_KEY}

    def kind(self) -> type:
        """The type of the decision."""
        narrative_id, outcome = self.history[-1]
        if outcome in OWN:
            return Accept
        if outcome is BUSY or outcome is NO_SCHEMA:
            return SlowDown if outcome is BUSY else RetryIn
        if outcome is UNREADABLE:
            n = sum(key == narrative_id and o is UNREADABLE for key, o in self.history)
            return Accept if n >= MAX_UNREADABLE else RetryIn
        return self.kind_of_silence(narrative_id, outcome)

    def kind_of_silence(self, narrative_id: int, outcome: Fault) -> type:
        """The type of the decision when the server gave no answer."""
        wrong_from_the_start = outcome is BAD_KEY and self.replies() == 0
        if wrong_from_the_start or len(self.silent()) >= SILENT_NARRATIVES:
            return Stop
        failures = self.failures(narrative_id)
        if len(failures) < self.max_attempts:
            return RetryIn
        return Accept if self.replies(since=failures[0]) > 0 else Stop


@given(events=events, max_attempts=st.integers(1, 7))
def test_in_any_course_of_events_nothing_is_burned_and_nothing_is_asked_without_end(
    events, max_attempts
):
    state, ideal = Course(max_attempts), Ideal(max_attempts)
    jobs: dict[int, Job] = {}
    done: set[int] = set()
    for key, outcome in events:
        if key in done:
            continue
        one = jobs.setdefault(key, job(key))
        ideal.see(key, outcome)
        decision = decide(outcome, one, state)

        assert type(decision) is ideal.kind()
        unreadable = [o for k, o in ideal.history if k == key and o is UNREADABLE]
        assert one.n_unreadable == one.unreadable_now == len(unreadable) <= MAX_UNREADABLE
        if isinstance(decision, RetryIn | SlowDown):
            assert 0 <= decision.seconds <= 60
        elif isinstance(decision, Accept):
            done.add(key)
        else:
            return
