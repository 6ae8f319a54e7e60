"""What happens in a run, by name. The core emits these; logs, screens and files are handlers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from overnight.domain.attempt import Attempted
from overnight.domain.experiment import Counts


@dataclass(frozen=True, slots=True)
class Said:
    """One line for whoever watches, and for the log."""

    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """Work begins or goes on."""

    experiment_id: str
    name: str
    kind: str  # start, resume, retry
    counts: Counts
    errors_again: int  # of the errors, those that are asked again
    concurrency: int | None  # None: as many as the server takes; that is found out
    log_file: str


@dataclass(frozen=True, slots=True)
class Committed:
    """These calls are in the database, safe."""

    ended: tuple[Attempted, ...]


@dataclass(frozen=True, slots=True)
class Progressed:
    """Where the run stands; every number that a screen shows."""

    total: int
    completed: int
    errors: int
    rate: float | None  # narratives per second, lately
    eta: datetime | None  # UTC
    elapsed: float  # seconds of this session
    prompt_tokens: int
    completion_tokens: int
    in_flight: int
    concurrency: int
    waiting: "Waiting | None" = None  # the pause, if it pauses


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run pauses: the server gives no answers, and is probed. Times: seconds since the epoch.

    Emitted when the pause begins, after each probe that was not answered, and when it is over.
    """

    since: float
    reason: str
    next_probe: float | None  # None: it is over
    n_probes: int  # that were not answered
    over_at: float | None = None


@dataclass(frozen=True, slots=True)
class LimitMoved:
    """So many calls at once were found to be right."""

    at: float  # seconds since the epoch
    limit: int
    rate: float | None  # answers per second since the last one


@dataclass(frozen=True, slots=True)
class StoodStill:
    """For so long nothing happened here: the machine slept, or the process was stopped."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Draining:
    """Someone asked to stop: calls in flight are waited for, no new ones are sent."""

    in_flight: int
    seconds: float
    by: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over and everything it did is in the database."""

    status: str
    reason: str | None
    counts: Counts
    elapsed: float  # seconds


Event = (
    Said
    | SessionOpened
    | Committed
    | Progressed
    | Waiting
    | LimitMoved
    | StoodStill
    | Draining
    | SessionEnded
)
Handler = Callable[[Event], None]


def broadcast(handlers: tuple[Handler, ...]) -> Handler:
    """One handler that calls each of `handlers` in turn."""

    def handle(event: Event) -> None:
        for handler in handlers:
            handler(event)

    return handle
