"""Recording: one writer thread that commits what calls amounted to and opens the next ones.

An attempt is entered before it is sent and closed in the transaction that records its outcome.
Closing and opening share transactions: the commit that closes an attempt opens its successor.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from overnight.domain.answer import AnswerSpec
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.cost import Tokens
from overnight.errors import DatabaseBusy, OvernightError, SupersededError
from overnight.events import LimitMoved, Waiting
from overnight.record.company import Company
from overnight.store.database import Database, Writer
from overnight.store.experiments import fix_peer, record_progress
from overnight.store.ledger import close_attempts, delete_unsent, open_attempts, tokens_of
from overnight.store.limits import enter_limit
from overnight.store.pauses import enter_pause
from overnight.store.rescue import rescue_file, write_rescue
from overnight.store.sessions import SignOfLife, fence, record_peer

LARGEST_GROUP = 100
PROGRESS_EVERY = 1.0  # seconds between two updates of the experiment's row
PATIENCE = 600.0  # seconds that a commit waits for a database that somebody else has locked
_ONE_TRY = 1.0  # ... of which it asks SQLite to wait at a time


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Whose rows are written."""

    session_id: int
    experiment_key: int
    experiment_id: str


@dataclass(frozen=True, slots=True)
class Peer:
    """What answers: as the first reply of a session told."""

    served_model: str | None
    system_fingerprint: str | None
    structured: str | None


@dataclass(slots=True)
class _Group:
    ended: list[Attempted] = field(default_factory=list)
    to_open: list[Job] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    pauses: list[Waiting] = field(default_factory=list)
    limits: list[LimitMoved] = field(default_factory=list)
    last: bool = False
    size: int = 0  # items


_Item = Attempted | list[Job] | list[int] | Peer | Waiting | LimitMoved | None


class Listener(Protocol):
    """Who is told, on the event loop, what has been committed."""

    def on_commit(self, opened: Sequence[OpenAttempt], ended: Sequence[Attempted]) -> None:
        """These are in the database."""

    def on_failure(self, error: BaseException) -> None:
        """Nothing can be written any more."""


Estimate = Callable[[float], float | None]  # now -> when all will be done; from any thread
# (calls, results, tokens) that a commit records
Sign = Callable[[int, int, Tokens], SignOfLife]


def _now(n_calls: int, n_results: int, tokens: Tokens) -> SignOfLife:
    return SignOfLife(time.time(), 0.0, 0.0, n_calls, n_results, *tokens)


