"""How many calls per second a server allows that answers 429 to more. Pure.

Between two moments at which the server refused calls it has let through what it allows, be it a
bucket that fills or a count per minute, or less if it was not asked for more in between. So the
truth lies between that and the pace at which it refused: calls are spaced from just below the one
slowly up to the other, and after that faster and faster until the next refusal.
"""

import math
from dataclasses import dataclass

_BEGIN = 0.95  # of what was let through: the pace after a refusal
_BEYOND = 1.02  # of what is aimed at: the pace a cycle later
_FASTER = 0.3  # then it grows by this exponent times the square of the further cycles
_FORGET = 4.0  # times the aim: the pace no longer holds anybody back
_CALLS, _SECONDS = 120.0, 60.0  # the length of a cycle: both of them ...
_FIRST_CALLS, _FIRST_SECONDS = 8.0, 4.0  # ... and of the first, doubling from there
_LONGEST = 4  # doublings of a forgotten limit's cycles, which are the longest then
_LONG_AGO = 600.0  # seconds
_MOST_CYCLES = 10.0  # that count; the pace is forgotten long before
_LIVED = 0.5  # of a cycle: a refusal before that came too early, and the next cycle is shorter
_SLACK = 0.1  # of the gap between two calls, by which one that was late may be made up for
_AT_LEAST = 0.25  # of what was known before: one silent hour is no measure


@dataclass(slots=True)
class Pace:
    """When the next call may be sent, once a server has refused some."""

    rate: float | None = None  # calls per second that were let through; None: no limit is known
    aim: float = 0.0  # calls per second, a cycle after the refusal
    due: float = -math.inf  # when the next call may be sent
    was_early: bool = False  # the last refusal: calls were spaced, and it came too soon
    _since: float | None = None  # the last refusal, or the first call
    _from: float = 0.0  # when calls went on after it
    _n_sent: int = 0  # since the last refusal
    _n_refused: int = 0
    _n_cycles: int = -1  # before the first

    def sent(self, now: float) -> None:
        """A call is on its way."""
        if self._since is None:
            self._since = now
        self._n_sent += 1
        if self.rate is None:
            return
        pace = self.pace(now)
        if pace > _FORGET * self.aim:
            self.rate, self.due = None, -math.inf
            return
        gap = 1.0 / pace
        self.due = max(self.due, now - _SLACK * gap) + gap

    def refused(self, sent_at: float, now: float, pace: float) -> int:
        """A call was answered with 429; how many were let through before, 0 if it is no news.

        Those sent before the last refusal was seen say what is known already. `pace`: calls per
        second at which it happened, where this one did not hold them back.
        """
        if self._since is None or (self.rate is not None and sent_at <= self._since):
            return 0
        self._n_refused += 1
        calls, seconds = self._n_sent - self._n_refused, max(now - self._since, 0.01)
        if calls <= 0:
            return 0
        let_through = calls / seconds
        if self.rate is None:
            # What was forgotten a moment ago was forgotten too soon: longer cycles from now on.
            is_new = self._n_cycles < 0 or seconds > _LONG_AGO
            self._n_cycles = 0 if is_new else min(self._n_cycles + 1, _LONGEST)
            self.rate, self.was_early = let_through, False
        else:
            pace = self.pace(now)
            self.was_early = self._cycles(now) < _LIVED
            self._n_cycles = self._n_cycles // 2 if self.was_early else self._n_cycles + 1
            self.rate = max(_AT_LEAST * self.rate, let_through)
        self.aim = math.sqrt(self.rate * max(self.rate, pace))
        self._since = self._from = self.due = now
        self._n_sent = self._n_refused = 0
        return calls

    def rest(self, until: float) -> None:
        """Nothing is sent until then."""
        self._from = max(self._from, until)

    def pace(self, now: float) -> float:
        """Calls per second: from a little below what was let through slowly to above it."""
        assert self.rate is not None, "no limit is known"  # noqa: S101
        cycles = self._cycles(now)
        low, high = _BEGIN * self.rate, _BEYOND * self.aim
        if cycles <= 1.0:
            return low + (high - low) * math.sqrt(cycles)
        return high * math.exp(_FASTER * (cycles - 1.0) ** 2)

    def _cycles(self, now: float) -> float:
        doubled = 2.0 ** min(self._n_cycles, 10)
        length = max(
            min(_CALLS, _FIRST_CALLS * doubled) / self.aim, min(_SECONDS, _FIRST_SECONDS * doubled)
        )
        return min(max(0.0, now - self._from) / length, _MOST_CYCLES)
