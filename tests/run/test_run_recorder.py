"""The writer is woken for a group of outcomes, not for each; and for fewer after a moment."""

import random
import sys
import threading
import time

import pytest

from overnight.domain.answer import DEFAULT_ANSWER, Answer
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.concurrency import AHEAD
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Reply
from overnight.record import Recorder, SessionKeys, company
from overnight.record.company import GROUP, Company
from overnight.record.recorder import LARGEST_GROUP

FOREVER = 60.0  # seconds; no test is that patient
ENDED = Attempted(
    OpenAttempt(1, Job(Narrative(1, 1, "1", "any", "invented"))),
    Answered(Answer({}), Reply("{}")),
    final=True,
    started_at=0.0,
    response_sec=0.0,
)


@pytest.fixture
def recorder() -> Recorder:
    """One whose thread is the test's."""
    return Recorder(None, SessionKeys(1, 1, "id"), DEFAULT_ANSWER, completed=0)


@pytest.fixture
def hectic():
    """The interpreter goes from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Writer(threading.Thread):
    """Collects groups until the last; how large they were."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(daemon=True)
        self._recorder, self.sizes = recorder, []
        self.start()

    def run(self) -> None:
        while True:
            group = self._recorder._collect()
            self.sizes.append(len(group.ended))
            if group.last:
                return

    @property
    def n_taken(self) -> int:
        return sum(self.sizes)


def until(writer: Writer, n: int) -> None:
    """Wait until so many were taken; a wake-up that got lost would take FOREVER."""
    deadline = time.monotonic() + FOREVER / 4
    while writer.n_taken < n:
        assert time.monotonic() < deadline, (writer.n_taken, n)
        time.sleep(0)


def test_what_comes_while_the_writer_turns_to_wait_is_not_waited_for():
    met = Company()

    class Bell:
        """Nothing has rung; outcomes come at the worst of all moments."""

        def locked(self):
            return True

        def acquire(self, *, blocking=True, timeout=-1):
            assert not blocking, f"waits for {timeout} s"
            for _ in range(GROUP):
                met.came(last=False)

    met._bell = Bell()
    met.wait()


def test_a_group_leaves_as_many_attempts_as_are_sent_while_it_is_written():
    met = Company()

    def enough_after(n: int) -> int:
        for _ in range(n):
            met.came(last=False)
        met.committed()
        met.go(n)
        return met.enough

    assert enough_after(0) == AHEAD - 2
    assert enough_after(3) == AHEAD - 5
    assert AHEAD - 5 <= enough_after(0) < AHEAD - 2  # not forgotten at once
    assert enough_after(AHEAD) == GROUP
    met.came(last=True)
    met.committed()
    assert met.enough == GROUP


@pytest.mark.usefixtures("hectic")
def test_enough_outcomes_are_always_taken_at_once(recorder, monkeypatch):
    """However the two threads interleave: no wake-up gets lost."""
    monkeypatch.setattr(company, "LINGER", FOREVER)
    writer, dice, n = Writer(recorder), random.Random(1), 0
    for _ in range(2000):
        burst = GROUP * dice.randint(1, 3)
        for _ in range(burst):
            recorder.record(ENDED)
            recorder.open([ENDED.attempt.job])
            if dice.random() < 0.1:
                time.sleep(0)
        n += burst
        # Fewer than a group may wait on: those that were taken early left them behind.
        until(writer, n - GROUP + 1)
    recorder._put(None)
    writer.join(FOREVER / 4)
    assert writer.n_taken == n
    assert max(writer.sizes) <= LARGEST_GROUP


def test_fewer_are_taken_after_a_moment(recorder):
    writer = Writer(recorder)
    for n in range(1, 20):
        recorder.record(ENDED)
        until(writer, n)
    recorder._put(None)
    writer.join(FOREVER / 4)
    assert set(writer.sizes) <= {0, 1}


def test_the_word_that_nothing_follows_is_heard_at_once(recorder, monkeypatch):
    monkeypatch.setattr(company, "LINGER", FOREVER)
    writer = Writer(recorder)
    recorder.record(ENDED)
    recorder._put(None)
    writer.join(FOREVER / 4)
    assert not writer.is_alive()
    assert writer.n_taken == 1


def test_one_after_the_other_they_come_in_groups(recorder, monkeypatch):
    """A writer that waits is not woken by each: so few groups come of so many outcomes."""
    monkeypatch.setattr(company, "LINGER", FOREVER)
    writer = Writer(recorder)
    for _ in range(100 * GROUP):
        recorder.record(ENDED)
        time.sleep(0)
    recorder._put(None)
    writer.join(FOREVER / 4)
    assert len(writer.sizes) <= 101
