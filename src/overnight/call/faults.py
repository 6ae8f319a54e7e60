"""From what went wrong on the wire to a fault: whose it is, and what category."""

import contextlib
import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from overnight.domain.outcome import Blame, ErrorCategory, Fault, Request

_LONGEST_QUOTE = 200
_SHARED_RUN = 20  # characters of the prompt that a quote may not repeat
_SHARED_LETTERS = 12  # ... and letters of the narrative
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|[nrt])")
_TOO_LONG = re.compile(
    r"context[_ ]?(length|size|window)|maximum context|exceeds? the (available )?context|"
    r"prompt is too long|too many tokens|reduce the length|input is too long|n_ctx",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[_ ]?(filter|management|policy)|responsible ?ai", re.IGNORECASE)
_FORM = re.compile(
    r"response_format|json_schema|json schema|structured output|grammar|schema", re.IGNORECASE
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
_FORM_STATUSES = (400, 404, 415, 422, 500, 501)


def no_answer(message: str) -> Fault:
    """Nothing came back: no connection, a time-out, a reply cut on the way."""
    return Fault(ErrorCategory.API_ERROR, message, Blame.SERVER)


def from_status(
    status: int, headers: Mapping[str, str], body: str, request: Request, *, formed: bool
) -> Fault:
    """The fault behind an HTTP status other than 200.

    `formed`: the request asked for a schema, and the server has not yet shown that it can.
    """
    said = quote(body, request)
    wait = retry_after(headers)
    if status in (413, 400, 422, 500) and _TOO_LONG.search(body):
        message = f"too long for the model's context (HTTP {status}): {said}"
        return Fault(ErrorCategory.DATA_ERROR, message, Blame.NARRATIVE, status)
    if status in (400, 403, 422) and _FILTERED.search(body):
        message = f"stopped by a content filter (HTTP {status})"
        return Fault(ErrorCategory.REFUSAL, message, Blame.NARRATIVE, status)
    if formed and status in _FORM_STATUSES and _FORM.search(body):
        message = f"the server takes no JSON schema (HTTP {status}): {said}"
        return Fault(ErrorCategory.API_ERROR, message, Blame.FORM, status)
    if status == 429 and not _QUOTA.search(body):  # noqa: PLR2004 - the status itself
        message = f"the server asks to slow down (HTTP 429): {said}"
        return Fault(ErrorCategory.RATE_LIMIT, message, Blame.SERVER, status, wait)
    if status == 408 or status >= 500:  # noqa: PLR2004 - the statuses themselves
        message = f"the server failed (HTTP {status}): {said}"
        return Fault(ErrorCategory.API_ERROR, message, Blame.SERVER, status, wait)
    return Fault(ErrorCategory.API_ERROR, f"{_advice(status)}: {said}", Blame.SETUP, status)


def _advice(status: int) -> str:
    """What to change, for a status that says the set-up is wrong."""
    if status in (401, 403):
        return (
            f"the server refuses the key (HTTP {status}); model.api_key_env must name the "
            "environment variable that holds a valid one"
        )
    if status in (402, 429):
        return f"the account has no credit or quota left (HTTP {status}); top it up"
    if status == 404:  # noqa: PLR2004 - the status itself
        return (
            "the server knows no such model or path (HTTP 404); check model.name and model.api_url"
        )
    if 300 <= status < 400:  # noqa: PLR2004 - the statuses themselves
        return (
            f"the server redirects (HTTP {status}), which is not followed since narratives would "
            "go elsewhere; put the final address into model.api_url"
        )
    return f"the server refuses the request (HTTP {status})"


def quote(body: str, request: Request) -> str:
    """What a server said, short, on one line, and without anything of the prompt in it.

    Servers quote what they were sent in many spellings; where a message still shares words with
    the narrative after all that it quotes has been cut out, nothing of it is kept.
    """
    said = " ".join(_message(body).split())
    for sent in (request.text, request.user, request.system):
        said = _without(said, sent)
    if _resembles(said, request.text):
        return "(it quotes what was sent)"
    return said if len(said) <= _LONGEST_QUOTE else said[: _LONGEST_QUOTE - 1] + "…"


def _resembles(said: str, text: str) -> bool:
    """Whether a message shares a run of letters with a narrative, whatever their spelling."""
    ours, theirs = _letters(text), _letters(said)
    runs = range(len(theirs) - _SHARED_LETTERS + 1)
    return any(theirs[i : i + _SHARED_LETTERS] in ours for i in runs)


def _letters(text: str) -> str:
    """Letters and digits alone, without case, backslash escapes undone."""
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else " ", text)
    return "".join(c for c in plain.casefold() if c.isalnum())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait; None where it does not say."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) * scale
        with contextlib.suppress(ValueError):
            at = parsedate_to_datetime(value) if value else None
            if at is not None and at.tzinfo is not None:
                return max(0.0, at.timestamp() - time.time())
    return None


def _message(body: str) -> str:
    """The sentence in an error body, wherever the server keeps it."""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body[:2000] if not body.lstrip().startswith("<") else "(a page of HTML)"
    while isinstance(data, dict):
        data = next(
            (data[key] for key in ("error", "message", "detail", "msg") if data.get(key)), ""
        )
    return str(data)[:2000]


def _without(said: str, sent: str) -> str:
    """`said` with every run that it shares with `sent` replaced by an ellipsis."""
    start = 0
    while start + _SHARED_RUN <= len(said):
        if said[start : start + _SHARED_RUN] not in sent:
            start += 1
            continue
        end = start + _SHARED_RUN
        while end < len(said) and said[start : end + 1] in sent:
            end += 1
        said = said[:start] + "[…]" + said[end:]
        start += 3
    return said
