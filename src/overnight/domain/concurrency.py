"""How many calls at once: the smallest number beyond which a server answers no faster.

Pure: what was sent, what came back and when go in, a limit comes out.
docs/reference/concurrency.md explains it.
"""

import math
from dataclasses import dataclass, field

from overnight.domain.climb import Climb
from overnight.domain.growth import Growth
from overnight.domain.latency import Ledger
from overnight.domain.pace import Pace

AHEAD = 16  # calls entered in the ledger beyond those that may be in flight
MOST = 256  # calls at once that are ever tried
_HERE = 4  # calls at once where there is no server: what is written hides behind what is read
_LOCAL, _HOSTED = 1, 4  # where the search begins: a local server may work on one at a time

_MOST_CALLS = 48  # of a measurement
_FILLED = 0.9  # of the limit: calls in flight from which on it is the limit that is measured ...
_FULL = 0.7  # ... and with which it still is
_SPREAD = 0.25  # of a latency, over which calls beyond the level are spread: some may be refused
_LATE = 4.0  # latencies after which nobody waits for a call any longer
_ROOM = 1.25  # times the calls in flight when some were refused
_LESS = 0.85  # of a level at which calls were refused
_HOLD = 120.0  # seconds, and calls, for which a limit that was too much is not tried again


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many calls at once the right number is looked for."""

    first: int
    most: int

    @property
    def fixed(self) -> int | None:
        """The number of calls at once, where nothing is looked for."""
        return self.first if self.first == self.most else None


def bounds(wanted: int | str, *, served: bool, local: bool, client_limit: int | None) -> Bounds:
    """As many as asked for; with `auto` as many as a server takes. The client may allow fewer."""
    if isinstance(wanted, int):
        first = most = wanted
    elif not served:
        first = most = _HERE
    else:
        first, most = _LOCAL if local else _HOSTED, MOST
    most = min(most, client_limit or most)
    return Bounds(min(first, most), most)


@dataclass(slots=True)
class Controller:
    """Looks for the level: the number of calls at once that a server takes and no more."""

    level: int = 1
    most: int = MOST
    limit: int = 0  # in effect right now: the level, or one that it is compared with
    rate: float | None = None  # answers per second at the level, when last measured
    latency: float = 0.0  # seconds, lately
    pace: Pace = field(default_factory=Pace)
    _search: Growth | Climb = field(init=False)
    _calls: Ledger = field(default_factory=Ledger)  # at the limit
    _in_flight: int = 0  # when the last call was sent
    _spread: float = -math.inf  # when the next call may be sent that is one more than before
    _lid: int = 0  # not above this ...
    _lid_until: float = -math.inf  # ... before then

    def __post_init__(self) -> None:
        self._follow(Growth(min(self.level, self.most), self.most))

    # --- what happens ------------------------------------------------------------------------

    def sent(self, in_flight: int, now: float) -> int:
        """A call is on its way, the `in_flight`th; its number, or 0 if it measures nothing."""
        self.pace.sent(now)
        self._in_flight = in_flight
        if isinstance(self._search, Growth) and self.level <= in_flight < self.limit:
            self._spread = now + _SPREAD * self.latency / self.limit
        if self.pace.rate is not None:
            return 0  # it is not the limit that is measured
        full = _FULL if self._calls else _FILLED
        return self._calls.sent(in_flight, now) if in_flight >= full * self.limit else 0

    def saw(self, number: int, seconds: float, now: float, *, answered: bool) -> None:
        """Call `number` has ended, after so many seconds."""
        if answered:
            self.latency += (seconds - self.latency) * (0.1 if self.latency else 1.0)
        late = now - _LATE * self.latency
        self._calls.ended(number, seconds if answered else None, late_if_before=late)
        sample = self._calls.sample
        if sample.n >= max(self._search.calls, min(self.limit, _MOST_CALLS)):
            self._search.saw(sample, self._top(now))
            self._follow(self._next(now))

    @property
    def due(self) -> float:
        """When the next call may be sent."""
        return max(self.pace.due, self._spread)

    def refused(self, sent_at: float, now: float) -> None:
        """A call was answered with 429: from now on calls are spaced.

        What was in flight is enough, with some room. If calls were spaced already, and were refused
        all the same, it was the limit, provided that it was used up: it is lowered.
        """
        unspaced = self._in_flight / self.latency if self.latency else 0.0
        was_spaced = self.pace.rate is not None
        n_through = self.pace.refused(sent_at, now, unspaced)
        if not n_through:
            return
        limit = max(self.level, self.limit)
        if n_through >= limit:
            limit = min(limit, math.ceil(_ROOM * self._in_flight))
        if was_spaced and self.pace.was_early and self._in_flight >= _FULL * limit:
            limit = int(_LESS * limit)
        self.cut(limit, now)

    def rest(self, until: float) -> None:
        """Nothing is sent until then."""
        self.pace.rest(until)
        self.disturbed()

    def disturbed(self) -> None:
        """Something happened that latencies must not be learned from: measure anew."""
        self._calls.clear()

    def cut(self, limit: int, now: float) -> None:
        """So many calls were too much: at most `limit` for a while, then carefully more."""
        self._lid = max(1, min(limit, self.most))
        self._lid_until = now + max(_HOLD, _HOLD / self.rate if self.rate else 0.0)
        self._follow(Climb(self._lid, self._lid, tried=self._lid, rate=self.rate))

    # --- what follows ------------------------------------------------------------------------

    def _next(self, now: float) -> Growth | Climb:
        """Growth ends in a level to stay at; far more than that is grown to again."""
        search, top = self._search, self._top(now)
        if isinstance(search, Growth):
            return _stay(search, top) if search.is_over else search
        if search.more is None:
            return search
        grown = Growth(search.level, top, base=search.more)
        return _stay(grown, top) if grown.is_over else grown

    def _follow(self, search: Growth | Climb) -> None:
        """Measure anew, at the limit that is asked for."""
        self._search = search
        self.level, self.limit, self.rate = search.level, search.limit, search.rate or self.rate
        self._calls.clear()

    def _top(self, now: float) -> int:
        return min(self.most, self._lid) if now < self._lid_until else self.most


def _stay(growth: Growth, most: int) -> Climb:
    return Climb(growth.level, most, tried=growth.limit, rate=growth.rate)
