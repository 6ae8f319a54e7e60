"""A clock that nobody sets, and what it says of a process that stood still."""

import sys
import time
from collections.abc import Callable

_LONGEST_GAP = 5.0  # seconds between two beats of a process that is alive
# Seconds since boot with the time asleep in it: CLOCK_MONOTONIC leaves that out on Linux only.
_WITH_SLEEP = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME


def seconds_since_boot() -> float:
    """Seconds by a clock that goes on while the machine sleeps and that nobody can set back."""
    return time.clock_gettime(_WITH_SLEEP)


class Heartbeat:
    """Tells work from standing still: the machine slept, or the process was stopped.

    Whoever works calls `beat` at least twice a second; `on_standstill` is told the seconds.
    """

    def __init__(self) -> None:
        self._began = self._last = seconds_since_boot()
        self.stood_still = 0.0  # seconds, so far
        self.on_standstill: Callable[[float], None] = lambda _seconds: None

    def beat(self) -> float:
        """Seconds of work since the beginning, standing still left out."""
        now = seconds_since_boot()
        gap, self._last = now - self._last, now
        if gap > _LONGEST_GAP:
            self.stood_still += gap
            self.on_standstill(gap)
        return self.worked

    def worked_on(self) -> None:
        """Something long is over that could not beat meanwhile, and was work all the same."""
        self._last = seconds_since_boot()

    @property
    def worked(self) -> float:
        """Like `beat`, as of the last one."""
        return self._last - self._began - self.stood_still
