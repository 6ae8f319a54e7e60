"""A clock that stands still until everybody waits, and then jumps: a night in seconds."""

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

_LOOK = 0.005  # seconds of real time between two looks at whether other threads are done
_LONGEST = 10.0  # seconds of real time that they are waited for


class FrozenClock:
    """Seconds that pass only while every task of a `FrozenLoop` waits for time to pass.

    `busy` are questions whether other threads are at work; as long as one says yes, time stands.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._start = start
        self.elapsed = 0.0  # small enough for a loop to tell nanoseconds apart
        self.busy: list[Callable[[], bool]] = []

    def __call__(self) -> float:
        """The time, in seconds: takes the place of `time.time`."""
        return self._start + self.elapsed

    def is_busy(self) -> bool:
        """Whether something goes on that takes real time."""
        return any(ask() for ask in self.busy)


class FrozenLoop(asyncio.SelectorEventLoop):
    """An event loop that lives by a FrozenClock: what sleeps an hour wakes at once."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self._n_threads = 0
        clock.busy.append(lambda: self._n_threads > 0)
        super().__init__(_Selector(clock))

    def time(self) -> float:
        """Seconds by the clock."""
        return self._clock.elapsed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override] # noqa: ANN401
        """Like asyncio's; time stands until the thread is done."""
        future = super().run_in_executor(executor, func, *args)
        self._n_threads += 1
        future.add_done_callback(self._done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Like asyncio's, for as long as it takes: time would jump to the end of any limit."""
        await super().shutdown_default_executor()

    def _done(self, _future: object) -> None:
        self._n_threads -= 1


class _Selector(selectors.DefaultSelector):
    """Waits in real time only for other threads; else the clock jumps to the next timer."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__()
        self._clock = clock
        self._patience = _LONGEST

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - as the library has it
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(0)
        patient_until = time.monotonic() + self._patience
        while not events and self._clock.is_busy():
            if time.monotonic() > patient_until:
                self._patience = _LOOK  # who was busy for so long is not waited for any more
                break
            events = super().select(_LOOK)
        if not events:
            self._clock.elapsed += timeout
        return events
