"""Any interleaving of calls, crashes and take-overs leaves the books in order."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from store_world import DOWN, UNREADABLE, World, answered, ended

from overnight.domain.attempt import Job, OpenAttempt
from overnight.errors import SupersededError
from overnight.store.experiments import counts, get_experiment
from overnight.store.open import open_database

N = 12
OUTCOMES = [answered(detected=True), answered(detected=False), UNREADABLE, DOWN]


class Ledger(RuleBasedStateMachine):
    """One experiment, its present session, and sessions that do not know that they are dead."""

    calls = Bundle("calls")  # open ones: (session, attempt)

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.database = open_database(Path(self.folder.name) / "overnight.db", create=True)
        self.world = World(self.database)
        self.dataset = self.world.dataset(N)
        self.key = self.world.experiment(self.dataset, N)
        self.session, _ = self.world.session(self.key)
        self.results: dict[int, object] = {}  # what we know to be committed
        self.sent = 0  # calls on the books that were not taken back
        self.open_now = 0
        self.n_stale_refused = 0

    def attempt(self, write, session: int) -> bool:
        """Do it if the session is the present one; see it refused if not. Whether it was done."""
        if session == self.session:
            write()
            return True
        before = self.world.everything()
        with pytest.raises(SupersededError):
            write()
        assert self.world.everything() == before
        self.n_stale_refused += 1
        return False

    @rule(target=calls, n=st.integers(1, 4))
    def open(self, n):
        jobs: list[Job] = self.world.remaining(self.key, self.dataset)[:n]
        opened = self.world.open(self.session, self.key, jobs)
        self.sent += len(opened)
        self.open_now += len(opened)
        return multiple(*[(self.session, attempt) for attempt in opened])

    @rule(call=consumes(calls), outcome=st.sampled_from(OUTCOMES), final=st.booleans())
    def close(self, call: tuple[int, OpenAttempt], outcome, final):
        session, attempt = call
        final = final or outcome in OUTCOMES[:2]
        one = ended(attempt, outcome, final=final)
        if self.attempt(lambda: self.world.close(session, self.key, one), session):
            self.open_now -= 1
            if final:
                self.results[attempt.job.narrative.narrative_id] = outcome

    @rule(call=consumes(calls))
    def withdraw(self, call: tuple[int, OpenAttempt]):
        session, attempt = call
        if self.attempt(lambda: self.world.withdraw(session, [attempt]), session):
            self.open_now -= 1
            self.sent -= 1

    @rule()
    def take_over(self):
        """A crash and a resume; or a thief, while the old session believes that it lives."""
        self.session, lost = self.world.session(self.key, kind="resume")
        assert lost == self.open_now
        self.open_now = 0

    @rule()
    def restart(self):
        """Close every connection and open the file again."""
        self.database.close()
        self.database = self.world.database = open_database(self.world.path)

    @invariant()
    def one_result_per_narrative(self):
        rows = self.world.rows("SELECT narrative_id, detected, error_category FROM results")
        assert len(rows) == len({row[0] for row in rows})
        assert {row[0] for row in rows} == set(self.results)
        for narrative_id, detected, category in rows:
            outcome = self.results[narrative_id]
            said = getattr(outcome, "answer", None)
            assert detected == (int(said.values["detected"]) if said else None)
            assert category == getattr(outcome, "category", None)

    @invariant()
    def completed_and_remaining_are_all(self):
        c = counts(self.database, get_experiment(self.database, self.key))
        assert c.completed + c.remaining == c.total == N
        assert c.completed == len(self.results)
        assert c.remaining == len(self.world.remaining(self.key, self.dataset))

    @invariant()
    def calls_add_up(self):
        by_status = dict(self.world.rows("SELECT status, count(*) FROM attempts GROUP BY 1"))
        assert sum(by_status.values()) == self.sent
        assert by_status.get("open", 0) == self.open_now
        n_calls = self.world.value("SELECT sum(n_calls) FROM run_sessions")
        assert n_calls == self.sent - self.open_now

    @invariant()
    def one_session_is_open(self):
        assert self.world.rows("SELECT session_id FROM run_sessions WHERE ended_at IS NULL") == [
            (self.session,)
        ]

    @invariant()
    def the_history_is_that_of_the_books(self):
        for job in self.world.remaining(self.key, self.dataset):
            key = job.narrative.narrative_id
            on_record = self.world.rows(
                "SELECT count(*), coalesce(sum(error_category = 'parse_error'), 0)"
                " FROM attempts WHERE narrative_id = :key",
                key=key,
            )
            assert [(job.n_calls, job.n_unreadable)] == on_record

    def teardown(self):
        if hasattr(self, "database"):
            assert self.world.value("PRAGMA integrity_check") == "ok"
            assert self.world.rows("PRAGMA foreign_key_check") == []
            self.database.close()
            self.folder.cleanup()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
