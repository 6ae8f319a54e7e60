"""How many calls at once: the smallest number beyond which a server answers no faster.

Pure: what was sent, what came back and when go in, a limit comes out. docs/reasons.md explains it.
"""

import math
from dataclasses import dataclass, field
from enum import Enum

from overnight.domain.pace import Pace

AHEAD = 16  # calls entered in the ledger beyond those that may be in flight
MOST = 256  # calls at once that are ever tried
_HERE = 4  # calls at once where there is no server: what is written hides behind what is read
_LOCAL, _HOSTED = 1, 4  # where the search begins: a local server may work on one at a time

_STEP = math.sqrt(2.0)  # between one limit and the next to be compared with it
_LEAST_SPREAD = 0.25  # of latencies, relative to their mean, whatever a few calls pretend
_FIRST_CALLS = 5  # at a limit that has not been tried before
_MOST_CALLS = 48  # at any limit, at a time
_CALLS = 16  # at a limit that is looked at again
_FEW_CALLS = 8  # at half the level, which costs throughput; as many again before anything follows
_FILLED = 0.9  # of the limit: calls in flight from which on it is the limit that is measured ...
_FULL = 0.7  # ... and with which it still is
_SPREAD = 0.25  # of a latency, over which calls beyond the level are spread: some may be refused
_LATE = 4.0  # mean latencies after which stragglers are no longer waited for
_GAIN = 0.03  # a limit that gives no more than this is no better
_SURE = 3.0  # standard errors: to leave a level that works ...
_GO, _STOP = 1.3, 2.0  # ... and to go on looking for one, or to stop ...
_LITTLE_DOUBT = 0.12  # standard error at which there is nothing more to ask
_NO_QUEUE = 2.0  # ... and to say that there is a queue
_OFTEN, _SELDOM = 3, 12  # of so many measurements one is made below the level
_QUIET = 30.0  # seconds between two looks at half the limit, at the least ...
_LATENCIES = 40.0  # ... and mean latencies; both up to so many times longer:
_LONGEST = 8.0
_LITTLE = 0.1  # of the throughput
_ROOM = 1.25  # times the calls in flight when some were refused
_LESS = 0.85  # of a level at which calls were refused
_SHIFT = 0.25  # of the logarithm of latency: something has changed
_KEEP = 0.95  # weight of what was known when a window is added
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
class Sample:
    """Latencies at one limit, older ones with less weight."""

    n: float = 0.0
    in_flight: float = 0.0  # sums over the calls: in flight when sent ...
    seconds: float = 0.0  # ... until the answer
    squares: float = 0.0

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
class _Window:
    """Calls sent one after the other while a limit was used up; done when all have ended.

    Waiting for all of them keeps short answers, which come first, from counting more than others.
    """

    number: int
    wanted: int  # calls
    closed: float | None = None  # when the last of them was sent
    n_sent: int = 0
    n_ended: int = 0
    sent: Sample = field(default_factory=Sample)

    @property
    def has_failed(self) -> bool:
        """Whether half of its calls ended without an answer."""
        return self.closed is not None and 2 * (self.n_ended - self.sent.n) >= self.n_sent

    def is_done(self, now: float) -> bool:
        """Whether it can be judged: all have ended, or nearly, and nobody waits any longer."""
        if self.closed is None:
            return False
        if self.n_ended >= self.n_sent:
            return True
        n, patience = self.sent.n, now - self.closed
        return n > self.n_sent / 2 and patience > _LATE * self.sent.latency


class _Mode(Enum):
    GROW = "grow"  # the limit is doubled as long as answers come as fast as before
    HOLD = "hold"  # the level is compared with the limits below it


