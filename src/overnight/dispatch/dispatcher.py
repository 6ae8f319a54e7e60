"""Who goes next, how many at once."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence

from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.concurrency import AHEAD
from overnight.plan import PAGE_SIZE, Plan
from overnight.record import Recorder

_LOW_WATER = PAGE_SIZE // 2
_LONGEST_COMMIT = 1.0  # seconds; while one takes longer, nothing new is sent


class Dispatcher:
    """Hands open attempts to the workers that make the calls.

    At most `limit` calls are in flight, and at most `limit` + AHEAD attempts are open in the
    ledger; an attempt counts as open until the commit that closes it. One attempt alone is in
    flight until the first reply has come: what is wrong with the set-up then costs one call.
    """

    def __init__(self, plan: Plan, recorder: Recorder, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.stopping = False
        self.failure: BaseException | None = None
        self._plan = plan
        self._recorder = recorder
        self._proven = False  # whether a reply has come in this session
        self._n_open = 0
        self._n_entering = 0  # of these, handed to the recorder and not yet back
        self._not_before = 0.0  # on the loop's clock: the server asked for a rest
        self._backlog: deque[Job] = deque()
        self._delayed: list[tuple[float, int, Job]] = []  # a heap by due time
        self._tie = itertools.count()
        self._ready: deque[OpenAttempt] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._exhausted = False
        self._dead = False  # the recorder is
        self._timer: asyncio.TimerHandle | None = None
        self.on_committed: Callable[[Sequence[Attempted]], None] = lambda _ended: None

    async def next(self) -> OpenAttempt | None:
        """The next attempt to send, when its turn comes; None when there will be no more."""
        self._refill()
        while not self._over:
            if self._ready and self._may_send():
                self.in_flight += 1
                return self._ready.popleft()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._wake_all()
        return None

    def returned(self, *, answered: bool) -> None:
        """A call is no longer in flight."""
        self.in_flight -= 1
        self._proven = self._proven or answered
        self._wake()

    def retry(self, job: Job, seconds: float) -> None:
        """Call for this narrative again, not earlier than in so many seconds."""
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._delayed, (due, next(self._tie), job))

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: the server asked everybody to slow down."""
        until = asyncio.get_running_loop().time() + seconds
        self._not_before = max(self._not_before, until)
        self._set_timer()

    def fail(self, error: BaseException) -> None:
        """Something broke that is no fault of a server: stop, and keep what is still coming."""
        self.failure = self.failure or error
        self.stop()

    def stop(self) -> None:
        """Hand out nothing more, and take back what was entered but not sent."""
        self.stopping = True
        self._n_open -= len(self._ready)
        self._recorder.withdraw(list(self._ready))
        self._ready.clear()
        if self._timer:
            self._timer.cancel()
        self._wake_all()

    async def idle(self) -> None:
        """Wait until the plan is not being read and no attempt is on its way into the ledger."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
        while self._n_entering and not self._dead:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    # --- told by the recorder ------------------------------------------------------------

    def on_commit(self, opened: Sequence[OpenAttempt], ended: Sequence[Attempted]) -> None:
        """Attempts may be sent; others are closed and make room."""
        self._n_open -= len(ended)
        self._n_entering -= len(opened)
        if self.stopping:
            self._recorder.withdraw(list(opened))
            self._n_open -= len(opened)
        else:
            self._ready.extend(opened)
            self._refill()
        self._wake()
        try:
            self.on_committed(ended)
        except Exception as error:  # noqa: BLE001 - a handler's bug must stop the run, not hang it
            self.fail(error)

    def on_failure(self, error: BaseException) -> None:
        """Nothing can be recorded any more, so nothing may be sent."""
        self.failure = error
        self._dead = True
        self.stopping = True
        self._ready.clear()
        self._wake_all()

    # --- inside --------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        nothing_left = self._exhausted and not self._backlog and not self._delayed
        return self.stopping or (nothing_left and not self._ready and self._n_open == 0)

    def _may_send(self) -> bool:
        if self._recorder.waiting > _LONGEST_COMMIT:
            return False  # what comes back could not be written down
        resting = asyncio.get_running_loop().time() < self._not_before
        return not resting and self.in_flight < (self.limit if self._proven else 1)

    def _refill(self) -> None:
        """Enter as many attempts as may be open, and read ahead in the plan."""
        if self.stopping:
            return
        jobs = []
        while self._n_open < self.limit + AHEAD and (job := self._next_job()):
            self._n_open += 1
            jobs.append(job)
        if jobs:
            self._n_entering += len(jobs)
            self._recorder.open(jobs)
        if len(self._backlog) < _LOW_WATER and not self._exhausted and self._reading is None:
            self._reading = asyncio.create_task(self._read())
        self._set_timer()

    def _next_job(self) -> Job | None:
        if self._delayed and self._delayed[0][0] <= asyncio.get_running_loop().time():
            return heapq.heappop(self._delayed)[2]
        return self._backlog.popleft() if self._backlog else None

    async def _read(self) -> None:
        try:
            page = await self._plan.next_page()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.fail(error)
            return
        self._reading = None
        self._backlog.extend(page)
        self._exhausted = not page
        self._refill()
        self._wake()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        due = [self._not_before] if loop.time() < self._not_before else []
        if self._delayed and self._n_open < self.limit + AHEAD:
            due.append(self._delayed[0][0])
        if due:
            self._timer = loop.call_at(min(due) + 0.001, self._look_again)

    def _look_again(self) -> None:
        self._refill()
        self._wake()

    def _wake(self) -> None:
        """Let as many workers look again as could have something to do."""
        if self._over:
            self._wake_all()
            return
        if not self._may_send():
            return
        free = self.limit - self.in_flight if self._proven else 1 - self.in_flight
        for _ in range(min(free, len(self._ready))):
            self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._waiting:
            self._wake_one()
