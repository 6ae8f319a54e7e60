"""What a session is, how it begins and how it can end."""

import time
from dataclasses import dataclass

from overnight.clock import Heartbeat
from overnight.config.load import Config
from overnight.domain.cost import Tokens
from overnight.domain.experiment import Counts, Event, Experiment, Workload
from overnight.events import Said
from overnight.record import SessionKeys
from overnight.store.database import Database
from overnight.store.sessions import SignOfLife

_NO_TOKENS = Tokens()
METRIC_COLUMNS = (
    "n_positive_detected",
    "n_negative_detected",
    "n_positive_manual",
    "n_negative_manual",
    "accuracy",
    "precision_ipv",
    "recall_ipv",
    "f1_ipv",
    "n_true_positive",
    "n_true_negative",
    "n_false_positive",
    "n_false_negative",
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session begins."""

    config: Config  # binding fields as stored, the others as they are now
    kind: str = "resume"  # or retry: of errors alone; the first session of all is a start
    retry: tuple[str, ...] = ()  # categories of errors that are asked again
    total: int | None = None  # narratives that the experiment covers from now on, where raised
    loaded: str | None = None  # checksum of the data file, where `run` has just verified it
    use_stored_data: bool = False
    accept_model: bool = False  # whichever the server names next
    backup: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """The right to work on an experiment, and what it began with."""

    database: Database
    keys: SessionKeys
    experiment: Experiment
    config: Config
    kind: str
    counts: Counts
    workload: Workload
    fingerprint: str | None  # of the server, as the session before saw it
    heartbeat: Heartbeat
    worked_before: float  # seconds, in earlier sessions
    notes: tuple[Said, ...]  # what the user should know before work begins

    def sign(self, n_calls: int = 0, n_results: int = 0, tokens: Tokens = _NO_TOKENS) -> SignOfLife:
        """What the session says of itself with a write; so many calls have ended since."""
        beat = self.heartbeat
        return SignOfLife(time.time(), beat.worked, beat.stood_still, n_calls, n_results, *tokens)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session's work came to an end."""

    event: Event
    reason: str | None = None
