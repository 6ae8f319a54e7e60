"""Staying: the level is compared with a step more and a step less, and goes where it pays. Pure.

A step more costs no throughput, but it may be twice what the server works on. It is tried only
where the step below is known to give less: then the level itself is less than a step too high.
"""

import math
from dataclasses import dataclass, field

from overnight.domain.latency import Sample

_STEP = math.sqrt(2.0)  # between limits that are compared
_CALLS = 16  # at a limit, at a time, if it lets through no more at once
_FEW_CALLS = 8  # below the level, which may cost throughput
_SELDOM = 24  # of so many measurements one is made below the level, where that costs
_GAIN = 0.03  # of the logarithm of the throughput: a step that gives no more is not worth it
_UP, _DOWN = 2.5, 1.0  # standard errors: that a step gives more, that it gives hardly any
_STEEP = 1.5  # standard errors: a step less surely costs
_MUCH = 0.7  # of what a step can give: there may be far more
_SHIFT, _SURE = 0.25, 3.0  # of the logarithm of latency, and standard errors: something has changed
_KEEP = 0.95  # weight of what was known when a measurement is added


@dataclass(slots=True)
class Climb:
    """The level, and what was measured at it and beside it; `most` is the highest limit allowed."""

    level: int
    most: int
    tried: int  # the highest limit so far
    limit: int = 0  # to be measured next
    rate: float | None = None  # answers per second at the level
    more: Sample | None = None  # at the level, which has just gone up: there may be far more
    calls: int = _CALLS  # at the limit, at the least
    _seen: dict[int, Sample] = field(default_factory=dict)  # by limit
    _turn: int = 0
    _reach: int = 1  # steps down to the lower limit; doubled as long as going there costs nothing

    def __post_init__(self) -> None:
        self.limit = self.level

    def saw(self, sample: Sample, most: int) -> None:
        """Take in what was measured at the limit; `level`, `limit` and `more` say what follows."""
        self.most = most
        before = self._seen.get(self.limit)
        if before is not None and _differ(before, sample):
            self._seen.clear()  # and these calls may have seen both the old and the new
            self._turn, self._reach, self.tried = 0, 2, 0
        else:
            self._seen.setdefault(self.limit, Sample()).add(sample, keep=_KEEP)
        here = self._seen.get(self.level)
        if here is not None:
            self.rate = here.rate
            self._compare(here)
        self._next()

    def _compare(self, here: Sample) -> None:
        """Go up if the step is surely worth it, and down if it is surely not."""
        there = self._seen[self.limit]
        if self.limit > self.level:
            gain, doubt = _gain(here, there)
            if gain > _GAIN + _UP * doubt:
                self._go_up(gain, there)
        elif self.limit < self.level:
            gain, doubt = _gain(there, here)
            least = _GAIN * self._reach
            if gain + _DOWN * doubt < least:
                self.level, self._turn, self._reach = self.limit, 0, 2 * self._reach
            elif gain > least + _UP * doubt:
                self._reach = 1

    def _go_up(self, gain: float, there: Sample) -> None:
        if gain > _MUCH * math.log(self.limit / self.level):
            self.more = there
        self.level, self._reach = self.limit, 1

    def _next(self) -> None:
        """The level and a neighbour in turn: a step more, or seldom a step less, if that costs."""
        self._turn += 1
        here, below = self._seen.get(self.level), self._below
        self.calls = _CALLS
        if here is None or (self._turn > 1 and self._turn % 2):
            self.limit = self.level
        elif below < self.level and (self._turn % _SELDOM == 0 or not self._is_steep(here)):
            self.limit, self.calls = below, _FEW_CALLS
        else:
            self.limit = self._above

    @property
    def _above(self) -> int:
        return min(math.ceil(self.level * _STEP), self.most)

    @property
    def _below(self) -> int:
        return max(1, round(self.level / _STEP**self._reach))

    def _is_steep(self, here: Sample) -> bool:
        """Whether a step less costs; growth has said so where it went as far as a step more."""
        less = self._seen.get(self._below)
        if self._reach > 1:
            return False
        if less is None:
            return self._above <= self.tried
        gain, doubt = _gain(less, here)
        return gain > _GAIN + _STEEP * doubt


def _gain(less: Sample, more: Sample) -> tuple[float, float]:
    """The logarithm of how much faster one is than the other, and its standard error."""
    return math.log(more.rate / less.rate), math.hypot(less.error, more.error)


def _differ(before: Sample, after: Sample) -> bool:
    """Whether calls take longer or shorter now than chance can tell."""
    shift = abs(math.log(after.latency / before.latency))
    return shift > max(_SHIFT, _SURE * math.hypot(before.error, after.error))
