"""Whatever happens to a study, in whatever order: one result each, the right one, paid for once."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from run_world import AHEAD, CONCURRENCY, RunWorld

from overnight.domain.order import RandomOrder

N = 40
CALLS = st.integers(1, 25)


class Study(RuleBasedStateMachine):
    """Start, crash, resume, cancel, steal, edit, save anew, raise the limit."""

    @initialize(limit=st.integers(10, N), order=st.sampled_from(["file", "random"]))
    def begin(self, limit, order):
        self.folder = tempfile.TemporaryDirectory()
        self.world = RunWorld(Path(self.folder.name), N, limit, order)
        self.order = RandomOrder(1, N) if order == "random" else None
        self.limit = limit
        self.safe: dict[str, tuple] = {}
        self.n_rough_ends = 0

    @property
    def covered(self) -> set[str]:
        """The narratives that the limit covers."""
        positions = range(1, self.limit + 1)
        rows = map(self.order.row_at, positions) if self.order else positions
        return {f"{row - 1:04d}" for row in rows}

    @property
    def changed(self) -> bool:
        """Whether the file is not what the study was started with."""
        return self.world.stored is not None and self.world.stored != self.world.texts

    @property
    def complete(self) -> bool:
        return len(self.world.results()) == self.limit

    # With another file, `run` would begin a second experiment once the first is complete.

    def expect(self, code: int, *normal: int) -> None:
        if self.changed:
            assert code == 3
        else:
            assert code in normal, code

    @precondition(lambda self: not (self.changed and self.complete))
    @rule(at=CALLS, verb=st.sampled_from(["run", "resume"]))
    def crash(self, at, verb):
        if verb == "resume" and not self.world.exists:
            return
        code = self.world.command(verb=verb, at=at)
        self.n_rough_ends += code == -9
        self.expect(code, -9, 0, 3)

    @precondition(lambda self: not (self.changed and self.complete))
    @rule(at=CALLS)
    def ctrl_c(self, at):
        self.expect(self.world.command(verb="run", at=at, do="interrupt"), 130, 0)

    @precondition(lambda self: not (self.changed and self.complete))
    @rule(at=CALLS)
    def steal(self, at):
        self.world.stolen_at = None
        code = self.world.command(verb="run", at=at, do="steal")
        self.expect(code, 0, 1)
        if self.world.stolen_at is not None:
            self.n_rough_ends += 1
            assert len(self.world.results()) == self.world.stolen_at
            if not self.complete:
                assert code == 1

    @precondition(lambda self: not self.changed)
    @rule(at=CALLS)
    def cancel(self, at):
        self.expect(self.world.cancel_when(at, verb="run"), 130, 0)

    @precondition(lambda self: self.world.exists and not self.complete)
    @rule(stored=st.booleans())
    def finish(self, stored):
        code = self.world.command(verb="resume", stored=stored)
        if stored:
            assert code == 0
        else:
            self.expect(code, 0)
        assert code != 0 or self.complete

    @precondition(lambda self: self.world.exists and not self.changed)
    @rule(more=st.integers(1, 15), at=st.none() | CALLS)
    def raise_the_limit(self, more, at):
        limit = min(N, self.limit + more)
        if limit == self.limit:
            return
        code = self.world.command(verb="resume", limit=limit, at=at)
        self.n_rough_ends += code == -9
        assert code in (0, -9)
        (stored,) = self.world.rows("SELECT n_narratives_total FROM experiments")
        assert stored[0] in (self.limit, limit)
        assert code != 0 or stored[0] == limit
        self.limit = stored[0]

    @rule(i=st.integers(0, N - 1))
    def edit_the_file(self, i):
        self.world.texts[i] += " Edited."
        self.world.write_data()

    @precondition(lambda self: self.changed)
    @rule()
    def put_the_file_back(self):
        self.world.texts = list(self.world.stored)
        self.world.write_data()

    @rule()
    def save_the_file_anew(self):
        self.world.newline = "\n" if self.world.newline == "\r\n" else "\r\n"
        self.world.write_data()

    @invariant()
    def what_was_committed_stays_and_is_right(self):
        results = self.world.results()
        assert self.safe.items() <= results.items()
        assert results.keys() <= self.covered
        self.safe = results
        for incident_id, row in results.items():
            assert row[4] == self.world.expected(incident_id)
            assert row[5] is None

    @invariant()
    def calls_and_books_agree(self):
        if not self.world.exists:
            return
        by_status = dict(self.world.rows("SELECT status, count(*) FROM attempts GROUP BY 1"))
        n_booked = sum(by_status.values())
        unanswered = by_status.get("open", 0) + by_status.get("lost", 0)
        assert by_status.get("failed", 0) == 0
        assert by_status.get("answered", 0) == len(
            self.world.results()
        )  # each narrative paid for once ...
        assert self.world.n_calls <= n_booked  # ... or on the books as lost
        assert unanswered <= self.n_rough_ends * (CONCURRENCY + AHEAD)
        tokens = "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM "
        assert self.world.rows(tokens + "run_sessions") == self.world.rows(tokens + "attempts")

    @invariant()
    def everything_is_accounted_for(self):
        if not self.world.exists:
            return
        experiments = self.world.rows("SELECT experiment_key, n_narratives_total FROM experiments")
        assert len(experiments) <= 1
        assert len(self.world.rows("SELECT 1 FROM datasets WHERE loaded_at IS NOT NULL")) <= 1
        for key, total in experiments:
            remaining = self.world.rows(
                f"SELECT incident_id FROM narratives n WHERE NOT EXISTS ("
                f" SELECT 1 FROM results r WHERE r.narrative_id = n.narrative_id"
                f" AND r.experiment_key = {key})"
            )
            remaining = self.covered & {incident_id for (incident_id,) in remaining}
            assert len(self.world.results()) + len(remaining) == total == self.limit

    def teardown(self):
        if hasattr(self, "world"):
            self.world.close()
            if self.world.exists:
                assert self.world.rows("PRAGMA integrity_check") == [("ok",)]
                assert self.world.rows("PRAGMA foreign_key_check") == []
            self.folder.cleanup()


TestStudy = Study.TestCase
TestStudy.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
