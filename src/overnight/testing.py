"""For tests of overnight and of what is built on it: a scripted model server, and patience."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = dict[str, object]


def wait_until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; AssertionError if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds:g} s: {condition}")
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the server saw it."""

    text: str  # the user message
    system: str
    seed: int | None
    body: dict[str, Any]
    headers: dict[str, str]
    nth: int  # how often this user message has been seen, this time included


@dataclass(frozen=True, slots=True)
class Scripted:
    """What the server says to a call. `content` is the reply's text, or its answer as JSON."""

    content: str | Answer = field(default_factory=dict)
    status: int = 200
    body: str | None = None  # in place of a chat completion
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    delay: float = 0.0  # seconds
    model: str = "scripted"
    hang_up: bool = False  # close the connection without a word


Script = Callable[[Call], Scripted]


def keyword_script(call: Call) -> Scripted:
    """A deterministic model: `detected` is whether the text holds the word partner."""
    detected = "partner" in call.text.lower()
    return Scripted(
        {
            "detected": detected,
            "confidence": 0.9 if detected else 0.7,
            "indicators": ["partner"] if detected else [],
            "rationale": f"{len(call.text)} characters",
        }
    )


class ScriptedServer:
    """An OpenAI-compatible server on a loopback port, in a thread; `calls` is what it saw."""

    def __init__(self, script: Script = keyword_script, *, delay: float = 0.0) -> None:
        self.script = script
        self.delay = delay
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.n_connections = 0
        self._seen: dict[str, int] = {}
        self._connections: set[object] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The base that `model.api_url` takes."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.transport not in self._connections:
            self._connections.add(request.transport)
            self.n_connections += 1
        call = self._call(await request.json(), dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            said = self.script(call)
            if delay := said.delay or self.delay:
                await asyncio.sleep(delay)
        finally:
            self.in_flight -= 1
        if said.hang_up and request.transport is not None:
            request.transport.abort()
        return _response(said, call)

    def _call(self, body: dict[str, Any], headers: dict[str, str]) -> Call:
        roles = {message["role"]: message["content"] for message in body["messages"]}
        text = roles["user"]
        self._seen[text] = self._seen.get(text, 0) + 1
        call = Call(
            text=text,
            system=roles.get("system", ""),
            seed=body.get("seed"),
            body=body,
            headers=headers,
            nth=self._seen[text],
        )
        self.calls.append(call)
        return call

    async def _serve(self, ready: threading.Event, stop: asyncio.Event, port: int) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self._port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()


def _response(said: Scripted, call: Call) -> web.Response:
    if said.status != 200 or said.body is not None:  # noqa: PLR2004 - the status itself
        return web.Response(
            status=said.status,
            text=said.body or "",
            content_type="application/json",
            headers=said.headers,
        )
    content = said.content if isinstance(said.content, str) else json.dumps(said.content)
    return web.json_response(
        {
            "id": "scripted",
            "object": "chat.completion",
            "model": said.model,
            "system_fingerprint": "fp_scripted",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": said.finish_reason,
                    "message": {"role": "assistant", "content": content},
                }
            ],
            "usage": {
                "prompt_tokens": len(call.text) // 4,
                "completion_tokens": len(content) // 4,
                "total_tokens": (len(call.text) + len(content)) // 4,
            },
        },
        headers=said.headers,
    )


@contextmanager
def scripted_server(
    script: Script = keyword_script, *, delay: float = 0.0, port: int = 0
) -> Iterator[ScriptedServer]:
    """A running ScriptedServer; `delay` seconds pass before each reply."""
    server = ScriptedServer(script, delay=delay)
    ready = threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        await server._serve(ready, stop, port)  # noqa: SLF001 - its own module

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError(f"no server could be started on port {port}")
    try:
        yield server
    finally:
        loop, stop = handles[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