class Recorder:
    """The queue to the writer thread. Its methods are called on the event loop only."""

    def __init__(
        self,
        database: Database,
        keys: SessionKeys,
        spec: AnswerSpec,
        *,
        completed: int,
        estimate: Estimate = lambda _now: None,
        sign: Sign = _now,
    ) -> None:
        self._database = database
        self._keys = keys
        self._spec = spec
        self._completed = completed
        self._estimate = estimate
        self._sign = sign
        self._patience = PATIENCE
        self._commit_began: float | None = None  # monotonic; None: none is under way
        self.rescued: tuple[int, Path] | None = None  # calls that could not be recorded, and where
        self._n_put = self._n_done = 0
        self._progress_at = float("-inf")
        self._owes_progress = False
        # Bounded by the dispatcher, which never has more attempts open than it may.
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._company = Company()
        self._thread = threading.Thread(target=self._work, name="overnight-writer", daemon=True)
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finished = asyncio.Event()

    def start(self, listener: Listener) -> None:
        """Begin; `listener` is told on the running loop."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def record(self, ended: Attempted) -> None:
        """Commit how a call ended."""
        self._put(ended)

    def open(self, jobs: list[Job]) -> None:
        """Enter the next calls; they come back to the listener as attempts that may be sent."""
        self._put(jobs)

    def withdraw(self, unsent: list[OpenAttempt]) -> None:
        """Take attempts off the ledger that were never sent."""
        if unsent:
            self._put([attempt.attempt_id for attempt in unsent])

    def meet(self, peer: Peer) -> None:
        """Record what the server says it is; the experiment keeps the first."""
        self._put(peer)

    @property
    def waiting(self) -> float:
        """Seconds that the commit which is under way has taken so far; 0.0 if none is."""
        began = self._commit_began
        return 0.0 if began is None else time.monotonic() - began

    @property
    def idle(self) -> bool:
        """Whether all that was handed in has been committed."""
        return self._n_put == self._n_done

    def hurry(self) -> None:
        """Somebody wants to stop: wait no longer for a database that is locked."""
        self._patience = _ONE_TRY

    def note(self, told: Waiting | LimitMoved) -> None:
        """Record that the run pauses, or goes on, or how many calls at once it makes."""
        self._put(told)

    async def finish(self) -> None:
        """Commit all that is waiting, then end the thread."""
        self._put(None)
        await self._finished.wait()

    def _put(self, item: _Item) -> None:
        self._n_put += 1
        self._queue.put(item)
        if item is None or isinstance(item, Attempted):
            self._company.came(last=item is None)

    # --- the writer thread ---------------------------------------------------------------

    def _work(self) -> None:
        assert self._loop is not None  # noqa: S101 - start() has run
        group = _Group()
        try:
            with self._database.writer() as writer:
                while not group.last:
                    group = self._collect()
                    opened = self._commit_patiently(writer, group)
                    self._tell("on_commit", opened, group.ended)
                    self._company.committed()
                    self._n_done += group.size
        except SupersededError as error:  # another session asks for these narratives again
            self._tell("on_failure", error)
            self._await_the_last(group)
        except BaseException as error:  # whatever it is: what has been paid for is rescued
            self._tell("on_failure", error)
            self._rescue(self._await_the_last(group))
            if not isinstance(error, OvernightError):
                raise  # a bug must stop the run, not hang it
        finally:
            self._n_done = self._n_put
            self._loop.call_soon_threadsafe(self._finished.set)

    def _await_the_last(self, group: _Group) -> _Group:
        """What still comes back from calls in flight joins what could not be written."""
        while not group.last:
            _add(group, self._queue.get())
        return group

    def _rescue(self, group: _Group) -> None:
        """Keep what could not be recorded beside the database, if at all possible."""
        if not group.ended:
            return
        keys = self._keys
        file = rescue_file(self._database.path, keys.experiment_id, keys.session_id)
        with suppress(OSError):  # the same full disk
            write_rescue(file, group.ended)
            self.rescued = (len(group.ended), file)

    def _tell(self, method: str, *arguments: object) -> None:
        assert self._loop is not None  # noqa: S101 - start() has run
        self._loop.call_soon_threadsafe(getattr(self._listener, method), *arguments)

    def _collect(self) -> _Group:
        """Wait for something to write, then a moment for its company."""
        group = _Group()
        try:
            _add(group, self._queue.get(timeout=PROGRESS_EVERY if self._owes_progress else None))
        except queue.Empty:
            return group  # nothing has come for a while: write where the run stands
        self._drain(group)
        if not group.last and len(group.ended) < self._company.enough:
            self._company.wait()
            self._drain(group)
        self._company.go(len(group.ended))
        return group

    def _drain(self, group: _Group) -> None:
        """Add what has come, as far as one group may hold it."""
        with suppress(queue.Empty):
            while not group.last and len(group.ended) < LARGEST_GROUP:
                _add(group, self._queue.get_nowait())

    def _commit_patiently(self, writer: Writer, group: _Group) -> list[OpenAttempt]:
        """Commit a group, also if another program has the database locked for a while."""
        self._commit_began = time.monotonic()
        try:
            while True:
                try:
                    return self._commit(writer, group)
                except DatabaseBusy:
                    if self.waiting > self._patience:
                        raise DatabaseBusy(self._too_long()) from None
        finally:
            self._commit_began = None

    def _too_long(self) -> str:
        return (
            f"another program has held {self._database.path} locked for {self.waiting:,.0f} s; "
            "close it, then type the same command again"
        )

    def _commit(self, writer: Writer, group: _Group) -> list[OpenAttempt]:
        """One transaction for the whole group; nothing at all if the session lost its right."""
        keys = self._keys
        n_results = sum(ended.final for ended in group.ended)
        n_new = sum(ended.final and not ended.attempt.job.has_result for ended in group.ended)
        sign = self._sign(len(group.ended), n_results, tokens_of(group.ended))
        now = sign.now
        with writer.write(_ONE_TRY) as connection:
            fence(connection, keys.session_id, sign)
            close_attempts(connection, keys.experiment_key, group.ended, self._spec)
            delete_unsent(connection, group.unsent)
            ids = open_attempts(
                connection, keys.session_id, keys.experiment_key, group.to_open, now
            )
            for peer in group.peers:
                record_peer(connection, keys.session_id, _columns(peer))
                fix_peer(connection, keys.experiment_key, peer.served_model, peer.structured)
            for pause in group.pauses:
                enter_pause(connection, keys.session_id, keys.experiment_key, pause)
            for moved in group.limits:
                enter_limit(connection, keys.session_id, keys.experiment_key, moved)
            completed = self._completed + n_new
            tick = time.monotonic()
            self._owes_progress = self._owes_progress or n_results > 0
            if self._owes_progress and (tick - self._progress_at >= PROGRESS_EVERY or group.last):
                self._progress_at, self._owes_progress = tick, False
                record_progress(
                    connection,
                    keys.experiment_key,
                    completed=completed,
                    now=now,
                    eta=self._estimate(now),
                )
        self._completed = completed
        for job in group.to_open:
            job.n_calls += 1
        return [OpenAttempt(i, job) for i, job in zip(ids, group.to_open, strict=True)]


def _add(group: _Group, item: _Item) -> None:
    group.size += 1
    if item is None:
        group.last = True
    elif isinstance(item, Attempted):
        group.ended.append(item)
    elif isinstance(item, Peer):
        group.peers.append(item)
    elif isinstance(item, Waiting):
        group.pauses.append(item)
    elif isinstance(item, LimitMoved):
        group.limits.append(item)
    else:
        for entry in item:
            if isinstance(entry, Job):
                group.to_open.append(entry)
            else:
                group.unsent.append(entry)


def _columns(peer: Peer) -> Mapping[str, Any]:
    return {
        "served_model": peer.served_model,
        "system_fingerprint": peer.system_fingerprint,
        "structured": peer.structured,
    }
