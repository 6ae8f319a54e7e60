"""Somebody wants the run to stop: signals, other processes, a notebook."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from overnight.domain.experiment import Event
from overnight.errors import TerminatedError
from overnight.session import Ending


@dataclass(slots=True)
class StopRequest:
    """Somebody wants the run to stop. Set from signal handlers or from other threads."""

    ending: Ending | None = None
    at_once: bool = False
    signal: int | None = None
    finishing: bool = False  # the calls are over: what is left takes moments
    _changed: Callable[[], None] | None = None
    _asked_at: float = 0.0  # monotonic

    def is_overdue(self, seconds: float) -> bool:
        """Whether somebody has waited longer than that for the end, or wants it at once."""
        asked = self.ending is not None
        return asked and (self.at_once or time.monotonic() - self._asked_at > seconds)

    @property
    def heard(self) -> bool:
        """Whether somebody acts on the request."""
        return self._changed is not None

    def ask(self, ending: Ending, *, signal_number: int | None = None) -> None:
        """Stop: the first time gently, the second time at once."""
        self.at_once = self.ending is not None
        self._asked_at = self._asked_at or time.monotonic()
        self.ending = self.ending or ending
        self.signal = self.signal or signal_number
        if self._changed is not None:
            self._changed()

    def notify(self, changed: Callable[[], None] | None) -> None:
        """Call `changed` at each request, also at one that has come already; None: nobody."""
        self._changed = changed
        if self.ending is not None and changed is not None:
            changed()


@contextlib.contextmanager
def signals(stop: StopRequest) -> Iterator[None]:
    """Ctrl-C cancels, SIGTERM and SIGUSR1 stop, a closed terminal changes nothing.

    While calls are made, the request is heard by `work`; before, it ends the command at once;
    after, the little that is left is finished first, unless it comes twice.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    endings = {
        signal.SIGINT: Ending(Event.CANCEL, "stopped by Ctrl-C"),
        signal.SIGTERM: Ending(Event.FAIL, "stopped by SIGTERM"),
        signal.SIGUSR1: Ending(Event.FAIL, "stopped by SIGUSR1"),
    }

    def handle(number: int, _frame: object) -> None:
        again = stop.ending is not None
        ending = endings[signal.Signals(number)]
        stop.ask(ending, signal_number=number)
        if not stop.heard and (again or not stop.finishing):
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise TerminatedError(str(ending.reason))

    before = {number: signal.signal(number, handle) for number in endings}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
