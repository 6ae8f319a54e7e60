"""A model server that lives by a frozen clock: outages, restarts, rate limits, poison, a swap."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from overnight import work
from overnight.domain.outcome import Blame, ErrorCategory, Fault, How, Reply, Request
from overnight.record import Recorder
from overnight.testing import Call, FrozenClock, FrozenLoop, keyword_script
from overnight.testing.queueing import Bucket

DOWN = Fault(ErrorCategory.API_ERROR, "cannot connect", Blame.SERVER, how=How.REFUSED)
BROKE = Fault(ErrorCategory.API_ERROR, "the connection broke", Blame.SERVER, how=How.BROKE)
LATE = Fault(ErrorCategory.API_ERROR, "no answer within 300 s", Blame.SERVER, how=How.TIMED_OUT)
UNLOADED = Fault(ErrorCategory.API_ERROR, "no model loaded", Blame.SERVER, 404)
CRASH = Fault(ErrorCategory.API_ERROR, "HTTP 500", Blame.SERVER, 500)

Window = tuple[float, float]  # seconds since the start


@dataclass
class NightServer:
    """A client whose server is simulated; times in seconds since the start."""

    clock: FrozenClock
    latency: float = 30.0
    outages: Sequence[Window] = ()  # nobody listens; calls under way break
    hangs: Sequence[Window] = ()  # calls are taken on and never answered
    unloaded: Sequence[Window] = ()  # the server is there, its model is not
    limits: Sequence[tuple[float, float, float]] = ()  # from, until, Retry-After
    swap_at: float = float("inf")  # from then on another model answers
    poison: str = ""  # a text that kills the server
    restart_sec: float = 120.0
    crashes: str = ""  # a text that is answered with HTTP 500, always
    bucket: Bucket | None = None  # a rate limit
    slots: int | None = None  # calls that it works on at once; the others wait in line
    structured: str = "json_schema"
    max_concurrency: int | None = None
    calls: list[tuple[float, str]] = field(default_factory=list)
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock.elapsed
        self._down_until = 0.0
        self._in_flight: set[asyncio.Future] = set()
        self._free = asyncio.Semaphore(self.slots or 10**6)

    @property
    def at(self) -> float:
        return self.clock.elapsed - self.started

    async def open(self) -> None:
        self._tasks = [asyncio.create_task(self._break_at(start)) for start, _ in self.outages]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _break_at(self, start: float) -> None:
        await asyncio.sleep(max(0.0, start - self.at))
        self._break()

    def _break(self) -> None:
        for call in self._in_flight:
            if not call.done():
                call.set_result(BROKE)

    def _is_down(self) -> bool:
        return self.at < self._down_until or _within(self.at, self.outages)

    async def call(self, request: Request) -> Reply | Fault:
        self.calls.append((self.at, request.text))
        if self._is_down():
            await asyncio.sleep(0.001)
            return DOWN
        for start, end, wait in self.limits:
            if start <= self.at < end:
                return Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, wait)
        if self.bucket is not None and (wait := self.bucket.wait(self.at)):
            await asyncio.sleep(0.05)
            return Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, math.ceil(wait))
        if _within(self.at, self.unloaded):
            return UNLOADED
        if self.crashes and self.crashes in request.text:
            return CRASH
        return await self._work(request)

    async def _work(self, request: Request) -> Reply | Fault:
        broken = asyncio.get_running_loop().create_future()
        self._in_flight.add(broken)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        seconds = 300.0 if _within(self.at, self.hangs) else self.latency
        if self.slots is not None:
            return await self._in_turn(request, broken)
        if self.poison and self.poison in request.text:
            asyncio.get_running_loop().call_later(seconds / 2, self._die)
        try:
            await asyncio.wait([broken], timeout=seconds)
        finally:
            self._in_flight.discard(broken)
        if broken.done():
            return broken.result()
        return LATE if seconds > self.latency else self._reply(request)

    async def _in_turn(self, request: Request, broken: asyncio.Future) -> Reply | Fault:
        """As `_work`, one of so many at a time; texts differ in length, and calls with them."""
        seconds = self.latency * (0.5 + (len(self.calls) * 7919 % 100) / 100.0)
        try:
            async with self._free:
                await asyncio.wait([broken], timeout=seconds)
        finally:
            self._in_flight.discard(broken)
        return broken.result() if broken.done() else self._reply(request)

    def _die(self) -> None:
        self._down_until = self.at + self.restart_sec
        self._break()

    def _reply(self, request: Request) -> Reply:
        said = keyword_script(Call(request.user, "", request.seed, {}, {}, 1))
        model = "another" if self.at >= self.swap_at else "night"
        return Reply(json.dumps(said.content), "stop", 10, 5, model, "fp")


def _within(at: float, windows: Sequence[Window]) -> bool:
    return any(start <= at < end for start, end in windows)


def freeze(monkeypatch, start: float = 1_790_000_000.0) -> FrozenClock:
    """From now on, runs of this process live by a frozen clock."""
    clock = FrozenClock(start)
    honest = Recorder.start

    def begin(self, listener) -> None:
        clock.busy.append(lambda: not self.idle)
        honest(self, listener)

    monkeypatch.setattr(Recorder, "start", begin)
    monkeypatch.setattr(work, "new_loop", lambda: FrozenLoop(clock))
    monkeypatch.setattr(work, "TICK", 30.0)
    monkeypatch.setattr("time.time", clock)
    return clock
