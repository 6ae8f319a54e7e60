"""Calls and results: on the books before they are sent, once, and only by the owner."""

import asyncio
import time

import pytest
from store_world import DOWN, UNREADABLE, World, answered, ended, narrative

from overnight.domain.answer import DEFAULT_ANSWER, Answer
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.experiment import Event, Status
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Reply
from overnight.errors import RefusedError, SupersededError
from overnight.record import Peer, Recorder, SessionKeys
from overnight.store.experiments import (
    counts,
    get_experiment,
    transition,
    update_experiment,
)
from overnight.store.ledger import close_attempts, close_lost, delete_unsent, open_attempts
from overnight.store.open import open_database
from overnight.store.sessions import (
    SignOfLife,
    end_session,
    fence,
    is_first,
    record_peer,
    sessions_of,
)


@pytest.fixture
def begun(world) -> World:
    """An experiment over ten narratives, its session open."""
    world.dataset_id = world.dataset(10)
    world.key = world.experiment(world.dataset_id, 10)
    world.session_id, _ = world.session(world.key)
    return world


def by_status(world: World) -> dict[str, int]:
    return dict(world.rows("SELECT status, count(*) FROM attempts GROUP BY status"))


# --- attempts add up ---------------------------------------------------------------------------


def test_a_call_is_open_before_it_is_sent_and_closed_with_its_outcome(begun):
    jobs = begun.remaining(begun.key, begun.dataset_id)[:3]
    opened = begun.open(begun.session_id, begun.key, jobs)
    assert by_status(begun) == {"open": 3}
    assert [job.n_calls for job in jobs] == [1, 1, 1]
    begun.close(
        begun.session_id,
        begun.key,
        ended(opened[0], answered()),
        ended(opened[1], UNREADABLE, final=False),
    )
    assert by_status(begun) == {"answered": 1, "failed": 1, "open": 1}
    assert begun.value("SELECT count(*) FROM results") == 1


def test_a_reply_is_kept_once_with_the_result_or_else_with_its_call(begun):
    jobs = begun.remaining(begun.key, begun.dataset_id)[:2]
    opened = begun.open(begun.session_id, begun.key, jobs)
    begun.close(
        begun.session_id,
        begun.key,
        ended(opened[0], UNREADABLE),
        ended(opened[1], UNREADABLE, final=False),
    )
    assert begun.rows("SELECT reply FROM narrative_attempts ORDER BY attempt_id") == [
        (None,),
        ("what?",),
    ]
    assert begun.rows("SELECT raw_response FROM narrative_results") == [("what?",)]


def test_calls_never_sent_leave_no_trace(begun):
    opened = begun.open(begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id))
    begun.withdraw(begun.session_id, opened[3:])
    begun.close(begun.session_id, begun.key, *[ended(a, answered()) for a in opened[:3]])
    assert by_status(begun) == {"answered": 3}


def test_only_an_open_call_can_be_taken_back(begun):
    opened = begun.open(begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id))
    begun.close(begun.session_id, begun.key, ended(opened[0], answered()))
    begun.withdraw(begun.session_id, opened[:1])
    assert by_status(begun) == {"answered": 1, "open": 9}


def test_what_a_dead_session_left_open_is_lost_and_counted_as_its_calls(begun):
    opened = begun.open(begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id))
    begun.close(begun.session_id, begun.key, ended(opened[0], answered()))
    second, lost = begun.session(begun.key, kind="resume")

    assert lost == 9
    assert by_status(begun) == {"answered": 1, "lost": 9}
    assert begun.rows("SELECT n_calls, n_results, ended_how FROM run_sessions") == [
        (10, 1, "crashed"),
        (0, 0, None),
    ]
    _, lost = begun.session(begun.key, kind="resume")
    assert lost == 0
    assert begun.value("SELECT sum(n_calls) FROM run_sessions") == 10, "counted once"
    assert second == 2


def test_calls_abandoned_at_a_clean_end_are_lost_and_counted_too(begun):
    opened = begun.open(
        begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id)[:5]
    )
    begun.close(begun.session_id, begun.key, ended(opened[0], answered()))
    with begun.database.write() as connection:
        fence(connection, begun.session_id, SignOfLife(time.time()))
        assert close_lost(connection, begun.key) == 4
        end_session(connection, begun.session_id, "cancel", time.time())
    assert begun.rows("SELECT n_calls, ended_how FROM run_sessions") == [(5, "cancel")]


