"""A model server as arithmetic: slots with a queue behind them, or a rate limit; no wire, no clock.

    server = Slots(16, mean=2.0)
    course = simulate(server, Flow(256, controller=Controller()), seconds=300.0)
    course.rate(60.0, 300.0), course.most_in_flight

An hour takes a second or so, and every number in it repeats with its seed.
"""

import bisect
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from overnight.domain.answer import Answer
from overnight.domain.attempt import Job
from overnight.domain.decision import Course as Decisions
from overnight.domain.decision import Scene, SlowDown, decide
from overnight.domain.flow import Flow
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Reply

_ANSWERED = Answered(Answer({}), Reply("{}"))
_NARRATIVE = Narrative(1, 1, "simulated", "any", "")
_REFUSAL = 0.05  # seconds until a 429 is back


@dataclass
class Bucket:
    """A rate limit that fills up evenly: so many calls a second, up to `burst` at once."""

    rate: float
    burst: float
    _level: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._level = self.burst

    def wait(self, now: float) -> float:
        """Seconds until a call would be let through; 0.0: it is, now."""
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level >= 1.0 - 1e-9:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self.rate


@dataclass
class PerMinute:
    """A rate limit that counts anew every minute."""

    most: int
    _minute: int = -1
    _n: int = 0

    def wait(self, now: float) -> float:
        """Seconds until a call would be let through; 0.0: it is, now."""
        minute = int(now // 60.0)
        if minute != self._minute:
            self._minute, self._n = minute, 0
        if self._n < self.most:
            self._n += 1
            return 0.0
        return (minute + 1) * 60.0 - now


@dataclass
class Slots:
    """Works on so many calls at once, the others wait in line.

    `drag` is how much slower each call becomes with every further one beside it, as where all of
    them share one processor. Latencies are lognormal; `spread` is the standard deviation of their
    logarithm (0.33: one in twenty takes three times as long as one in twenty others).
    """

    slots: int
    mean: float  # seconds, of a call on its own
    spread: float = 0.33
    drag: float = 0.0
    limit: Bucket | PerMinute | None = None
    tells_wait: bool = True  # with a 429
    refuses_above: int | None = None  # calls at once: 429
    changes: Sequence[tuple[float, dict[str, float]]] = ()  # from when on; slots, mean, rate

    def best(self) -> float:
        """Answers per second that no number of calls at once can exceed."""
        slots = min(self.slots, self.refuses_above or self.slots)
        rate = slots / self.mean / (1.0 + self.drag * (slots - 1))
        allowed = math.inf
        if isinstance(self.limit, Bucket):
            allowed = self.limit.rate
        elif self.limit is not None:
            allowed = self.limit.most / 60.0
        return min(rate, allowed)


@dataclass
class Course:
    """What happened: the ends of answered calls, and of refused ones, in seconds."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    in_flight: list[tuple[float, int]] = field(default_factory=list)  # at each new maximum
    limits: list[tuple[float, int]] = field(default_factory=list)  # whenever it changed

    def rate(self, start: float, end: float) -> float:
        """Answers per second."""
        n = bisect.bisect(self.answered, end) - bisect.bisect(self.answered, start)
        return n / (end - start)

    def refused_share(self, start: float, end: float) -> float:
        """Of the calls that ended, how many were answered 429."""
        refused = bisect.bisect(self.refused, end) - bisect.bisect(self.refused, start)
        return refused / max(1.0, refused + self.rate(start, end) * (end - start))

    @property
    def most_in_flight(self) -> int:
        """Calls at once, at the most."""
        return max((n for _, n in self.in_flight), default=0)


def simulate(server: Slots, flow: Flow, seconds: float, *, seed: int = 1) -> Course:
    """Calls as a run makes them, as the flow allows, for so many seconds."""
    return _Simulation(server, flow, random.Random(seed)).run(seconds)  # noqa: S311


@dataclass(slots=True)
class _Call:
    sent_at: float
    window: int
    work: float  # seconds on its own


class _Simulation:
    def __init__(self, server: Slots, flow: Flow, dice: random.Random) -> None:
        self._server, self._flow, self._dice = server, flow, dice
        self._decisions = Decisions(6)
        self._course = Course()
        self._now = 0.0
        self._in_flight = 0
        self._tie = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._queue: deque[_Call] = deque()
        self._busy: list[tuple[float, int, _Call]] = []  # by work done when it is finished
        self._done = 0.0  # seconds of work that each call has had since the beginning
        self._done_at = 0.0
        self._wake_at = math.inf
        for at, values in server.changes:
            self._at(at, lambda values=values: self._change(values))  # type: ignore[misc]

    def run(self, seconds: float) -> Course:
        self._send()
        while True:
            finish = self._next_finish()
            event = self._events[0][0] if self._events else math.inf
            if min(finish, event) > seconds:
                return self._course
            if finish <= event:
                self._advance(finish)
                self._finish()
            else:
                at, _, happen = heapq.heappop(self._events)
                self._advance(at)
                happen()
            self._send()

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._tie), happen))

    def _speed(self) -> float:
        return 1.0 / (1.0 + self._server.drag * max(0, len(self._busy) - 1))

    def _next_finish(self) -> float:
        if not self._busy:
            return math.inf
        return self._done_at + (self._busy[0][0] - self._done) / self._speed()

    def _advance(self, at: float) -> None:
        self._done += (at - self._done_at) * self._speed()
        self._done_at = self._now = at

    def _finish(self) -> None:
        _, _, call = heapq.heappop(self._busy)
        self._begin()
        self._course.answered.append(self._now)
        self._ended(call, _ANSWERED)

    def _begin(self) -> None:
        while self._queue and len(self._busy) < self._server.slots:
            call = self._queue.popleft()
            heapq.heappush(self._busy, (self._done + call.work, next(self._tie), call))

    def _ended(self, call: _Call, outcome: Answered | Fault) -> None:
        self._in_flight -= 1
        scene = Scene(resting=call.sent_at <= self._flow.rested_at)
        decision = decide(outcome, Job(_NARRATIVE), self._decisions, scene)
        self._flow.saw(
            outcome,
            1,
            sent_at=call.sent_at,
            now=self._now,
            n_left=math.inf,
            window=call.window,
        )
        if isinstance(decision, SlowDown):
            self._flow.rest(decision.seconds, self._now)

    def _send(self) -> None:
        flow, now = self._flow, self._now
        while flow.may_send(self._in_flight, now):
            self._in_flight += 1
            window = flow.sent(self._in_flight, now)
            if self._in_flight > self._course.most_in_flight:
                self._course.in_flight.append((now, self._in_flight))
            self._arrive(_Call(now, window, 0.0))
        if not self._course.limits or self._course.limits[-1][1] != flow.ceiling:
            self._course.limits.append((now, flow.ceiling))
        due = flow.look_again_at(now)
        if due is not None and not now < self._wake_at <= due:
            self._wake_at = due
            self._at(due, lambda: None)

    def _arrive(self, call: _Call) -> None:
        server = self._server
        wait = server.limit.wait(self._now) if server.limit is not None else 0.0
        if server.refuses_above is not None and self._at_work() >= server.refuses_above:
            wait = 1.0
        if wait > 0.0:
            self._refuse(call, wait)
            return
        median = server.mean * math.exp(-(server.spread**2) / 2.0)
        call.work = median * math.exp(self._dice.gauss(0.0, server.spread))
        self._queue.append(call)
        self._begin()

    def _at_work(self) -> int:
        return len(self._busy) + len(self._queue)

    def _refuse(self, call: _Call, wait: float) -> None:
        told = math.ceil(wait) if self._server.tells_wait else None
        fault = Fault(ErrorCategory.RATE_LIMIT, "429", Blame.SERVER, 429, told)

        def back() -> None:
            self._course.refused.append(self._now)
            self._ended(call, fault)

        self._at(self._now + _REFUSAL, back)

    def _change(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            if name == "rate" and isinstance(self._server.limit, Bucket):
                self._server.limit.rate = value
            else:
                setattr(self._server, name, value)
        self._begin()
