"""What an error means, by its status and its words: one ordered table, the first rule decides.

The words are those of LM Studio, Ollama, vLLM, llama.cpp, OpenAI, Azure, OpenRouter and of the
proxies before them; the tests hold the replies that each rule is there for.
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass

from overnight.call.parameters import objected
from overnight.call.waits import says_when
from overnight.domain.outcome import Blame, ErrorCategory


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose fault it is, and the sentence that says so.

    In `message`, {how} becomes the status, {said} the server's words, {advice} what to do about
    a parameter.
    """

    category: ErrorCategory
    blame: Blame
    message: str


def _narratives(category: ErrorCategory, message: str) -> Verdict:
    return Verdict(category, Blame.NARRATIVE, message)


def _servers(message: str) -> Verdict:
    return Verdict(ErrorCategory.API_ERROR, Blame.SERVER, message)


def _setups(message: str) -> Verdict:
    return Verdict(ErrorCategory.API_ERROR, Blame.SETUP, message)


TOO_LONG = _narratives(ErrorCategory.DATA_ERROR, "too long for the model's context ({how}): {said}")
TOO_LARGE = _narratives(ErrorCategory.DATA_ERROR, "larger than the server accepts ({how}): {said}")
FILTERED = _narratives(ErrorCategory.REFUSAL, "stopped by a content filter ({how})")

SLOW_DOWN = Verdict(
    ErrorCategory.RATE_LIMIT, Blame.SERVER, "the server asks to slow down ({how}): {said}"
)
NOT_READY = _servers("the server has no model that is ready ({how}); see that it loads: {said}")
DIED = _servers("the server's model has crashed ({how}); see that it is loaded again: {said}")
FAILED = _servers("the server failed ({how}): {said}")
NO_COMPLETION = _servers("the server's reply is no chat completion ({how}): {said}")

NO_SCHEMA = Verdict(
    ErrorCategory.API_ERROR, Blame.FORM, "the server takes no JSON schema ({how}): {said}"
)

NO_ROOM = _setups(
    "model.max_tokens is as large as the model's whole context ({how}); set it lower: {said}",
)
SCHEMA_LOST = _setups(
    "the server does not take the form in which this experiment asks for answers ({how}); use "
    "the server it began with, or change response_format in model.extra_body: {said}",
)
PARAMETER = _setups("the server {advice} ({how}): {said}")
HTTPS = _setups("the server wants https:// in model.api_url ({how})")
KEY = _setups(
    "the server refuses the key ({how}); model.api_key_env must name the environment variable "
    "that holds a valid one: {said}",
)
ACCESS = _setups(
    "the server refuses access ({how}); check the key that model.api_key_env names and what it "
    "may be used for: {said}",
)
CREDIT = _setups("the account has no credit or quota left ({how}); top it up: {said}")
NO_MODEL = _setups("the server knows no such model ({how}); check model.name: {said}")
NOT_FOUND = _setups(
    "the server knows no such model or path ({how}); check model.name and model.api_url: {said}",
)
PAGE = _setups(
    "a web page answers in place of a model's server ({how}); check model.api_url, which usually "
    "ends in /v1",
)
REDIRECT = _setups(
    "the server redirects ({how}), which is not followed since narratives would go elsewhere; put "
    "the final address into model.api_url",
)
PROXY = _setups(
    "a proxy on the way asks for a password ({how}); reach the server without that proxy",
)
NOT_UNDERSTOOD = _setups(
    "the server refuses the request ({how}); check the section model of the experiment file: "
    "{said}",
)


def _any_of(*patterns: str) -> Callable[[str], object]:
    return re.compile("|".join(patterns), re.IGNORECASE).search


def _whatever(_text: str) -> bool:
    return True


