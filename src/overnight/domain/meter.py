"""How fast a run is, lately. Pure."""

from collections import deque

_WINDOW = 600.0  # seconds over which the current rate is measured ...
_ENOUGH = 20  # ... unless fewer narratives than this ended in them


class Meter:
    """How fast narratives get their results, lately."""

    def __init__(self, completed: int, now: float) -> None:
        self._samples: deque[tuple[float, int]] = deque([(now, completed)])
        self._rested = 0.0

    def rest(self, seconds: float) -> None:
        """For so long the server gave no answers: that is no slowness."""
        self._rested += seconds

    def add(self, completed: int, now: float) -> None:
        """So many are completed now (seconds of work)."""
        now -= self._rested
        newest, _ = self._samples[-1]
        if now - newest < 1.0 and len(self._samples) > 1:
            self._samples.pop()
        self._samples.append((now, completed))
        while len(self._samples) > 2 and self._is_old(now):  # noqa: PLR2004 - both ends
            self._samples.popleft()

    def _is_old(self, now: float) -> bool:
        """Whether the window is long enough without its first sample."""
        at, completed = self._samples[1]
        return now - at > _WINDOW and self._samples[-1][1] - completed >= _ENOUGH

    @property
    def rate(self) -> float | None:
        """Narratives per second; None until something can be said."""
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        if after == before or end - start < 0.05:  # noqa: PLR2004 - seconds
            return None
        return (after - before) / (end - start)
