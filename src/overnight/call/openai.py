"""Any server that speaks OpenAI's chat completions: LM Studio, Ollama, vLLM, llama.cpp, OpenAI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from overnight.call.client import Structured
from overnight.call.faults import from_status, no_answer
from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request

_LARGEST_BODY = 32 * 1024 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


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
        self._parameters = {k: v for k, v in parameters.items() if v is not None}
        self._format = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
        self._structured = structured
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
            read_bufsize=2**18,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def call(self, request: Request) -> Reply | Fault:
        """Send one request. Whatever a server or a network can do comes back as a value."""
        assert self._session is not None, "open() comes first"  # noqa: S101
        formed = self._structured != "none"
        try:
            async with self._session.post(
                self._endpoint.url, data=self._body(request), allow_redirects=False
            ) as response:
                body = await response.content.read(_LARGEST_BODY)
                while chunk := await response.content.read(_LARGEST_BODY - len(body)):
                    body += chunk
        except TimeoutError:
            return no_answer(f"no answer within {self._endpoint.timeout:g} s (timeout_sec)")
        except aiohttp.ClientConnectorError as error:
            return no_answer(f"cannot connect to {error.host}:{error.port}; is the server running?")
        except (aiohttp.InvalidURL, ValueError) as error:
            message = f"model.api_url or a header cannot be used ({type(error).__name__})"
            return Fault(ErrorCategory.API_ERROR, message, Blame.SETUP)
        except (aiohttp.ClientError, OSError) as error:
            message = f"the connection broke; is the server running? ({type(error).__name__})"
            return no_answer(message)
        if response.status == 200:  # noqa: PLR2004 - the status itself
            return self._read(body)
        fault = from_status(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            self._endpoint.hide(body.decode("utf-8", "replace")),
            request,
            formed=formed and self._structured is None,
        )
        if fault.blame is Blame.FORM:
            self._structured = "none"
        return fault

    def _body(self, request: Request) -> bytes:
        messages = [{"role": "user", "content": request.user}]
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"messages": messages, **self._parameters}
        if request.seed is not None and "seed" not in body:
            body["seed"] = request.seed
        if self._structured != "none":
            body.setdefault("response_format", self._format)
        return _encode(body).encode("utf-8", "replace")

    def _read(self, body: bytes) -> Reply | Fault:
        try:
            data = json.loads(body)
            choice = data["choices"][0]
            message = choice["message"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            return no_answer("the server's reply is no chat completion")
        if not isinstance(message, dict):
            return no_answer("the server's reply is no chat completion")
        self._structured = self._structured or "json_schema"
        usage = data.get("usage") or {}
        reply = Reply(
            text=_content(message.get("content")),
            finish_reason=_word(choice.get("finish_reason")),
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            model=_word(data.get("model")),
            system_fingerprint=_word(data.get("system_fingerprint")),
        )
        if reply.finish_reason == "content_filter" or (message.get("refusal") and not reply.text):
            return Fault(
                ErrorCategory.REFUSAL,
                "the model refused or a content filter stopped it",
                Blame.NARRATIVE,
                200,
                reply=reply,
            )
        return reply


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
