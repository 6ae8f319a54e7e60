"""How long calls take at a limit: a mean with its standard error, and no bias to short answers."""

import math
from collections import deque
from dataclasses import dataclass, field

_LEAST_SPREAD = 0.25  # of latencies, relative to their mean, whatever a few calls pretend


@dataclass(slots=True)
class Sample:
    """Latencies at one limit, older ones with less weight."""

    n: float = 0.0
    in_flight: float = 0.0  # sums over the calls: in flight when sent ...
    seconds: float = 0.0  # ... until the answer
    squares: float = 0.0

    def count(self, in_flight: int, seconds: float) -> None:
        """Take in a call."""
        self.n += 1.0
        self.in_flight += in_flight
        self.seconds += seconds
        self.squares += seconds * seconds

    def add(self, other: "Sample", keep: float = 1.0) -> None:
        """Take in another sample; what is here already weighs `keep` of what it did."""
        self.n = keep * self.n + other.n
        self.in_flight = keep * self.in_flight + other.in_flight
        self.seconds = keep * self.seconds + other.seconds
        self.squares = keep * self.squares + other.squares

    @property
    def latency(self) -> float:
        """Seconds until an answer, on average."""
        return max(self.seconds / self.n, 1e-6)

    @property
    def rate(self) -> float:
        """Answers per second, by Little's law."""
        return self.in_flight / self.n / self.latency

    @property
    def error(self) -> float:
        """The standard error of latency and rate, relative to them."""
        spread = math.sqrt(max(0.0, self.squares / self.n - self.latency**2)) / self.latency
        return max(spread, _LEAST_SPREAD) / math.sqrt(self.n)


@dataclass(slots=True)
class _Call:
    in_flight: int
    sent_at: float
    has_ended: bool = False
    seconds: float | None = None  # until it was answered


@dataclass(slots=True)
class Ledger:
    """Calls at one limit, counted in the order in which they were sent.

    Short answers come first; a call counts once all those before it have ended.
    """

    sample: Sample = field(default_factory=Sample)
    _calls: deque[_Call] = field(default_factory=deque)  # sent, and not counted yet
    _first: int = 1  # the number of the first of them

    def __bool__(self) -> bool:
        return bool(self._calls) or self.sample.n > 0.0

    def sent(self, in_flight: int, now: float) -> int:
        """The number of a call that is on its way, the `in_flight`th."""
        self._calls.append(_Call(in_flight, now))
        return self._first + len(self._calls) - 1

    def ended(self, number: int, seconds: float | None, *, late_if_before: float) -> None:
        """Call `number` was answered after so many seconds, or failed; another is no news.

        Nobody waits any longer for calls that were sent before `late_if_before`.
        """
        index = number - self._first
        if 0 <= index < len(self._calls):
            call = self._calls[index]
            call.has_ended, call.seconds = True, seconds
        while self._calls and (self._calls[0].has_ended or self._calls[0].sent_at < late_if_before):
            self._count(self._calls.popleft())
            self._first += 1

    def clear(self) -> None:
        """Begin anew: calls that are under way are not counted."""
        self._first += len(self._calls)
        self._calls.clear()
        self.sample = Sample()

    def _count(self, call: _Call) -> None:
        if call.seconds is not None:
            self.sample.count(call.in_flight, call.seconds)
