"""Who waits for a call: in file order, after a delay, or last and alone."""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable

from overnight.domain.attempt import Job

_SUSPECT = 2  # deaths of the server with it under way, from which on a narrative is asked alone


class Waiting:
    """Narratives that are not in the ledger yet, in the order in which they are asked.

    First those whose delay is over, then those in file order. Those under which the server died
    come after all others; if it died twice, one at a time.
    """

    def __init__(self) -> None:
        self._in_order: deque[Job] = deque()
        self._delayed: list[tuple[float, int, Job]] = []  # a heap by due time
        self._last: deque[Job] = deque()
        self._alone: deque[Job] = deque()
        self._tie = itertools.count()

    def __len__(self) -> int:
        """How many wait, for whatever."""
        return len(self._in_order) + len(self._delayed) + len(self._last) + len(self._alone)

    @property
    def n_in_order(self) -> int:
        """How many wait only for their turn."""
        return len(self._in_order)

    def add(self, jobs: Iterable[Job]) -> None:
        """These come next, after those that wait already."""
        self._in_order.extend(jobs)

    def delay(self, job: Job, due: float) -> None:
        """Not before `due`."""
        heapq.heappush(self._delayed, (due, next(self._tie), job))

    def postpone(self, job: Job) -> None:
        """After all others."""
        (self._alone if job.n_deaths >= _SUSPECT else self._last).append(job)

    def next(self, now: float, *, no_more: bool, quiet: bool) -> Job | None:
        """Who is next. `no_more` will be added; `quiet`: no call is under way or about to be."""
        if self._delayed and self._delayed[0][0] <= now:
            return heapq.heappop(self._delayed)[2]
        if self._in_order:
            return self._in_order.popleft()
        if not no_more or self._delayed:
            return None
        if self._last:
            return self._last.popleft()
        return self._alone.popleft() if self._alone and quiet else None

    def due(self) -> float | None:
        """When the next delay is over."""
        return self._delayed[0][0] if self._delayed else None
