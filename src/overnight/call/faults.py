"""From what went wrong on the wire to a fault: whose it is, and what category."""

from collections.abc import Callable, Mapping

from overnight.call.parameters import advice
from overnight.call.quotes import error_code, error_in, is_page, quote, without_prompt
from overnight.call.verdicts import DIED, NO_COMPLETION, NOT_UNDERSTOOD, PAGE, Verdict, judge
from overnight.call.waits import retry_after
from overnight.domain.outcome import Blame, ErrorCategory, Fault, How, Request

_JUDGED = 4000  # characters of an error body that are looked at
_LIMITED = 429
_UNKNOWN = 400  # how an error inside a reply is judged that names no status


def no_answer(message: str, how: How = How.TOLD) -> Fault:
    """Nothing came back: no connection, a time-out, a reply cut on the way."""
    return Fault(ErrorCategory.API_ERROR, message, Blame.SERVER, how=how)


def from_status(
    status: int,
    headers: Mapping[str, str],
    body: str,
    request: Request,
    *,
    formed: bool,
    hide: Callable[[str], str] = str,
) -> Fault:
    """The fault behind an HTTP status other than 200. Names of `headers` are in lower case.

    `formed`: the request asked for a schema, and the server has not yet shown that it can.
    `hide` takes secrets out of what the server said.
    """
    text = without_prompt(body[:_JUDGED], request)
    verdict = judge(status, text, formed=formed) or NOT_UNDERSTOOD
    message = _message(verdict, f"HTTP {status}", text, quote(body, request, hide))
    wait = _wait(verdict, headers, text, status)
    return Fault(verdict.category, message, verdict.blame, status, wait, how=_how(verdict))


def from_reply(
    headers: Mapping[str, str],
    body: str,
    request: Request,
    *,
    formed: bool,
    hide: Callable[[str], str] = str,
) -> Fault:
    """The fault behind a reply with HTTP 200 that is no chat completion, or holds an error.

    What is not understood is the server's.
    """
    error = error_in(body)
    text = without_prompt(error[:_JUDGED], request)
    code = error_code(error)
    if is_page(body):
        verdict = PAGE
    elif code is None:
        verdict = judge(_UNKNOWN, text, formed=formed) or NO_COMPLETION
    else:
        verdict = judge(code, text, formed=formed) or NOT_UNDERSTOOD
    how = "HTTP 200" if code is None else f"HTTP 200, error {code} inside"
    message = _message(verdict, how, text, quote(error, request, hide))
    wait = _wait(verdict, headers, text, code)
    return Fault(verdict.category, message, verdict.blame, 200, wait, how=_how(verdict))


def _how(verdict: Verdict) -> How:
    return How.DIED if verdict is DIED else How.TOLD


def _message(verdict: Verdict, how: str, text: str, said: str) -> str:
    return verdict.message.format(how=how, said=said, advice=advice(text)).removesuffix(": ")


def _wait(
    verdict: Verdict, headers: Mapping[str, str], text: str, status: int | None
) -> float | None:
    """What the server asks to wait, where waiting can help."""
    if verdict.blame is not Blame.SERVER:
        return None
    return retry_after(headers, text, limited=status == _LIMITED)