def test_the_next_session_knows_what_was_called_and_what_could_not_be_read(begun):
    job = begun.remaining(begun.key, begun.dataset_id)[0]
    for outcome in (DOWN, UNREADABLE):
        [attempt] = begun.open(begun.session_id, begun.key, [job])
        begun.close(begun.session_id, begun.key, ended(attempt, outcome, final=False))
    begun.open(begun.session_id, begun.key, [job])
    begun.session(begun.key, kind="resume")

    again = begun.remaining(begun.key, begun.dataset_id)[0]
    assert again.narrative == job.narrative
    assert (again.n_calls, again.n_unreadable) == (3, 1), "the lost one was paid for as well"
    assert again.first_error == "no connection"
    assert again.seed(100) == 101


def test_attempts_are_numbered_from_one_for_each_narrative(begun):
    first, other = begun.remaining(begun.key, begun.dataset_id)[:2]
    for jobs in ([first, other], [first], [first]):
        opened = begun.open(begun.session_id, begun.key, jobs)
        begun.close(
            begun.session_id, begun.key, *[ended(a, UNREADABLE, final=False) for a in opened]
        )
    assert begun.rows("SELECT narrative_id, attempt_no FROM attempts ORDER BY attempt_id") == [
        (1, 1),
        (2, 1),
        (1, 2),
        (1, 3),
    ]


def test_work_is_handed_out_in_file_order_up_to_the_limit_and_without_what_is_done(begun):
    jobs = begun.remaining(begun.key, begun.dataset_id)
    begun.answer_all(begun.session_id, begun.key, [jobs[0], jobs[4]])
    rows = [j.narrative.row_num for j in begun.remaining(begun.key, begun.dataset_id, last=7)]
    assert rows == [2, 3, 4, 6, 7]


def test_two_experiments_over_one_dataset_know_nothing_of_each_other(begun):
    begun.answer_all(begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id)[:6])
    other = begun.experiment(begun.dataset_id, 4)
    assert len(begun.remaining(other, begun.dataset_id, last=4)) == 4
    assert counts(begun.database, get_experiment(begun.database, other)).completed == 0
    mine = counts(begun.database, get_experiment(begun.database, begun.key))
    assert (mine.total, mine.answered, mine.errors, mine.remaining) == (10, 6, 0, 4)


HALF = "cut in the middle of \ud83d"


def test_whatever_a_server_says_can_be_stored(begun):
    """A server that cuts a text may cut a character in two: that must not stop the run."""
    odd = Reply(HALF, finish_reason=HALF, prompt_tokens=2**70, completion_tokens=1, model=HALF)
    nul = Reply("a\0b")
    outcomes = [
        Answered(Answer({"detected": True}), odd),
        Answered(Answer({"detected": True}), nul),
        Fault(ErrorCategory.API_ERROR, HALF, Blame.SERVER, 500, reply=odd),
    ]
    jobs = begun.remaining(begun.key, begun.dataset_id)[:3]
    for job in jobs:
        job.first_error = HALF
    opened = begun.open(begun.session_id, begun.key, jobs)
    begun.close(
        begun.session_id,
        begun.key,
        *[ended(a, o, final=i < 2) for i, (a, o) in enumerate(zip(opened, outcomes, strict=True))],
    )
    with begun.database.write() as connection:
        record_peer(connection, begun.session_id, {"served_model": HALF})
        update_experiment(connection, begun.key, {"served_model": HALF})
        transition(connection, begun.key, Event.FAIL, reason=HALF)

    cut = "cut in the middle of ?"
    assert begun.rows("SELECT raw_response, prompt_tokens FROM narrative_results") == [
        (cut, None),
        ("a\ufffdb", None),
    ]
    assert begun.rows(
        "SELECT error_message, finish_reason, reply FROM narrative_attempts WHERE status = 'failed'"
    ) == [(cut, cut, cut)]
    assert begun.rows("SELECT served_model, status_reason FROM experiments") == [(cut, cut)]
    assert begun.rows("SELECT served_model FROM run_sessions") == [(cut,)]


# --- the fence ---------------------------------------------------------------------------------

WRITES = {
    "open calls": lambda c, w: open_attempts(c, w.session_id, w.key, [Job(narrative(9))], 0),
    "record an answer": lambda c, w: close_attempts(
        c, w.key, [ended(w.opened[0], answered())], w.spec
    ),
    "record a failure": lambda c, w: close_attempts(
        c, w.key, [ended(w.opened[0], DOWN, final=False)], w.spec
    ),
    "withdraw": lambda c, w: delete_unsent(c, [w.opened[1].attempt_id]),
    "close as lost": lambda c, w: close_lost(c, w.key),
    "say who answers": lambda c, w: record_peer(c, w.session_id, {"served_model": "other"}),
    "write progress": lambda c, w: update_experiment(c, w.key, {"n_narratives_completed": 7}),
    "change the status": lambda c, w: transition(c, w.key, Event.FINISH),
    "end": lambda c, w: end_session(c, w.session_id, "finish", 0),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_superseded_session_writes_nothing(begun, write):
    begun.spec = DEFAULT_ANSWER
    begun.opened = begun.open(
        begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id)[:3]
    )
    begun.session(begun.key, kind="resume")
    before = begun.everything()

    def fenced() -> None:
        with begun.database.write() as connection:
            WRITES[write](connection, begun)  # even what is written before the fence is asked
            fence(connection, begun.session_id, SignOfLife(time.time(), n_calls=1, n_results=1))

    with pytest.raises(SupersededError, match="another session has taken this experiment over"):
        fenced()
    assert begun.everything() == before


