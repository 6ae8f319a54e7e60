"""The path of the limit: how many calls at once were found to be right, and when that changed."""

from dataclasses import dataclass, field

from overnight.domain.concurrency import Controller

_EVERY = 5.0  # seconds between two points, at the least


@dataclass(frozen=True, slots=True)
class Point:
    """From now on so many calls at once."""

    limit: int
    rate: float | None  # answers per second since the last point; None: not known


@dataclass(slots=True)
class LimitPath:
    """Notices changes of a controller's level; a point each, not more often than every 5 s."""

    controller: Controller
    _limit: int = 0
    _at: float = 0.0
    _n_answers: int = 0
    _told: bool = field(default=False)

    def look(self, n_answers: int, now: float, *, last: bool = False) -> Point | None:
        """The point to be kept, if there is one. `n_answers` of this session so far."""
        level = self.controller.level
        if self._told and (level == self._limit or now - self._at < _EVERY) and not last:
            return None
        seconds, n = now - self._at, n_answers - self._n_answers
        rate = round(n / seconds, 4) if self._told and seconds > 0 else None
        if last and (not self._told or n == 0):
            return None
        self._limit, self._at, self._n_answers, self._told = level, now, n_answers, True
        return Point(level, rate)
