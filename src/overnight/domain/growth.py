"""Growing: the limit is doubled as long as answers come as fast as before. Pure."""

import math
from dataclasses import dataclass, field

from overnight.domain.latency import Sample

_CALLS = 5  # at a limit, at a time, if it lets through no more at once
_GO, _STOP = 1.3, 2.0  # standard errors from the middle: to go on, to stop
_NO_QUEUE = 2.0  # standard errors that calls may take longer without a queue being there
_LITTLE_DOUBT = 0.12  # standard error at which there is nothing more to ask
_DEARER = 2.0  # times as many calls at the higher limit, which takes less time for them
_CARE, _SHADE = 0.25, 1.3  # standard errors: if calls are slower by more, the next step is shorter
_KEEP = 0.7  # weight of latencies at lower limits when those of a higher one are added
_SPARE, _ROUND = 1.15, 0.25  # calls in flight for each that is worked on, and rounding down


@dataclass(slots=True)
class Growth:
    """From a level upwards, until there is a queue; then `level` says what a server works on.

    `base` holds latencies at the level, if there are any; `most` is the highest limit allowed.
    """

    level: int
    most: int
    base: Sample = field(default_factory=Sample)
    limit: int = 0  # to be measured next
    rate: float | None = None  # answers per second at the level
    is_over: bool = False
    calls: int = _CALLS  # at the limit, at the least
    _tried: Sample = field(default_factory=Sample)  # at the limit that is compared with the base
    _trying: int = 0

    def __post_init__(self) -> None:
        self.limit = self._trying = self.level
        if self.base.n:
            self._try(2 * self.level)

    def saw(self, sample: Sample, most: int) -> None:
        """Take in what was measured at the limit; `limit` and `is_over` say what follows.

        In doubt, more calls are made at whichever of the two limits is known less.
        """
        self.most = most
        is_base = self.limit < self._trying
        (self.base if is_base else self._tried).add(sample)
        if self.base.n:
            self._compare()
        else:
            self._go_on(1.0)

    def _compare(self) -> None:
        base, tried = self.base, self._tried
        speed = min(base.latency / tried.latency, 1.0)  # of one call, compared with before
        doubt = math.hypot(base.error, tried.error)
        beyond = math.log(speed * math.sqrt(self._trying / self.level))  # half-way to a full queue
        is_known = doubt < _LITTLE_DOUBT
        if speed > 1.0 - _NO_QUEUE * doubt and beyond > (0.0 if is_known else _GO * doubt):
            is_slower = speed < 1.0 - _CARE * doubt
            self._go_on(speed * (1.0 - _SHADE * doubt) if is_slower else speed)
        elif not is_known and beyond > -_STOP * doubt:
            self.limit = self._trying if tried.n <= _DEARER * base.n else self.level
        else:
            at_work = speed * self._trying
            self.level = max(1, min(int(_SPARE * at_work + _ROUND), self._trying))
            self.rate, self.is_over = tried.rate, True

    def _go_on(self, speed: float) -> None:
        """Double, or rather go to twice the number that are worked on at once."""
        self.level, self.rate = self._trying, self._tried.rate
        self.base.add(self._tried, keep=_KEEP)
        self._try(max(self.level + 1, round(2.0 * speed * self.level)))

    def _try(self, limit: int) -> None:
        self.limit = self._trying = min(limit, self.most)
        self._tried = Sample()
        self.is_over = self._trying <= self.level
