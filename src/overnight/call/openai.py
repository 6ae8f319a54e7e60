"""Any server that speaks OpenAI's chat completions: LM Studio, Ollama, vLLM, llama.cpp, OpenAI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from overnight.call.body import Bodies
from overnight.call.client import Structured
from overnight.call.faults import from_reply, from_status, no_answer
from overnight.call.http import BrokenError, ConnectError, InsecureError, Pool
from overnight.domain.outcome import Blame, ErrorCategory, Fault, How, Reply, Request

_OK = 200
_BROKEN_OFF = ("error", "abort", "network_error")  # finish reasons: the server gave up half-way


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the server is reached. `headers` may hold a key: never show them."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 300.0  # seconds, for a whole call
    hide: Callable[[str], str] = str  # secrets, before anything that a server says is cut short


class OpenAIClient:
    """Sends requests to one endpoint over kept-alive connections; follows no redirect."""

    def __init__(
        self,
        endpoint: Endpoint,
        parameters: Mapping[str, Any],
        schema: Mapping[str, Any],
        *,
        structured: Structured | None = None,
    ) -> None:
        """`parameters` go into each body; a None among them leaves that parameter out."""
        self._endpoint = endpoint
        response_format = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
        self._bodies = Bodies(parameters, response_format)
        wanted = parameters.get("response_format", response_format)
        self._structured = "none" if wanted is None else structured
        self._pool: Pool | None = None

    @property
    def structured(self) -> Structured | None:
        """How the answer's form is asked for; None until the server has shown what it takes."""
        return self._structured

    @property
    def max_concurrency(self) -> int | None:
        """The server decides."""
        return None

    async def open(self) -> None:
        """Make the pool of connections."""
        endpoint = self._endpoint
        self._pool = Pool(endpoint.url, endpoint.headers, endpoint.timeout)

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.close()

    async def call(self, request: Request) -> Reply | Fault:
        """Send one request. Whatever a server or a network can do comes back as a value."""
        assert self._pool is not None, "open() comes first"  # noqa: S101
        formed = self._structured != "none"
        try:
            response = await self._pool.post(self._bodies.body(request, formed=formed))
        except (TimeoutError, ConnectError, InsecureError, BrokenError, ValueError) as error:
            return self._unanswered(error)
        status, body = response.status, response.body
        if status == _OK and (completion := _read(body)) is not None:
            self._structured = self._structured or "json_schema"
            return completion
        fault = (from_reply if status == _OK else partial(from_status, status))(
            response.headers(),
            body.decode("utf-8", "replace"),
            request,
            formed=formed and self._structured != "json_schema",
            hide=self._endpoint.hide,
        )
        if fault.blame is Blame.FORM:
            self._structured = "none"
        return fault

    def _unanswered(self, error: Exception) -> Fault:
        """Why nothing came back."""
        if isinstance(error, TimeoutError):
            message = f"no answer within {self._endpoint.timeout:g} s (timeout_sec)"
            return no_answer(message, How.TIMED_OUT)
        if isinstance(error, InsecureError):
            return _wrong_address(
                f"no secure connection to {error}; check its certificate, and https:// in "
                "model.api_url"
            )
        if isinstance(error, ConnectError):
            message = f"cannot connect to {error}; is the server running?"
            return no_answer(message, How.REFUSED)
        if isinstance(error, BrokenError):
            message = f"the connection broke; is the server running? ({error})"
            return no_answer(message, How.BROKE)
        return _wrong_address(f"model.api_url or a header cannot be used ({type(error).__name__})")


def _read(body: bytes) -> Reply | Fault | None:
    """The reply in a body; None where it holds an error, or is no chat completion."""
    try:
        data = json.loads(body)
        choice = data["choices"][0]
        message = choice.get("message") or {}
        finish_reason = _word(choice.get("finish_reason"))
        filtered = finish_reason == "content_filter"
        if not isinstance(message, dict) or not (message or filtered):
            return None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    if finish_reason in _BROKEN_OFF or choice.get("error"):
        return None
    usage = data.get("usage") or {}
    reply = Reply(
        text=_content(message.get("content")),
        finish_reason=finish_reason,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        model=_word(data.get("model")),
        system_fingerprint=_word(data.get("system_fingerprint")),
    )
    if filtered or (message.get("refusal") and not reply.text):
        why = "the model refused or a content filter stopped it"
        return Fault(ErrorCategory.REFUSAL, why, Blame.NARRATIVE, _OK, reply=reply)
    return reply


def _wrong_address(message: str) -> Fault:
    return Fault(ErrorCategory.API_ERROR, message, Blame.SETUP)


def _content(content: object) -> str:
    """The text of a message, which some servers send in parts."""
    if isinstance(content, list):
        return "".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return content if isinstance(content, str) else ""


def _count(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
