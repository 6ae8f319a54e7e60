"""Any server that speaks OpenAI's chat completions: LM Studio, Ollama, vLLM, llama.cpp, OpenAI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from overnight.call.body import Bodies
from overnight.call.client import Structured
from overnight.call.faults import from_reply, from_status, no_answer
from overnight.domain.outcome import Blame, ErrorCategory, Fault, How, Reply, Request

_OK = 200
_LARGEST_BODY = 32 * 1024 * 1024
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
        self._url = endpoint.url
        self._session: aiohttp.ClientSession | None = None

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
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout),
            headers={"Content-Type": "application/json", **self._endpoint.headers},
            cookie_jar=aiohttp.DummyCookieJar(),  # nothing is kept, and nothing is looked up
            read_bufsize=2**18,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def call(self, request: Request) -> Reply | Fault:
        """Send one request. Whatever a server or a network can do comes back as a value."""
        formed = self._structured != "none"
        try:
            status, raw_headers, body = await self._send(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._unanswered(error)
        if status == _OK and (completion := _read(body)) is not None:
            self._structured = self._structured or "json_schema"
            return completion
        headers = {name.lower(): value for name, value in raw_headers.items()}
        fault = (from_reply if status == _OK else partial(from_status, status))(
            headers,
            body.decode("utf-8", "replace"),
            request,
            formed=formed and self._structured != "json_schema",
            hide=self._endpoint.hide,
        )
        if fault.blame is Blame.FORM:
            self._structured = "none"
        return fault

    async def _send(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers, and body, which is cut at 32 MB."""
        assert self._session is not None, "open() comes first"  # noqa: S101
        data = self._bodies.body(request, formed=self._structured != "none")
        async with self._session.post(self._url, data=data, allow_redirects=False) as response:
            body = await response.content.read(_LARGEST_BODY)
            while chunk := await response.content.read(_LARGEST_BODY - len(body)):
                body += chunk
            return response.status, response.headers, body

    def _unanswered(self, error: Exception) -> Fault:
        """Why nothing came back."""
        if isinstance(error, TimeoutError):
            message = f"no answer within {self._endpoint.timeout:g} s (timeout_sec)"
            return no_answer(message, How.TIMED_OUT)
        if isinstance(error, aiohttp.ClientSSLError):
            return _wrong_address(
                f"no secure connection to {error.host}:{error.port}; check its certificate, and "
                "https:// in model.api_url"
            )
        if isinstance(error, aiohttp.ClientConnectorError):
            message = f"cannot connect to {error.host}:{error.port}; is the server running?"
            return no_answer(message, How.REFUSED)
        kind = type(error).__name__
        if isinstance(error, ValueError):
            return _wrong_address(f"model.api_url or a header cannot be used ({kind})")
        return no_answer(f"the connection broke; is the server running? ({kind})", How.BROKE)


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
