"""The life of an experiment: its states, and the only ways from one to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from overnight.domain.order import RandomOrder


class Status(StrEnum):
    """What the row says. A dead owner leaves `running` behind: the screen shows it as crashed."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What happens to an experiment."""

    RESUME = "resume"
    RETRY = "retry"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    DELETE = "delete"


# (from, event) -> to. Whoever resumes a running experiment must hold its lock: then its owner
# is dead. A completed one is resumed only with a raised limit; the caller sees to that. One
# that is being deleted is cancelled until its last row is gone.
TRANSITIONS: Mapping[tuple[Status, Event], Status] = {
    (Status.RUNNING, Event.FINISH): Status.COMPLETED,
    (Status.RUNNING, Event.FAIL): Status.FAILED,
    (Status.RUNNING, Event.CANCEL): Status.CANCELLED,
    (Status.RUNNING, Event.RESUME): Status.RUNNING,
    (Status.FAILED, Event.RESUME): Status.RUNNING,
    (Status.CANCELLED, Event.RESUME): Status.RUNNING,
    (Status.COMPLETED, Event.RESUME): Status.RUNNING,
    (Status.RUNNING, Event.RETRY): Status.RUNNING,
    (Status.FAILED, Event.RETRY): Status.RUNNING,
    (Status.CANCELLED, Event.RETRY): Status.RUNNING,
    (Status.COMPLETED, Event.RETRY): Status.RUNNING,
    **{(status, Event.DELETE): Status.CANCELLED for status in Status},
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One configuration over one dataset, as far as work on it needs to know."""

    experiment_key: int  # inside the database
    experiment_id: str  # everywhere else
    name: str
    status: Status
    status_reason: str | None
    dataset_id: int
    data_checksum: str  # of the data file as it was last seen to hold the dataset
    n_total: int
    stored_config: Mapping[str, Any]
    config_file: str | None
    binding_sha256: str
    served_model: str | None  # fixed by the first answered call
    structured: str | None
    created_at: datetime
    order: RandomOrder | None = None  # None: the order of the file
    configuration_sha256: str | None = None  # None: of an older database


@dataclass(frozen=True, slots=True)
class Counts:
    """Where an experiment stands, computed from its rows."""

    total: int
    answered: int
    errors: int

    @property
    def completed(self) -> int:
        """Narratives that have a result."""
        return self.answered + self.errors

    @property
    def remaining(self) -> int:
        """Narratives that have none."""
        return self.total - self.completed


@dataclass(frozen=True, slots=True)
class Workload:
    """What a session is to do: narratives without a result, and errors to be asked again."""

    remaining: int
    errors: Sequence[int] = ()  # ids of narratives

    @property
    def total(self) -> int:
        """Narratives that will get a result, or a new one."""
        return self.remaining + len(self.errors)
