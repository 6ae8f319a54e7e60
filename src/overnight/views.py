"""Read models: the one source of what a screen, the log or --json shows of a run."""

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from overnight.config.expand import hide_passwords
from overnight.domain.experiment import Counts, Experiment, Status
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.datasets import Dataset, get_dataset, left_out_counts
from overnight.store.limits import LimitRow, limits_of
from overnight.store.pauses import PauseRow
from overnight.store.sessions import SessionRow
from overnight.store.summary import Summary, summarize
from overnight.store.times import from_text
from overnight.usage import Usage, usage_of
from overnight.words import iso, paused, rate_text


@dataclass(frozen=True, slots=True)
class Owner:
    """Who works on an experiment."""

    host: str
    pid: int
    since: datetime


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """One experiment as `list` and `status` show it."""

    experiment_id: str
    name: str
    state: str  # the status, or "running (crashed)"
    owner: Owner | None
    counts: Counts
    last_alive: datetime | None
    pause: PauseRow | None  # that lasts right now
    summary: Summary
    created_at: datetime
    is_alive: bool = False  # whether a process works on it

    @property
    def repeat_text(self) -> str | None:
        """Which repetition of what it is; None where it is none."""
        of, no = self.summary.row["repeat_of"], self.summary.row["repeat_no"]
        return None if of is None else f"repeat {no} of {of[:8]}"

    @property
    def origin_text(self) -> str | None:
        """Whose answers it repeats or copies; None where it stands for itself."""
        reused = self.summary.row["reuse_of"]
        return self.repeat_text or (None if reused is None else f"reuses {reused[:8]}")

    @property
    def pause_text(self) -> str | None:
        """The pause in words; None while calls are answered."""
        pause = self.pause
        if pause is None:
            return None
        return paused(from_text(pause.began_at), pause.reason, _maybe(pause.next_probe_at))


def view_experiment(database: Database, experiment: Experiment) -> ExperimentView:
    """What can be said of an experiment from outside, right now."""
    holder = lock.holder(database.path, experiment.experiment_key)
    alive = holder is not None
    summary = summarize(database, experiment.experiment_key)
    last = summary.sessions[-1] if summary.sessions else None
    owner = None
    if last is not None and _is_owner(last, holder):
        owner = Owner(last.host, last.pid, from_text(last.started_at))
    status = summary.row["status"]
    crashed = status == Status.RUNNING and not alive
    n_errors = sum(summary.errors.values())
    return ExperimentView(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        state="running (crashed)" if crashed else status,
        owner=owner,
        counts=Counts(
            total=summary.row["n_narratives_total"] or experiment.n_total,  # some rows lack it
            answered=summary.n_results - n_errors,
            errors=n_errors,
            copied=summary.n_copied,
        ),
        last_alive=from_text(last.last_seen_at) if last else None,
        pause=_open_pause(summary, owner),
        summary=summary,
        created_at=experiment.created_at,
        is_alive=alive,
    )


def _is_owner(last: SessionRow, holder: int | None) -> bool:
    """Whether the last session is that of the lock's holder.

    Not if a dead one left it open, and the holder is about to open its own.
    """
    if holder is None or last.ended_at is not None:
        return False
    can_tell = holder > 0 and last.host == socket.gethostname()
    return not can_tell or last.pid == holder


