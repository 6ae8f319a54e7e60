"""What a server said, as far as it may be shown: no narrative text, no key, short."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from overnight.domain.outcome import Request

_LONGEST_QUOTE = 200
_LONGEST_READ = 2000
_SHARED_RUN = 20  # characters of the prompt that a quote may not repeat
_SHARED_LETTERS = 12  # ... and letters of the narrative
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|[nrt])")
_WHERE_IT_IS = ("error", "message", "detail", "msg", "errors", "choices")
_EVENTS = ("event:", "data: ", "data:{")
_FIRST_ERROR, _LAST_ERROR = 400, 599


def quote(body: str, request: Request, hide: Callable[[str], str] = str) -> str:
    """What a server said, short, on one line, and without anything of the prompt in it.

    Servers quote what they were sent in many spellings; where a message still shares words with
    the narrative after all that it quotes has been cut out, nothing of it is kept. `hide` takes
    secrets out, before anything is cut.
    """
    said = hide(_message(body))[:_LONGEST_READ]
    shown = "".join(c if c.isprintable() else " " for c in said)  # no escape codes on a terminal
    said = without_prompt(" ".join(shown.split()), request)
    if _resembles(said, request.text):
        return "(it quotes what was sent)"
    return said if len(said) <= _LONGEST_QUOTE else said[: _LONGEST_QUOTE - 1] + "…"


def without_prompt(said: str, request: Request) -> str:
    """`said` without what it repeats of the narrative, the template or the system prompt."""
    for sent in (request.text, request.user, request.system):
        said = _without(said, sent)
    return said


def is_page(body: str) -> bool:
    """Whether a body is HTML or XML, as proxies send it."""
    return body.lstrip("\ufeff \t\r\n").startswith("<")


def error_code(body: str) -> int | None:
    """The HTTP status that an error body names inside, which a server's own may contradict."""
    for layer in _layers(_parsed(body)):
        if isinstance(layer, dict):
            for name in ("code", "status", "status_code"):
                code = layer.get(name)
                if isinstance(code, str) and code.isascii() and code.isdigit():
                    code = int(code[:4])
                if type(code) is int and _FIRST_ERROR <= code <= _LAST_ERROR:
                    return code
    return None


def error_in(body: str) -> str:
    """The part of a reply that speaks of an error: never the words of a model."""
    data = _parsed(body)
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        return body
    choice = data["choices"][0] if data["choices"] else None
    error = data.get("error") or (choice.get("error") if isinstance(choice, dict) else None)
    return json.dumps(error) if error else ""


def _message(body: str) -> str:
    """The sentence in an error body, wherever the server keeps it."""
    data = _parsed(body)
    if data is None:
        return "(a page of HTML)" if is_page(body) else body
    *_, last = _layers(data)
    return "" if isinstance(last, dict | list) or last is None else str(last)


def _parsed(body: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The JSON in a body, also in an event of a stream; None where there is none."""
    found = re.search(r"^data: *(\{.*)", body, re.MULTILINE) if body.startswith(_EVENTS) else None
    try:
        return json.loads(found[1] if found else body)
    except (ValueError, RecursionError):
        return None


def _layers(data: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever JSON can hold
    """An error body from the outside in: each part is inside the one before it."""
    while True:
        yield data
        if isinstance(data, list) and data:
            data = data[0]
        elif isinstance(data, dict):
            inner = _forwarded(data) or next((data[k] for k in _WHERE_IT_IS if data.get(k)), None)
            if inner is None:
                return
            data = inner
        else:
            return


def _forwarded(layer: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """What OpenRouter passes on from the provider that failed; it says more than OpenRouter."""
    metadata = layer.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return (_parsed(raw) or raw) if isinstance(raw, str) else raw


def _resembles(said: str, text: str) -> bool:
    """Whether a message shares a run of letters with a narrative, whatever their spelling."""
    ours, theirs = _letters(text), _letters(said)
    runs = range(len(theirs) - _SHARED_LETTERS + 1)
    return any(theirs[i : i + _SHARED_LETTERS] in ours for i in runs)


def _letters(text: str) -> str:
    """Letters and digits alone, without case, backslash escapes undone."""
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else " ", text)
    return "".join(c for c in plain.casefold() if c.isalnum())


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
