"""What follows from how a call ended."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.answer import Answer
from overnight.domain.attempt import Job
from overnight.domain.decision import (
    FEWEST_FAILURES,
    MAX_LONE_DEATHS,
    MAX_UNREADABLE,
    Accept,
    Course,
    Postpone,
    RetryIn,
    Scene,
    SlowDown,
    Stop,
    decide,
)
from overnight.domain.flow import back_off
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Reply

REPLY = Reply("something")
ANSWERED = Answered(Answer({"detected": True}), REPLY)
UNREADABLE = Fault(ErrorCategory.PARSE_ERROR, "no JSON in it", Blame.NARRATIVE, reply=REPLY)
TOO_LONG = Fault(ErrorCategory.DATA_ERROR, "too long", Blame.NARRATIVE, 400)
REFUSED = Fault(ErrorCategory.REFUSAL, "content filter", Blame.NARRATIVE, 200)
DOWN = Fault(ErrorCategory.API_ERROR, "no connection", Blame.SERVER, how=How.REFUSED)
BROKE = Fault(ErrorCategory.API_ERROR, "the connection broke", Blame.SERVER, how=How.BROKE)
SLEPT = Fault(ErrorCategory.API_ERROR, "this machine slept", Blame.NOBODY)
BUSY = Fault(ErrorCategory.RATE_LIMIT, "slow down", Blame.SERVER, 429)
BAD_KEY = Fault(ErrorCategory.API_ERROR, "401: change the key", Blame.SETUP, 401)
NO_SCHEMA = Fault(ErrorCategory.API_ERROR, "takes no JSON schema", Blame.FORM, 400)

ALL = [ANSWERED, UNREADABLE, TOO_LONG, REFUSED, DOWN, BROKE, SLEPT, BUSY, BAD_KEY, NO_SCHEMA]


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


@pytest.mark.parametrize("asked", [0.0, 0.02])
def test_a_server_that_asks_for_next_to_nothing_again_and_again_is_not_hammered(asked):
    state = course()
    busy = Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, retry_after=asked)
    waits = [decide(busy, job(), state).seconds for _ in range(5)]
    assert waits[0] in (1.0, asked)
    assert waits[-1] >= 8


def test_a_narrative_that_fails_while_others_are_answered_is_given_up_after_max_attempts():
    one, state = job(), course(max_attempts=3)
    for _ in range(2):
        assert isinstance(decide(DOWN, one, state), RetryIn)
        decide(ANSWERED, job(2), state)
    assert decide(DOWN, one, state) == Accept()


def test_a_narrative_that_fails_while_nobody_is_answered_is_never_given_up():
    one, state = job(), course(max_attempts=3, n_answers=1000)
    for _ in range(500):
        assert isinstance(decide(DOWN, one, state), RetryIn)
    assert one.failed_now == 1


def test_one_attempt_is_not_used_up_by_the_beginning_of_an_outage():
    one, state = job(), course(max_attempts=1, n_answers=1000)
    for _ in range(500):
        assert isinstance(decide(DOWN, one, state), RetryIn)
    decide(ANSWERED, job(2), state)
    assert decide(DOWN, one, state) == Accept()


def test_the_failures_of_an_outage_count_as_one():
    one, state = job(), course(max_attempts=3)
    for _ in range(2):
        for _ in range(40):
            assert isinstance(decide(DOWN, one, state), RetryIn)
        decide(ANSWERED, job(2), state)
    assert decide(DOWN, one, state) == Accept()


def test_a_machine_that_slept_blames_nobody():
    one = job()
    assert decide(SLEPT, one, course(max_attempts=1, n_answers=5)) == RetryIn(0.0)
    assert one.failed_now == 0


@pytest.mark.parametrize("category", [ErrorCategory.RATE_LIMIT, ErrorCategory.API_ERROR])
def test_a_rest_longer_than_the_longest_outage_is_a_matter_for_a_human(category):
    asked = Fault(category, "later", Blame.SERVER, 429, retry_after=4 * 86400.0)
    stop = decide(asked, job(), course())
    assert (stop.come_back_in, "96 hours" in stop.reason) == (4 * 86400.0, True)


# --- what the server dies of -------------------------------------------------------------------


def test_a_narrative_under_which_the_server_dies_is_asked_last():
    one = job()
    assert decide(BROKE, one, course()) == Postpone()
    assert (one.n_deaths, one.lone_deaths) == (1, 0)


def test_three_deaths_alone_are_the_narratives_own_fault():
    one, state = job(), course()
    alone = Scene(alone=True, alive=True)
    for _ in range(MAX_LONE_DEATHS - 1):
        assert decide(BROKE, one, state, alone) == Postpone()
    assert decide(BROKE, one, state, alone) == Accept()


@pytest.mark.parametrize("scene", [Scene(alone=False), Scene(alone=True, alive=False)])
def test_a_death_with_others_or_of_a_server_that_was_dead_already_proves_nothing(scene):
    one, state = job(), course()
    for _ in range(50):
        assert decide(BROKE, one, state, scene) == Postpone()


# --- any course of events --------------------------------------------------------------------

OWN = (ANSWERED, TOO_LONG, REFUSED)
REPLIES = (*OWN, UNREADABLE)
SERVERS = (DOWN, BROKE)
events = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(ALL)), min_size=1, max_size=150)


class Ideal:
    """What should be decided, reckoned from the whole history and not from counters."""

    def __init__(self, max_attempts: int) -> None:
        self.max_attempts = max_attempts
        self.history: list[tuple[int, Fault | Answered]] = []

    def see(self, narrative_id: int, outcome: Fault | Answered) -> None:
        self.history.append((narrative_id, outcome))

    def replies(self) -> int:
        """How many calls came back with something to read."""
        return sum(o in REPLIES for _, o in self.history)

    def counted_failures(self, narrative_id: int) -> int:
        """Failures by the server's fault, those without an answer in between taken as one."""
        n, answered_since = 0, True
        for key, outcome in self.history:
            if outcome in REPLIES:
                answered_since = True
            elif key == narrative_id and (outcome in SERVERS or outcome is BAD_KEY):
                n, answered_since = n + answered_since, False
        return n

    def kind(self) -> type:
        """The type of the decision."""
        narrative_id, outcome = self.history[-1]
        if outcome in OWN:
            return Accept
        if outcome in (BUSY, NO_SCHEMA, SLEPT):
            return SlowDown if outcome is BUSY else RetryIn
        if outcome is UNREADABLE:
            n = sum(key == narrative_id and o is UNREADABLE for key, o in self.history)
            return Accept if n >= MAX_UNREADABLE else RetryIn
        if outcome is BAD_KEY and self.replies() == 0:
            return Stop
        if self.counted_failures(narrative_id) >= max(FEWEST_FAILURES, self.max_attempts):
            return Accept
        return Postpone if outcome is BROKE else RetryIn


@settings(deadline=None)
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
        elif isinstance(decision, Stop):
            return
