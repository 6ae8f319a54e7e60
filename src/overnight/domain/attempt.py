"""One call to the model for one narrative."""

from dataclasses import dataclass

from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Outcome


@dataclass(slots=True)
class Job:
    """A narrative on its way to a result. The first counters are those of all sessions."""

    narrative: Narrative
    has_result: bool = False  # an error, which stays until its new outcome replaces it
    n_calls: int = 0  # on record, lost ones included
    n_unreadable: int = 0  # replies on record that nobody could read
    first_error: str | None = None  # message of the first call that failed, ever
    unreadable_now: int = 0  # since it had its last result; a broken-off session's count too
    failed_now: int = 0  # in this session by the server's fault, others being answered in between
    answers_when_failed: int = 0  # answers that the session had when it failed last
    n_deaths: int = 0  # the server died with it under way
    lone_deaths: int = 0  # ... and nothing else

    def seed(self, base: int) -> int:
        """The seed of the next call: moved on by each unreadable reply and by nothing else."""
        return base + self.n_unreadable


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A call whose row is committed; only these may be sent."""

    attempt_id: int
    job: Job


@dataclass(frozen=True, slots=True)
class Turn:
    """An attempt whose turn it is: it is sent now."""

    attempt: OpenAttempt
    sent_at: float  # by the loop's clock
    window: int  # of the controller's measurements


@dataclass(slots=True)  # not frozen: one for each call, and that takes three times as long
class Attempted:
    """A call that has ended. `final`: its outcome is the narrative's result."""

    attempt: OpenAttempt
    outcome: Outcome
    final: bool
    started_at: float  # seconds since the epoch
    response_sec: float
