"""What comes back from a call, and what it amounts to."""

from dataclasses import dataclass
from enum import StrEnum

from overnight.domain.answer import Answer


class ErrorCategory(StrEnum):
    """Why a narrative has no answer; the words stand in the database."""

    API_ERROR = "api_error"
    RATE_LIMIT = "rate_limit"
    PARSE_ERROR = "parse_error"
    DATA_ERROR = "data_error"
    REFUSAL = "refusal"
    UNKNOWN = "unknown"


class Blame(StrEnum):
    """Whose fault a failed call is, as far as the reply tells."""

    NARRATIVE = "narrative"  # too long, content filter: calling again changes nothing
    SERVER = "server"  # no connection, time-out, 5xx, 429: the narrative is innocent
    SETUP = "setup"  # key, quota, model name, path: somebody must change something first
    NOBODY = "nobody"  # this machine slept while the call was under way: ask again
    FORM = "form"  # the way the answer's form was asked for: ask again without


class How(StrEnum):
    """In what way a call failed, as far as it tells something about the server."""

    TOLD = "told"  # the server said what is wrong
    REFUSED = "refused"  # no connection: the server was not there when it was called
    BROKE = "broke"  # the connection broke under the call: the server may have died of it
    DIED = "died"  # the server says that its model has crashed
    TIMED_OUT = "timed out"


@dataclass(slots=True)  # not frozen: one for each call, and that takes three times as long
class Request:
    """What is sent for one narrative; everything else is the same for a whole experiment."""

    system: str
    user: str  # the template with the narrative in it
    text: str  # the narrative alone, for providers that need no prompt
    seed: int | None


@dataclass(slots=True)  # not frozen: one for each call, and that takes three times as long
class Reply:
    """What came back on the wire, before anybody has tried to read it."""

    text: str
    finish_reason: str | None = None  # "stop", "length", "content_filter", ...
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str | None = None  # as the server names it
    system_fingerprint: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the reply ended because the token limit was reached."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call failed: a value, not an exception. `message` holds no narrative text."""

    category: ErrorCategory
    message: str
    blame: Blame
    http_status: int | None = None
    retry_after: float | None = None  # seconds, as the server asked
    reply: Reply | None = None  # where something came back and was paid for
    how: How = How.TOLD


@dataclass(frozen=True, slots=True)
class Answered:
    """The call gave a valid answer."""

    answer: Answer
    reply: Reply


Outcome = Answered | Fault