def _open_pause(summary: Summary, owner: Owner | None) -> PauseRow | None:
    last = summary.pauses[-1] if summary.pauses else None
    return last if owner is not None and last is not None and last.ended_at is None else None


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of the calls that are on the ledger: made = answered + failed + lost + open.

    Of those that are open some are only entered, in one transaction with those before them.
    """

    made: int
    answered: int
    failed: int
    lost: int
    open: int
    is_alive: bool  # a process works on them

    @property
    def text(self) -> str:
        """Each kind with what it means: 53 made = 47 answered + 3 failed (...) + ..."""
        under_way, ahead = ("under way", "not made yet")
        if not self.is_alive:
            under_way, ahead = ("under way when it died", "never made")
        kinds = (
            (self.failed, "failed (no answer, or none that could be read)"),
            (self.lost, "lost (abandoned under way; they may have been paid for)"),
            (self.open, f"open ({under_way}, or entered ahead and {ahead})"),
        )
        others = "".join(f" + {n:,} {what}" for n, what in kinds if n)
        word = "entered" if self.open else "made"
        return f"{self.made:,} {word} = {self.answered:,} answered{others}"


def _calls(view: "ExperimentView") -> Calls | None:
    """Sessions count the calls that have ended, in the transactions that end them."""
    counted = {name: view.summary.unanswered.get(name, 0) for name in ("failed", "lost", "open")}
    ended = sum(session.n_calls for session in view.summary.sessions)
    made = ended + counted["open"]
    if not made:
        return None
    answered = ended - counted["failed"] - counted["lost"]
    return Calls(made, answered, **counted, is_alive=view.is_alive)


@dataclass(frozen=True, slots=True)
class StatusView:
    """One experiment in detail."""

    view: ExperimentView
    dataset: Dataset
    left_out: Mapping[str, int]
    worked: float  # seconds, in all sessions
    stood_still: float  # ... and what the machine slept meanwhile
    paused: float  # ... and for how long the server gave no answers
    rate: float | None  # narratives per second, in the last session
    eta: datetime | None  # as the owner reckons it
    prompt_tokens: int
    completion_tokens: int
    usage: Usage  # the same tokens by what came of the calls, with their cost
    limits: list[LimitRow]  # how many calls at once were found to be right, in all sessions
    calls: Calls | None = None  # None: none was made

    @property
    def concurrency_text(self) -> str | None:
        """How many calls at once the last session makes: 4, or 1 -> 96, now 90, 31.80/s."""
        sessions = self.view.summary.sessions
        if not sessions:
            return None
        path = [row for row in self.limits if row.session_id == sessions[-1].session_id]
        if not path:
            fixed = sessions[-1].concurrency
            return None if fixed is None else str(fixed)
        highest, rate = max(row.concurrency for row in path), path[-1].rate
        began = f"{path[0].concurrency} -> {highest}, " if highest > path[0].concurrency else ""
        return f"{began}now {path[-1].concurrency}" + (
            "" if rate is None else f", {rate_text(rate)}"
        )


def view_status(database: Database, experiment: Experiment) -> StatusView:
    """Everything that `status` shows, counted now."""
    view = view_experiment(database, experiment)
    sessions = view.summary.sessions
    with database.read() as connection:
        limits = limits_of(connection, experiment.experiment_key)
    return StatusView(
        view=view,
        dataset=get_dataset(database, experiment.dataset_id),
        left_out=left_out_counts(database, experiment.dataset_id),
        worked=sum(session.runtime_sec for session in sessions),
        stood_still=sum(session.stood_still_sec for session in sessions),
        paused=sum(map(_pause_seconds, view.summary.pauses)),
        rate=_session_rate(sessions[-1]) if sessions else None,
        eta=_maybe(view.summary.row["estimated_completion_time"]),
        prompt_tokens=sum(session.prompt_tokens for session in sessions),
        completion_tokens=sum(session.completion_tokens for session in sessions),
        usage=usage_of(database, experiment, view.counts),
        limits=limits,
        calls=_calls(view),
    )


def _pause_seconds(pause: PauseRow) -> float:
    ended = datetime.now(UTC) if pause.ended_at is None else from_text(pause.ended_at)
    return max(0.0, (ended - from_text(pause.began_at)).total_seconds())


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)


def _session_rate(session: SessionRow) -> float | None:
    seconds = session.runtime_sec
    return session.n_results / seconds if seconds > 0 and session.n_results else None


def view_json(view: ExperimentView) -> dict[str, Any]:
    """An experiment as one JSON object: the table's columns, the state, the owner, the counts."""
    values = {
        name: _iso(value) if name in _TIMES else _without_passwords(value)
        for name, value in view.summary.row.items()
        if name != "experiment_key"
    }
    owner = view.owner
    counts = view.counts
    pause = view.pause
    return {
        **values,
        "state": view.state,
        "pause": pause
        and {
            "since": _iso(pause.began_at),
            "reason": pause.reason,
            "n_probes": pause.n_probes,
            "next_probe_at": _iso(pause.next_probe_at),
        },
        "owner": owner and {"host": owner.host, "pid": owner.pid, "since": iso(owner.since)},
        "total": counts.total,
        "completed": counts.completed,
        "answered": counts.answered,
        "copied": counts.copied,
        "errors": counts.errors,
        "remaining": counts.remaining,
    }


def limit_json(row: LimitRow) -> dict[str, Any]:
    """A point of the path of the limit as one JSON object."""
    return {**dataclasses.asdict(row), "at": _iso(row.at)}


def session_json(session: SessionRow) -> dict[str, Any]:
    """A session as one JSON object: its columns."""
    values = dataclasses.asdict(session)
    return {name: _iso(value) if name in _TIMES else value for name, value in values.items()}


_TIMES = frozenset(
    (
        "created_at",
        "start_time",
        "end_time",
        "last_progress_update",
        "estimated_completion_time",
        "started_at",
        "last_seen_at",
        "ended_at",
        "stop_asked_at",
    )
)


def _without_passwords(value: object) -> object:
    """The stored configuration must hold an address as it is; nobody needs to see it."""
    return hide_passwords(value) if isinstance(value, str) else value


def _iso(value: str | None) -> str | None:
    return None if value is None else iso(from_text(value))