def test_a_session_that_has_ended_writes_nothing(begun):
    with begun.database.write() as connection:
        end_session(connection, begun.session_id, "finish", time.time())
    with pytest.raises(SupersededError), begun.database.write() as connection:
        fence(connection, begun.session_id, SignOfLife(time.time()))


def test_an_end_is_written_once(begun):
    with begun.database.write() as connection:
        end_session(connection, begun.session_id, "cancel", 1000.0)
        end_session(connection, begun.session_id, "finish", 2000.0)
        assert sessions_of(connection, begun.key)[0].ended_how == "cancel"


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.opened: list[OpenAttempt] = []
        self.ended: list[Attempted] = []
        self.failure: BaseException | None = None

    def on_commit(self, opened, ended):
        self.opened += opened
        self.ended += ended

    def on_failure(self, error):
        self.failure = error


def test_the_recorder_of_a_superseded_session_records_nothing_and_says_so(begun):
    heard = Heard()
    opened = begun.open(
        begun.session_id, begun.key, begun.remaining(begun.key, begun.dataset_id)[:2]
    )
    begun.session(begun.key, kind="resume")
    before = begun.everything()

    async def record() -> None:
        keys = SessionKeys(begun.session_id, begun.key, "id")
        recorder = Recorder(begun.database, keys, DEFAULT_ANSWER, completed=0)
        recorder.start(heard)
        recorder.record(ended(opened[0], answered()))
        recorder.withdraw(opened[1:])
        recorder.open([Job(narrative(5))])
        recorder.meet(Peer("other", None, None))
        await recorder.finish()

    asyncio.run(record())
    assert isinstance(heard.failure, SupersededError)
    assert (heard.opened, heard.ended) == ([], [])
    assert begun.everything() == before


# --- transitions -------------------------------------------------------------------------------


def test_a_status_changes_as_the_domain_says_with_its_reason(begun):
    with begun.database.write() as connection:
        assert transition(connection, begun.key, Event.FAIL, reason="why") is Status.FAILED
    assert begun.rows("SELECT status, status_reason FROM experiments") == [("failed", "why")]
    with begun.database.write() as connection:
        assert transition(connection, begun.key, Event.RESUME) is Status.RUNNING
    assert begun.rows("SELECT status, status_reason FROM experiments") == [("running", None)]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("event", [Event.FINISH, Event.FAIL, Event.CANCEL])
def test_what_does_not_run_cannot_end(begun, status, event):
    with begun.database.write() as connection:
        connection.execute("UPDATE experiments SET status = ?", (status,))
    with (
        pytest.raises(RefusedError, match=f"this experiment is {status}: {event} is not possible"),
        begun.database.write() as connection,
    ):
        transition(connection, begun.key, event)
    assert begun.value("SELECT status FROM experiments") == status


def test_a_transition_compares_before_it_sets(begun):
    """What was read as running and is failed by now is not overwritten."""

    class ReadsTooEarly:
        """A connection whose first statement saw the status of a moment ago."""

        def __init__(self, connection):
            self._connection = connection

        def value(self, statement, values):
            status = self._connection.value(statement, values)
            self._connection.execute("UPDATE experiments SET status = 'failed'")
            return status

        def execute(self, statement, values):
            return self._connection.execute(statement, values)

    with (
        pytest.raises(RefusedError, match="no longer running"),
        begun.database.write() as connection,
    ):
        transition(ReadsTooEarly(connection), begun.key, Event.FINISH)


def test_two_processes_cannot_both_change_a_status(begun):
    other = open_database(begun.path)
    try:
        with begun.database.write() as connection:
            transition(connection, begun.key, Event.FAIL)
        with pytest.raises(RefusedError), other.write() as connection:
            transition(connection, begun.key, Event.CANCEL)
    finally:
        other.close()


def test_the_first_session_is_the_start(world):
    key = world.experiment(world.dataset(1), 1)
    with world.database.read() as connection:
        assert is_first(connection, key)
    world.session(key)
    with world.database.read() as connection:
        assert not is_first(connection, key)