_too_long = _any_of(
    r"context_length_exceeded|exceed_context_size|string_above_max_length",
    r"maximum context length (?:is|of)",
    r"request(?: \(\d+ tokens\))? exceeds the (?:available )?context",
    r"(?:input|prompt)[^.]{0,60} exceeds? (?:the )?(?:model'?s? |available |maximum )*context",
    r"exceeds? (?:the )?(?:model'?s )?maximum (?:input|prompt|sequence|allowed|number of)",
    r"trying to keep the first \d+ tokens",
    r"does not fit in (?:the )?context",
    r"(?:prompt|input|message|text)s? (?:is|are) too (?:long|large)",
    r"input[^.]{0,40} is too large to process",
    r"too many (?:input |prompt )?tokens",
    r"reduce the length of the (?:input|prompt|messages|text)",
    r"max_tokens must be at least 1, got -",
)
_overrun = _any_of(r"context (?:size|length|window) (?:has been |was )?exceeded")
_too_large = _any_of(r"request too large for|request size exceeds|maximum allowed content length")
_filtered = _any_of(
    r"content[_ ]?(?:filter|management|policy|safety)|responsible ?ai",
    r"\bflagged\b|requires moderation|usage polic|safety system",
)
_not_ready = _any_of(
    r"no models? (?:is |are )?(?:currently )?loaded",
    r"model (?:is |was |has been )?(?:unloaded|reloaded)",
    r"(?:failed to|error|cannot|could not) load(?:ing)? (?:the )?model|loading model",
    r"model is (?:still |currently )?(?:being )?load(?:ing|ed\b(?! with))",
    r"channel error|prediction-error",
    r"overloaded|at capacity|server busy|temporarily unavailable|out of memory",
    r"insufficient (?:system )?(?:resources|memory)",
)
_died = _any_of(
    r"model (?:has )?(?:crashed|unexpectedly stopped)|crashed without|exit code",
    r"enginecore|engine is dead|runner process",
)
_form = _any_of(
    r"response_format|json[_ ]?(?:schema|object|mode)|structured[_ ]?output",
    r"output_(?:format|config)|grammar|\bguided|initiali[sz]e samplers|\bschema\b",
)
_asked_form = _any_of(r"response_format|json_schema")
_https = _any_of(r"http request was sent to https|client sent an http request to an https")
_key = _any_of(r"api[_ -]?key|authenticat|unauthori[sz]ed")
_model = _any_of(
    r"model_not_found|deploymentnotfound|no endpoints found|(?:invalid|unknown) model",
    r"model\b.{0,160}(?:not found|(?:does not|doesn't) exist|is not available)",
    r"not a valid model|(?:does not|doesn't) have access to (?:the )?model",
    r"multiple models are loaded|specify a (?:valid )?model|model\W{1,4}(?:field )?is required",
    r"does not support (?:chat|generate)|does not work with the specified model",
    r"not a chat model",
)
_path = _any_of(r"unexpected endpoint|unknown (?:endpoint|url|path|route)|invalid url|cannot post")
_credit = _any_of(
    r"insufficient[_ ](?:quota|credit|fund|balance)|credit_balance|exceeded your current quota",
    r"billing_hard_limit|billing_not_active|account is not active|(?:key|spend\w*) limit exceeded",
)
_for_now = _any_of(r"in_flight_budget")
_context = re.compile(r"maximum context length (?:is|of) (\d{1,12})")
_answer = re.compile(r"(\d{1,12}) in the (?:completion|output)|is too large: (\d{1,12})")


def _no_room(text: str) -> bool:
    """Whether the answer alone is allowed as much as the whole context holds."""
    context, answer = _context.search(text), _answer.search(text)
    if context is None or answer is None:
        return False
    return int(answer[1] or answer[2]) >= int(context[1])


def _broke(text: str) -> bool:
    """Some say the same of a limit per minute, but then they say when to come back."""
    return bool(_credit(text)) and not says_when(text)


_OURS_AT_500 = (400, 404, 415, 422, 500, 501)  # with a schema, also what a server trips over
_REFUSED = (400, 404, 422)
_PASSES = frozenset({408, 409, 421, 423, 424, 425, 499, *range(500, 1000)})

_RULES: tuple[tuple[Container[int], Callable[[str], object], Verdict], ...] = (
    ((400, 422), _no_room, NO_ROOM),
    ((400, 413, 422, 500), _too_long, TOO_LONG),
    ((400, 413, 422), _overrun, TOO_LONG),
    ((400, 413, 429), _too_large, TOO_LARGE),
    ((413,), _whatever, TOO_LARGE),
    ((400, 403, 422), _filtered, FILTERED),
    ((*_REFUSED, 500, 503), _died, DIED),
    (_REFUSED, _not_ready, NOT_READY),
    (_OURS_AT_500, _form, NO_SCHEMA),
    ((400,), _https, HTTPS),
    ((400, 422), _asked_form, SCHEMA_LOST),
    ((400,), _key, KEY),
    ((400, 422), objected, PARAMETER),
    ((*_REFUSED, 403), _model, NO_MODEL),
    (_REFUSED, _path, NOT_FOUND),
    ((402,), _for_now, SLOW_DOWN),
    ((402,), _whatever, CREDIT),
    ((400, 403, 429), _broke, CREDIT),
    ((429,), _whatever, SLOW_DOWN),
    (_PASSES, _whatever, FAILED),
    (range(200, 300), _whatever, NO_COMPLETION),
    (range(300, 400), _whatever, REDIRECT),
    ((401,), _whatever, KEY),
    ((403,), _whatever, ACCESS),
    ((404, 405, 410), _whatever, NOT_FOUND),
    ((407,), _whatever, PROXY),
)


def judge(status: int, text: str, *, formed: bool) -> Verdict | None:
    """The verdict on an error body; None where nobody understands it.

    `formed`: the request asked for a schema, and the server has not yet shown that it can.
    """
    for statuses, fits, verdict in _RULES:
        if status in statuses and (formed or verdict is not NO_SCHEMA) and fits(text):
            return verdict
    return None
