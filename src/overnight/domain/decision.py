"""What follows from how a call ended: a pure function of the outcome and its history."""

from collections import deque
from dataclasses import dataclass, field

from overnight.domain.attempt import Job
from overnight.domain.flow import back_off
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Outcome

MAX_UNREADABLE = 3  # replies that nobody can read, in all sessions, until that is the result
FEWEST_FAILURES = 2  # the first may be the beginning of an outage, whatever max_attempts says
MAX_LONE_DEATHS = 3  # deaths of the server while it worked on one narrative alone
_FIRST, _FIRST_BAD, _RECENT = 20, 18, 100  # narratives
_WORTHLESS = (ErrorCategory.PARSE_ERROR, ErrorCategory.REFUSAL, ErrorCategory.UNKNOWN)
_LONGEST_OUTAGE = 72 * 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Accept:
    """The outcome is the narrative's result, be it an answer or an error of its own."""


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Call again for the same narrative, not before so many seconds have passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Postpone:
    """The server may have died of this narrative: call again when all others are done."""


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Send nothing at all for so many seconds, then call again for the same narrative."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """No further call makes sense: somebody must change something first."""

    reason: str
    come_back_in: float | None = None  # seconds, where the server said when


Decision = Accept | RetryIn | Postpone | SlowDown | Stop


@dataclass(frozen=True, slots=True)
class Scene:
    """What was going on around a call."""

    alone: bool = False  # no other call was under way with it
    alive: bool = True  # the server had answered since anything failed, or nobody is left to ask
    resting: bool = False  # everybody rests, and this call was sent before


@dataclass(slots=True)
class Course:
    """How a session has gone so far, as far as decisions need to know."""

    max_attempts: int
    n_answers: int = 0  # calls that came back with something to read
    n_limited: int = 0  # rate limits in a row
    max_outage: float = _LONGEST_OUTAGE  # who asks for a longer rest is asked again by a human
    max_error_share: float | None = 0.5  # of the last 100 narratives that ended; None: any
    ends: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))  # True: worthless
    n_ended: int = 0

    def saw_reply(self) -> None:
        """The server is there."""
        self.n_answers += 1
        self.n_limited = 0

    def saw_end(self, outcome: Outcome) -> None:
        """A narrative has its result."""
        self.n_ended += 1
        self.ends.append(isinstance(outcome, Fault) and outcome.category in _WORTHLESS)

    def worthless(self) -> str | None:
        """Why going on would be money for rubbish; None as long as it is not."""
        if self.max_error_share is None:
            return None
        bad = sum(self.ends)
        early = self.n_ended == _FIRST and bad >= _FIRST_BAD
        late = self.n_ended >= _RECENT and bad > self.max_error_share * _RECENT
        if not early and not late:
            return None
        return (
            f"{bad} of the last {len(self.ends)} narratives gave no readable answer; look with "
            "overnight show latest --errors --with-text, then change the prompt, the model or "
            "the section output, then overnight run CONFIG --new"
        )


def decide(outcome: Outcome, job: Job, course: Course, scene: Scene = Scene()) -> Decision:
    """What to do next; counts the outcome into `job` and `course`.

    An answer or a fault of the narrative's own is its result. An unreadable reply is asked for
    again with another seed. Everything else is the server's fault until others are answered.
    """
    if isinstance(outcome, Answered):
        course.saw_reply()
        return Accept()
    job.first_error = job.first_error or outcome.message
    if outcome.blame is Blame.NARRATIVE:
        course.saw_reply()
        return _own(outcome, job)
    if outcome.blame in (Blame.FORM, Blame.NOBODY):
        return RetryIn(0.0)
    if (stop := _no_use(outcome, course)) is not None:
        return stop
    if outcome.category is ErrorCategory.RATE_LIMIT:
        return _limited(outcome, course, scene)
    return _server_failed(outcome, job, course, scene)


def _own(fault: Fault, job: Job) -> Decision:
    """The narrative's own fault is its result; an unreadable reply only at the third time."""
    if fault.category is not ErrorCategory.PARSE_ERROR:
        return Accept()
    job.n_unreadable += 1
    job.unreadable_now += 1
    return Accept() if job.unreadable_now >= MAX_UNREADABLE else RetryIn(0.0)


def _no_use(fault: Fault, course: Course) -> Stop | None:
    """Why further calls are of no use until somebody does something; None if they may be."""
    if fault.blame is Blame.SETUP and course.n_answers == 0:
        return Stop(fault.message)
    if (fault.retry_after or 0.0) > course.max_outage:
        hours = (fault.retry_after or 0.0) / 3600
        reason = f"the server asks to come back in {hours:,.0f} hours: {fault.message}"
        return Stop(reason, fault.retry_after)
    return None


def _server_failed(fault: Fault, job: Job, course: Course, scene: Scene) -> Decision:
    """Only failures while others were answered say something about the narrative itself."""
    if job.failed_now == 0 or course.n_answers > job.answers_when_failed:
        job.failed_now += 1
    job.answers_when_failed = course.n_answers
    if job.failed_now >= max(FEWEST_FAILURES, course.max_attempts):
        return Accept()
    if fault.how in (How.BROKE, How.DIED):
        return _died(job, scene)
    return RetryIn(max(fault.retry_after or 0.0, back_off(job.failed_now)))


def _died(job: Job, scene: Scene) -> Decision:
    job.n_deaths += 1
    if scene.alone and scene.alive:
        job.lone_deaths += 1
    return Accept() if job.lone_deaths >= MAX_LONE_DEATHS else Postpone()


def _limited(fault: Fault, course: Course, scene: Scene) -> Decision:
    """A rate limit is nobody's failure and uses up no attempt: everybody waits.

    As long as the server asks; longer only if it did not say, or says the same again and again.
    Those that were under way when it said so the first time say nothing new.
    """
    course.n_limited += not scene.resting or not course.n_limited
    asked = fault.retry_after or 0.0
    if asked <= 0.0:
        return SlowDown(back_off(course.n_limited))
    again = course.n_limited - 1
    return SlowDown(max(asked, back_off(again)) if again else asked)
