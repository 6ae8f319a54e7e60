"""What follows from how a call ended: a pure function of the outcome and its history."""

from collections import deque
from dataclasses import dataclass, field

from overnight.domain.attempt import Job
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Outcome

MAX_UNREADABLE = 3  # calls that a narrative gets in one session while nobody can read the reply
SILENT_NARRATIVES = 5  # this many different ones without an answer in between: the server is gone
_FIRST, _FIRST_BAD, _RECENT = 20, 18, 100  # narratives
_WORTHLESS = (ErrorCategory.PARSE_ERROR, ErrorCategory.REFUSAL, ErrorCategory.UNKNOWN)
LONGEST_REST = 72 * 3600.0  # seconds; who asks for more is asked again by a human
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0


@dataclass(frozen=True, slots=True)
class Accept:
    """The outcome is the narrative's result, be it an answer or an error of its own."""


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Call again for the same narrative, not before so many seconds have passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Send nothing at all for so many seconds, then call again for the same narrative."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """No further call makes sense: somebody must change something first."""

    reason: str


Decision = Accept | RetryIn | SlowDown | Stop


@dataclass(slots=True)
class Course:
    """How a session has gone so far, as far as decisions need to know."""

    max_attempts: int
    n_answers: int = 0  # calls that came back with something to read
    n_limited: int = 0  # rate limits in a row
    max_error_share: float | None = 0.5  # of the last 100 narratives that ended; None: any
    ends: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))  # True: worthless
    n_ended: int = 0
    silent: set[int] | None = None  # narratives without an answer since the last one came

    def saw_reply(self) -> None:
        """The server is there."""
        self.n_answers += 1
        self.n_limited = 0
        self.silent = None

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
            "the section output"
        )

    def saw_silence(self, narrative_id: int) -> int:
        """The server gave no answer; on how many different narratives in a row."""
        self.silent = self.silent or set()
        self.silent.add(narrative_id)
        return len(self.silent)


def decide(outcome: Outcome, job: Job, course: Course) -> Decision:
    """What to do next; counts the outcome into `job` and `course`.

    An answer or a fault of the narrative's own is its result. An unreadable reply is asked for
    again with another seed. Everything else is the server's fault until others are answered.
    """
    if isinstance(outcome, Answered):
        course.saw_reply()
        return Accept()
    job.first_error = job.first_error or outcome.message
    if outcome.blame in (Blame.FORM, Blame.NOBODY):
        return RetryIn(0.0)
    if outcome.category is ErrorCategory.PARSE_ERROR:
        course.saw_reply()
        return _unreadable(job)
    if outcome.blame is Blame.NARRATIVE:
        course.saw_reply()
        return Accept()
    if outcome.blame is Blame.SETUP and course.n_answers == 0:
        return Stop(outcome.message)
    return _server_failed(outcome, job, course)


def _unreadable(job: Job) -> Decision:
    job.n_unreadable += 1
    job.unreadable_now += 1
    return Accept() if job.unreadable_now >= MAX_UNREADABLE else RetryIn(0.0)


def _server_failed(fault: Fault, job: Job, course: Course) -> Decision:
    if fault.category is ErrorCategory.RATE_LIMIT:
        return _limited(fault, course)
    if course.saw_silence(job.narrative.narrative_id) >= SILENT_NARRATIVES:
        return Stop(_gone(fault, course))
    if job.failed_now == 0:
        job.answers_when_failed = course.n_answers
    job.failed_now += 1
    if job.failed_now >= course.max_attempts:
        others_answered = course.n_answers > job.answers_when_failed
        return Accept() if others_answered else Stop(_gone(fault, course))
    return RetryIn(max(fault.retry_after or 0.0, back_off(job.failed_now)))


def _limited(fault: Fault, course: Course) -> Decision:
    """A rate limit is nobody's failure and uses up no attempt: everybody waits."""
    course.n_limited += 1
    seconds = back_off(course.n_limited) if fault.retry_after is None else fault.retry_after
    if seconds > LONGEST_REST:
        hours = seconds / 3600
        return Stop(f"the server asks to come back in {hours:,.0f} hours: {fault.message}")
    return SlowDown(seconds)


def _gone(fault: Fault, course: Course) -> str:
    verb = "stopped answering" if course.n_answers else "does not answer"
    return f"the model's server {verb}: {fault.message}"


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures: 1, 2, 4 ... 60."""
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
