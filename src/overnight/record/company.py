"""When the writer is woken: for a group of outcomes, or after a moment."""

import math
import threading

from overnight.domain.concurrency import AHEAD

# A commit waits for company, but not for so long that calls wait for it: of the AHEAD attempts that
# are open beyond those in flight, some are still to be sent when it begins.
GROUP = AHEAD // 2  # outcomes that are always enough company ...
_SPARE = 2  # ... attempts that are still to be sent, beyond as many as commits have used up ...
_FADES = 0.9  # ... lately (what an earlier one has used up counts for so much) ...
LINGER = 0.01  # ... or outcomes that have come in so many seconds


class Company:
    """How many outcomes wait for the writer. It is woken when they are enough, not by each.

    To wake a thread, and to pass it the interpreter, costs more than to write a row.
    """

    def __init__(self) -> None:
        self.enough = GROUP
        self._n_came: float = 0  # counted by the event loop
        self._n_gone = 0  # ... and by the writer
        self._during: float = 0.0  # how many come during a commit
        self._wake_at = math.inf
        self._bell = threading.Lock()
        self._bell.acquire()

    def came(self, *, last: bool) -> None:
        """One more, on the event loop; or the word that nothing will follow."""
        self._n_came = math.inf if last else self._n_came + 1
        if self._n_came >= self._wake_at and self._bell.locked():
            self._bell.release()

    # --- in the writer's thread ----------------------------------------------------------

    def wait(self) -> None:
        """Until enough outcomes wait, or LINGER seconds."""
        self._bell.acquire(blocking=False)  # it may have rung for others
        self._wake_at = self._n_gone + self.enough
        if self._n_came < self._wake_at:  # else it has not been rung for the last of them
            self._bell.acquire(timeout=LINGER)
        self._wake_at = math.inf

    def go(self, n: int) -> None:
        """So many wait no more."""
        self._n_gone += n

    def committed(self) -> None:
        """Those that have come meanwhile took an attempt each; the next commit leaves as many."""
        self._during = max(self._n_came - self._n_gone, _FADES * self._during)
        self.enough = int(max(GROUP, AHEAD - _SPARE - self._during))
