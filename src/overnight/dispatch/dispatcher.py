"""Who goes next, how many at once."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence

from overnight.dispatch.waiting import Waiting
from overnight.domain.attempt import Attempted, Job, OpenAttempt, Turn
from overnight.domain.concurrency import AHEAD
from overnight.domain.flow import Flow
from overnight.plan import PAGE_SIZE, Plan
from overnight.record import Recorder

_LOW_WATER = PAGE_SIZE // 2
_LONGEST_COMMIT = 1.0  # seconds; while one takes longer, nothing new is sent


class Dispatcher:
    """Hands open attempts to the workers that make the calls, as the flow allows.

    At most `flow.limit` calls are in flight, and at most AHEAD more than `flow.ceiling` attempts
    are open in the ledger, or AHEAD more than are in flight, where the ceiling has just fallen:
    what has ended is closed by the commit that opens its successor, or by an earlier one. Workers
    are hired when there is something to do for them.
    """

    def __init__(self, plan: Plan, recorder: Recorder, flow: Flow) -> None:
        self.flow = flow
        self.in_flight = 0
        self.stopping = False
        self.failure: BaseException | None = None
        self.hire: Callable[[], None] = lambda: None  # a worker, who will call `next`
        self.on_committed: Callable[[Sequence[Attempted]], None] = lambda _ended: None
        self._plan = plan
        self._recorder = recorder
        self._waiting = Waiting()
        self._ready: deque[OpenAttempt] = deque()
        self._turns: deque[asyncio.Future[None]] = deque()  # of workers that wait for an attempt
        self._n_workers = 0
        self._n_open = 0
        self._n_entering = 0  # of these, handed to the recorder and not yet back
        self._n_unfinished = 0  # narratives that the plan has given, and that have no result yet
        self._sole: OpenAttempt | None = None  # the call that no other has been under way with
        self._reading: asyncio.Task[None] | None = None
        self._exhausted = False
        self._dead = False  # the recorder is
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Hire the first worker, who gets everything going."""
        self._n_workers = 1
        self.hire()

    async def next(self) -> Turn | None:
        """The next attempt to send, when its turn comes; None when there will be no more."""
        self._refill()
        while not self._over:
            if self._ready and self._may_send():
                return self._send()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._turns.append(turn)
            await turn
        self._wake_all()
        return None

    def returned(self) -> None:
        """A call is no longer in flight, and how it ended has been handed to the recorder."""
        self.in_flight -= 1
        self._n_open -= 1
        self._set_timer()
        self._wake()

    def is_alone(self, attempt: OpenAttempt) -> bool:
        """Whether no other call has been under way with this one."""
        return self._sole is attempt

    @property
    def n_left(self) -> float:
        """How many narratives have no result yet; infinite while the plan has more."""
        return self._n_unfinished if self._exhausted else math.inf

    def finished(self) -> None:
        """A narrative has its result."""
        self._n_unfinished -= 1

    def retry(self, job: Job, seconds: float) -> None:
        """Call for this narrative again, not earlier than in so many seconds."""
        self._waiting.delay(job, self._now() + seconds)

    def postpone(self, job: Job) -> None:
        """Call for this narrative again when all others are done."""
        self._waiting.postpone(job)

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
            self._turns.append(turn)
            await turn

    # --- told by the recorder ------------------------------------------------------------

    def on_commit(self, opened: Sequence[OpenAttempt], ended: Sequence[Attempted]) -> None:
        """Attempts may be sent; others are closed and make room."""
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

    def _now(self) -> float:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    @property
    def _over(self) -> bool:
        return self.stopping or (
            self._exhausted and not self._waiting and not self._ready and self._n_open == 0
        )

    def _may_send(self) -> bool:
        if self._recorder.waiting > _LONGEST_COMMIT:
            return False  # what comes back could not be written down
        return self.flow.may_send(self.in_flight, self._now())

    def _send(self) -> Turn:
        attempt, now = self._ready.popleft(), self._now()
        self._sole = attempt if self.in_flight == 0 else None
        self.in_flight += 1
        window = self.flow.sent(self.in_flight, now)
        if self.flow.controller is not None and self.flow.controller.due > now:
            self._set_timer()  # calls are spaced
        return Turn(attempt, now, window)

    def _refill(self) -> None:
        """Enter as many attempts as may be open, and read ahead in the plan."""
        if self.stopping:
            return
        jobs = []
        while self._n_open < self.flow.ceiling + AHEAD and (job := self._next_job()):
            self._n_open += 1
            jobs.append(job)
        if jobs:
            self._n_entering += len(jobs)
            self._recorder.open(jobs)
        if self._waiting.n_in_order < _LOW_WATER and not self._exhausted and self._reading is None:
            self._reading = asyncio.create_task(self._read())
        self._set_timer()

    def _next_job(self) -> Job | None:
        return self._waiting.next(self._now(), no_more=self._exhausted, quiet=self._n_open == 0)

    async def _read(self) -> None:
        try:
            page = await self._plan.next_page()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.fail(error)
            return
        self._reading = None
        self._waiting.add(page)
        self._n_unfinished += len(page)
        self._exhausted = not page
        self._refill()
        self._wake()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.stopping:
            return
        due = [self.flow.look_again_at(self._now())]
        if self._n_open < self.flow.ceiling + AHEAD:
            due.append(self._waiting.due())
        times = [time for time in due if time is not None]
        if times:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(min(times) + 0.001, self._look_again)

    def _look_again(self) -> None:
        self._refill()
        self._wake()

    def _wake(self) -> None:
        """Let as many workers look again as could have something to do."""
        if self._over:
            self._wake_all()
            return
        if self._ready and self._may_send():
            free = max(1, self.flow.limit - self.in_flight)
            for _ in range(min(free, len(self._ready))):
                if not self._wake_one():
                    self._hire()
                    return

    def _wake_one(self) -> bool:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    def _hire(self) -> None:
        """As many workers as could have something to do, those included that are on their way."""
        for _ in range(self._n_workers, min(self.flow.limit, self.in_flight + len(self._ready))):
            self._n_workers += 1
            self.hire()

    def _wake_all(self) -> None:
        while self._turns:
            self._wake_one()
