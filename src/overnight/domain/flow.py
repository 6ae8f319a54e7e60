"""How many calls may be under way: all, some, one as a probe, none. Pure: `now` is an argument.

A session begins with one call, and goes on with as many as wanted once that is answered: what is
wrong with the set-up costs one call. A rate limit lets everybody rest. When narrative after
narrative gets no answer the run pauses and sends one probe at a time, until one is answered; then
`allowance` grows by one with each answer: one call, then two, four and so on.

How many are wanted is a number, or found out by a `Controller`, which learns from the calls of the
normal course only.
"""

from dataclasses import dataclass, field

from overnight.domain.concurrency import Controller
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Outcome

SILENT_NARRATIVES = 5  # this many different ones without an answer in between: a pause
FIRST_DELAY = 1.0  # seconds
LONGEST_DELAY = 60.0
_GROW_AFTER = 2  # rounds of answers after which a lowered ceiling is raised by one


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures: 1, 2, 4 ... 60."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(max(failures, 1) - 1, 10))


@dataclass(slots=True)
class Pause:
    """The server gives no answers. Times are those of the caller's clock, in seconds."""

    began: float
    reason: str
    next_probe: float
    n_probes: int = 0  # that were not answered
    is_probing: bool = False


@dataclass(frozen=True, slots=True)
class Paused:
    """The run has begun to pause, or a probe was not answered."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class Resumed:
    """The server answers again."""

    pause: Pause


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There has been no answer for longer than anybody wants to wait."""

    reason: str


Change = Paused | Resumed | GiveUp


@dataclass(slots=True)
class Toll:
    """What the server's failures have cost in this session."""

    n_pauses: int = 0
    paused_sec: float = 0.0
    n_retried: int = 0  # calls that were made again
    n_given_up: int = 0  # narratives that became errors although the server was to blame