@dataclass(slots=True)
class Controller:
    """Looks for the level: the number of calls at once that a server takes and no more."""

    level: int = 1
    most: int = MOST
    limit: int = 0  # in effect right now: the level, or one that it is compared with
    rate: float | None = None  # answers per second at the level, when last measured
    latency: float = 0.0  # seconds, lately
    pace: Pace = field(default_factory=Pace)
    _mode: _Mode = _Mode.GROW
    _window: _Window = field(default_factory=lambda: _Window(1, _FIRST_CALLS))
    _base: Sample = field(default_factory=Sample)  # while growing: what came before
    _base_limit: int = 0
    _tried: Sample = field(default_factory=Sample)  # what is compared with it
    _trying: int = 0
    _seen: dict[int, Sample] = field(default_factory=dict)  # while holding, by limit
    _turn: int = 0
    _looking: bool = False  # at half the level
    _look_at: float = 0.0  # when half the level is looked at next
    _patience: float = 1.0
    _in_flight: int = 0  # when the last call was sent
    _spread: float = -math.inf  # when the next call may be sent that is one more than before
    _lid: int = 0  # not above this ...
    _lid_until: float = -math.inf  # ... before then

    def __post_init__(self) -> None:
        self.limit = self.level = self._trying = min(self.level, self.most)

    # --- what happens ------------------------------------------------------------------------

    def sent(self, in_flight: int, now: float) -> int:
        """A call is on its way, the `in_flight`th; the number of the window it belongs to, or 0."""
        self.pace.sent(now)
        self._in_flight = in_flight
        if self._mode is _Mode.GROW and in_flight < self.limit and in_flight >= self.level:
            self._spread = now + _SPREAD * self.latency / self.limit
        if self.pace.rate is not None:
            return 0  # it is not the limit that is measured
        window = self._window
        full = _FULL if window.n_sent else _FILLED
        if window.closed is not None or in_flight < full * self.limit:
            return 0
        window.n_sent += 1
        window.sent.in_flight += in_flight
        if window.n_sent >= window.wanted:
            window.closed = now
        return window.number

    def saw(self, number: int, seconds: float, now: float, *, answered: bool) -> None:
        """A call of window `number` has ended, after so many seconds."""
        if answered:
            self.latency += (seconds - self.latency) * (0.1 if self.latency else 1.0)
        window = self._window
        if number == window.number:
            window.n_ended += 1
            if answered:
                window.sent.n += 1
                window.sent.seconds += seconds
                window.sent.squares += seconds * seconds
        if window.has_failed:
            self.disturbed()
        elif window.is_done(now):
            window.sent.in_flight *= window.sent.n / window.n_sent
            self._judge(window.sent, now)

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
        self._open(self.limit, self._window.wanted)

    def cut(self, limit: int, now: float) -> None:
        """So many calls were too much: at most `limit` for a while, then carefully more."""
        self._lid = self.level = max(1, min(limit, self.most))
        self._lid_until = now + max(_HOLD, _HOLD / self.rate if self.rate else 0.0)
        self._seen.clear()
        self._hold(now)

    # --- what follows ------------------------------------------------------------------------

    def _judge(self, sample: Sample, now: float) -> None:
        if self._mode is _Mode.GROW:
            self._judge_growth(sample, now)
        else:
            self._judge_level(sample, now)

    def _judge_growth(self, sample: Sample, now: float) -> None:
        """Go on growing while calls take no longer than at the limit before.

        In doubt, more calls are made at whichever of the two limits is known less.
        """
        if not self._base.n:
            self._tried.add(sample)
            self._grow(1.0, now)
            return
        (self._tried if self.limit == self._trying else self._base).add(sample)
        base, tried = self._base, self._tried
        speed = base.latency / tried.latency  # of one call, compared with before
        doubt = math.hypot(base.error, tried.error)
        least = math.sqrt(self._base_limit / self._trying)  # half-way to what a full queue gives
        distance = math.log(speed / least)
        is_known = doubt < _LITTLE_DOUBT
        if speed > 1.0 - _NO_QUEUE * doubt and distance > (0.0 if is_known else _GO * doubt):
            self._grow(min(speed, 1.0), now)
        elif not is_known and (distance > -_STOP * doubt or tried.n < _FEW_CALLS):
            known_less = self._trying if tried.n <= 1.5 * base.n else self._base_limit
            self._open(known_less, _FIRST_CALLS)
        else:
            self.level = min(_above(min(speed, 1.0) * self._trying), self._top(now))
            self.rate = tried.rate
            self._hold(now)

    def _grow(self, speed: float, now: float) -> None:
        """Double, or rather go to twice the number that are worked on at once."""
        self.level, self.rate = self._trying, self._tried.rate
        self._base.add(self._tried, keep=0.5)
        self._base_limit = self.level
        self._try(max(self.level + 1, round(2 * speed * self.level)), now)

    def _try(self, limit: int, now: float) -> None:
        self._trying = min(limit, self._top(now))
        self._tried = Sample()
        if self._trying > self.level:
            self._open(self._trying, _FIRST_CALLS)
        else:
            self._hold(now)

    def _judge_level(self, sample: Sample, now: float) -> None:
        """Compare the level with what is below it: up, down, or stay."""
        limit, level = self.limit, self.level
        before = self._seen.get(limit)
        if before is not None and not self._looking and _differ(before, sample):
            self._seen.clear()  # and this window may have seen both the old and the new
            self._look_at, self._patience, self._turn = now, 1.0, 0
            self._next(now)
            return
        self._seen.setdefault(limit, Sample()).add(sample, keep=_KEEP)
        here = self._seen.get(level)
        if here is None:
            self._next(now)
            return
        self.rate = here.rate
        if level == 1 and now >= self._look_at and self._top(now) > 1:
            self._look_at = now + self._patience * max(_QUIET, _LATENCIES * here.latency)
            self._patience = min(_LONGEST, 2.0 * self._patience)
            self._rise(here, 2, now)
            return
        if limit == _half(level) and self._looking:
            self._judge_half(here, self._seen[limit], now)
            return
        below = self._seen.get(_below(level))
        if below is not None and level < self._top(now):
            gain = math.log(here.rate / below.rate)
            if gain > _GAIN + _SURE * math.hypot(here.error, below.error):
                self._rise(here, max(level + 1, int(_STEP * level)), now)
                return
        self._next(now)

    def _judge_half(self, here: Sample, half: Sample, now: float) -> None:
        """Half the level shows, with hardly a queue, how many calls the server works on at once."""
        at_work = here.rate * half.latency
        doubt = math.hypot(here.error, half.error)
        grow = at_work > 0.9 * self.level and self.level < self._top(now)
        wanted = _above(at_work)
        shrink = wanted <= 0.85 * self.level or half.rate > 0.85 * here.rate
        if (grow or shrink) and half.n < _CALLS:
            self._open(self.limit, _FEW_CALLS)
            return
        self._looking = False
        self._look_at = now + self._patience * max(_QUIET, _LATENCIES * half.latency)
        self._patience = min(_LONGEST, 2.0 * self._patience)
        if grow and at_work * (1.0 - 2.0 * doubt) > 0.75 * self.level:
            self._rise(here, max(self.level + 1, _above(at_work * (1.0 - doubt))), now)
        elif shrink:
            self._shrink(here, half, now)
        else:
            self._next(now)

    def _shrink(self, here: Sample, half: Sample, now: float) -> None:
        """Go down, to about half the level at the most; there, look again at once."""
        at_work = here.rate * half.latency
        at_half = half.rate > here.rate * (1.0 - _LITTLE)
        wanted = math.ceil(at_work * (1.0 + _LITTLE)) if at_half else _above(at_work)
        self.level = max(self.limit, min(wanted, self.level - 1))
        self._patience = 1.0
        self._hold(now)
        if at_half:
            self._look_at = now

    def _rise(self, here: Sample, limit: int, now: float) -> None:
        """Try more, beginning from the level."""
        self._mode = _Mode.GROW
        self._base, self._base_limit = here, self.level
        self._try(limit, now)

    def _hold(self, now: float) -> None:
        """Stay at the level, and compare it with what is below."""
        if self._mode is _Mode.GROW:
            self._mode = _Mode.HOLD
            self._look_at = now + (_QUIET if self._tried.n >= _MOST_CALLS else 0.0)
        self._seen.clear()
        self._base = Sample()
        self._turn = 0
        self._next(now)

    def _next(self, now: float) -> None:
        """The level twice, then a step below it, or seldom if that costs; now and then half."""
        self._turn += 1
        level, half = self.level, _half(self.level)
        self._looking = now >= self._look_at and level in self._seen and level > 1
        if self._looking:
            self._seen.pop(half, None)
            self._open(half, _FEW_CALLS)
            return
        here, below = self._seen.get(level), self._seen.get(_below(level))
        costs = here is not None and below is not None and here.rate * (1.0 - _LITTLE) > below.rate
        is_below = self._turn % (_SELDOM if costs else _OFTEN) == 0
        self._open(_below(level) if is_below else level, _CALLS)

    def _open(self, limit: int, least: int) -> None:
        """Measure at a limit: as many calls as it lets through at once, `least` or _MOST_CALLS."""
        self.limit = limit
        self._window = _Window(self._window.number + 1, max(least, min(limit, _MOST_CALLS)))

    def _top(self, now: float) -> int:
        return min(self.most, self._lid) if now < self._lid_until else self.most


def _above(at_work: float) -> int:
    """A step more than what a server works on at once."""
    return math.ceil(at_work * _STEP)


def _below(limit: int) -> int:
    """A step less."""
    return max(1, round(limit / _STEP))


def _half(limit: int) -> int:
    return (limit + 1) // 2 if limit > 3 else 1  # noqa: PLR2004


def _differ(before: Sample, after: Sample) -> bool:
    """Whether calls take longer or shorter now than chance can tell."""
    shift = abs(math.log(after.latency / before.latency))
    return shift > max(_SHIFT, 3.0 * math.hypot(before.error, after.error))