@dataclass(slots=True)
class Flow:
    """The course of calls of one session."""

    wanted: int  # calls at once, if the server takes them; with a controller, at the most
    max_outage: float = 72 * 3600.0  # seconds without an answer, then the session ends
    ceiling: int = 0  # lowered by time-outs, or the controller's; 0: as wanted
    allowance: int = 1
    rest_until: float = 0.0
    rested_at: float = float("-inf")  # when a rest was last asked for
    pause: Pause | None = None
    silent: set[int] = field(default_factory=set)  # narratives without an answer since the last
    silent_since: float | None = None
    has_answered: bool = False  # in this session
    controller: Controller | None = None
    _is_careful: bool = False  # after a pause
    _lowered_at: float = float("-inf")
    _answers_at_ceiling: int = 0

    def __post_init__(self) -> None:
        self.ceiling = self.ceiling or self.wanted
        self._follow()

    def may_send(self, in_flight: int, now: float) -> bool:
        """Whether one more call may be sent."""
        if now < self.rest_until:
            return False
        if self.pause is not None:
            return not self.pause.is_probing and now >= self.pause.next_probe
        if self.controller is not None and now < self.controller.due:
            return False
        return in_flight < self.limit

    @property
    def limit(self) -> int:
        """Calls at once, as things stand; the probe of a pause apart."""
        return min(self.allowance, self.ceiling)

    def sent(self, in_flight: int = 0, now: float = 0.0) -> int:
        """A call is on its way, the `in_flight`th; `saw` wants the number that is returned."""
        if self.pause is not None:
            self.pause.is_probing = True
            return 0
        if self.controller is None:
            return 0
        return self.controller.sent(in_flight, now)

    def look_again_at(self, now: float) -> float | None:
        """When something may be sent that may not be sent now; None: not by waiting alone."""
        due = max(self.rest_until, self.pause.next_probe if self.pause is not None else 0.0)
        if self.pause is None and self.controller is not None:
            due = max(due, self.controller.due)
        return due if due > now else None

    def saw(
        self,
        outcome: Outcome,
        narrative_id: int,
        *,
        sent_at: float,
        now: float,
        n_left: float,
        window: int = 0,
    ) -> Change | None:
        """Take in how a call ended that was sent at `sent_at`; what follows for everybody.

        `n_left` narratives have no result yet, this one included; `window` is what `sent` gave.
        """
        if self.controller is not None:
            self._tell(self.controller, outcome, window, now - sent_at, now)
        if isinstance(outcome, Answered) or outcome.blame is Blame.NARRATIVE:
            return self._answered()
        if outcome.blame in (Blame.FORM, Blame.NOBODY):
            return self._not_probed()
        return self._unanswered(outcome, narrative_id, sent_at=sent_at, now=now, n_left=n_left)

    def _unanswered(
        self, outcome: Fault, narrative_id: int, *, sent_at: float, now: float, n_left: float
    ) -> Change | None:
        """A call that failed by the server's fault."""
        self.silent_since = now if self.silent_since is None else self.silent_since
        if now - self.silent_since >= self.max_outage:
            return GiveUp(f"no answer for {_hours(now - self.silent_since)}: {outcome.message}")
        if outcome.category is ErrorCategory.RATE_LIMIT:
            self._slow_down(sent_at, now)
            return self._not_probed()  # a busy server is there
        if outcome.how is How.TIMED_OUT and self._lower(sent_at, now):
            return None
        self.silent.add(narrative_id)
        if self.pause is not None:
            return self._probe_failed(self.pause, outcome, sent_at, now)
        return self._failed(outcome, now, n_left)

    def rest(self, seconds: float, now: float) -> None:
        """Send nothing for so long; after that, one call first."""
        self.rest_until = max(self.rest_until, now + seconds)
        self.rested_at = now
        self.allowance = 1
        if self.controller is not None:
            self.controller.rest(self.rest_until)

    def disturbed(self) -> None:
        """Latencies of calls that are under way say nothing of the server."""
        if self.controller is not None:
            self.controller.disturbed()

    def _tell(
        self, controller: Controller, outcome: Outcome, window: int, seconds: float, now: float
    ) -> None:
        """What the controller learns: how long it took until something was answered."""
        controller.saw(window, seconds, now, answered=outcome.reply is not None)
        self._follow()

    def _slow_down(self, sent_at: float, now: float) -> None:
        if self.controller is not None:
            self.controller.refused(sent_at, now)
            self._follow()

    @property
    def _is_paced(self) -> bool:
        return self.controller is not None and self.controller.pace.rate is not None

    def _follow(self) -> None:
        if self.controller is not None:
            self.ceiling = self.controller.limit

    def _answered(self) -> Change | None:
        ended, self.pause = self.pause, None
        self.silent.clear()
        self.silent_since = None
        if ended is not None:
            self.allowance, self.has_answered, self._is_careful = 1, True, True
            self.disturbed()
            return Resumed(ended)
        self._grow()
        if self.ceiling < self.wanted and self.controller is None:
            self._recover()
        return None

    def _grow(self) -> None:
        """One call more; as many as wanted once they are the limit no longer.

        After a rest, calls that are spaced need no slow start.
        """
        grown = self.allowance + 1
        is_slow = self._is_careful or not self._is_paced
        if self.has_answered and grown < self.ceiling and is_slow:
            self.allowance = grown
        else:
            self.allowance, self._is_careful = self.wanted, False
        self.has_answered = True

    def _recover(self) -> None:
        """Raise a lowered ceiling slowly: what was too much once may be so again."""
        self._answers_at_ceiling += 1
        if self._answers_at_ceiling >= _GROW_AFTER * self.ceiling:
            self.ceiling, self._answers_at_ceiling = self.ceiling + 1, 0

    def _lower(self, sent_at: float, now: float) -> bool:
        """Halve the ceiling for a time-out; False if that is not possible.

        Calls that were sent before it was last halved have nothing more to say about it.
        """
        if self.pause is not None or self.ceiling == 1:
            return False
        if sent_at >= self._lowered_at:
            self.ceiling = max(1, self.limit // 2)
            self.allowance = self.ceiling
            self._lowered_at, self._answers_at_ceiling = now, 0
            if self.controller is not None:
                self.controller.cut(self.ceiling, now)
                self._follow()
        return True

    def _not_probed(self) -> Change | None:
        """The call said nothing of whether the server answers; another one may try."""
        if self.pause is not None:
            self.pause.is_probing = False
        return None

    def _failed(self, fault: Fault, now: float, n_left: float) -> Change | None:
        if len(self.silent) < min(SILENT_NARRATIVES, n_left):
            return None
        self.pause = Pause(now, fault.message, now + FIRST_DELAY)
        self.allowance = 1
        return Paused(self.pause)

    def _probe_failed(
        self, pause: Pause, fault: Fault, sent_at: float, now: float
    ) -> Change | None:
        if not pause.is_probing or sent_at < pause.began:
            return None  # it was under way when the pause began
        pause.is_probing = False
        pause.n_probes += 1
        pause.reason = fault.message
        pause.next_probe = now + max(back_off(pause.n_probes + 1), fault.retry_after or 0.0)
        return Paused(pause)


def _hours(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"
