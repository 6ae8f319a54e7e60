"""A model server that a test writes the replies of."""

import asyncio
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from overnight.testing.door import PATIENCE, Door

Answer = dict[str, object]
_DRIP = 16  # bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the server saw it."""

    text: str  # the user message
    system: str
    seed: int | None
    body: dict[str, Any]
    headers: dict[str, str]
    nth: int  # how often this user message has been seen, this time included
    number: int = 0  # among all calls, the first is 1
    at: float = 0.0  # seconds since the server started


@dataclass(frozen=True, slots=True)
class Scripted:
    """What the server says to a call. `content` is the reply's text, or its answer as JSON."""

    content: str | Answer = field(default_factory=dict)
    status: int = 200
    body: str | None = None  # in place of a chat completion
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    delay: float = 0.0  # seconds; infinite: never
    model: str = "scripted"
    hang_up: bool = False  # close the connection without a word
    content_type: str = "application/json"
    cut_after: int | None = None  # bytes of the body, then the connection closes ...
    stall: bool = False  # ... or stays, and nothing more comes
    drip: float = 0.0  # seconds before each 16 bytes of the body
    down_for: float = 0.0  # seconds in which the whole server is gone, from this call on


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
    """An OpenAI-compatible server on a loopback port, in a thread; `calls` is what it saw.

    `n_connections` counts the connections that carried a call, `most_in_flight` the calls that
    were under way at once at the most. With `slots` it works on so many at once, and the others
    wait in line.
    """

    def __init__(
        self, script: Script = keyword_script, *, delay: float = 0.0, slots: int | None = None
    ) -> None:
        self.script = script
        self.slots = slots
        self.delay = delay
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.n_connections = 0
        self._seen: dict[str, int] = {}
        self._connections: set[object] = set()
        self._port = 0
        self._started = time.monotonic()
        self._door: Door | None = None
        self._free = asyncio.Semaphore(sys.maxsize if slots is None else slots)

    @property
    def url(self) -> str:
        """The base that `model.api_url` takes."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def is_up(self) -> bool:
        """Whether connections are taken."""
        return self._door is not None and self._door.is_open

    def go_down(self, seconds: float = math.inf) -> None:
        """Break every connection and refuse new ones: for so long, or until `come_up`."""
        assert self._door is not None, "the server is not running"  # noqa: S101
        self._door.shut(seconds)

    def come_up(self) -> None:
        """Take connections again, on the same port."""
        assert self._door is not None, "the server is not running"  # noqa: S101
        self._door.open()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.transport not in self._connections:
            self._connections.add(request.transport)
            self.n_connections += 1
        call = self._call(await request.json(), dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._say(self.script(call), call, request)
        finally:
            self.in_flight -= 1

    async def _say(self, said: Scripted, call: Call, request: web.Request) -> web.StreamResponse:
        async with self._free:
            await _sleep(said.delay or self.delay)
        if said.down_for:
            self.go_down(said.down_for)
        if said.hang_up or said.down_for:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return await _send(said, _body(said, call), request)

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
            number=len(self.calls) + 1,
            at=time.monotonic() - self._started,
        )
        self.calls.append(call)
        return call

    async def _serve(self, ready: threading.Event, stop: asyncio.Event, port: int) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._handle)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        door = Door(runner, port)
        await door.set_open(True)
        self._port, self._door, self._started = door.port, door, time.monotonic()
        ready.set()
        await stop.wait()
        assert runner.server is not None  # noqa: S101 - it has been set up
        transports = [one.transport for one in runner.server.connections]
        await runner.cleanup()
        for transport in transports:
            if transport is not None:
                transport.abort()  # what nobody reads would keep it open
        await asyncio.sleep(0)  # they are gone in the next round of the loop
        door.give_up()


async def _sleep(seconds: float) -> None:
    if math.isinf(seconds):
        await asyncio.Event().wait()
    elif seconds > 0:
        await asyncio.sleep(seconds)


async def _send(said: Scripted, body: bytes, request: web.Request) -> web.StreamResponse:
    """Send a body at once, in drips, or a part of it."""
    response = web.StreamResponse(status=said.status, headers=said.headers)
    response.content_type = said.content_type
    response.content_length = len(body)
    await response.prepare(request)
    part = body if said.cut_after is None else body[: said.cut_after]
    size = _DRIP if said.drip else max(1, len(part))
    for start in range(0, len(part), size):
        await _sleep(said.drip)
        await response.write(part[start : start + size])
    if said.cut_after is not None:
        await _sleep(math.inf if said.stall else 0.0)
        if request.transport is not None:
            request.transport.close()
    return response


def _body(said: Scripted, call: Call) -> bytes:
    if said.status != 200 or said.body is not None:  # noqa: PLR2004 - the status itself
        return (said.body or "").encode()
    content = said.content if isinstance(said.content, str) else json.dumps(said.content)
    completion = {
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
    }
    return json.dumps(completion).encode()


@contextmanager
def scripted_server(
    script: Script = keyword_script,
    *,
    delay: float = 0.0,
    port: int = 0,
    slots: int | None = None,
) -> Iterator[ScriptedServer]:
    """A running ScriptedServer; `delay` seconds pass before each reply."""
    server = ScriptedServer(script, delay=delay, slots=slots)
    ready = threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        await server._serve(ready, stop, port)  # noqa: SLF001 - its own module

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    if not ready.wait(PATIENCE):
        raise RuntimeError(f"no server could be started on port {port}")
    try:
        yield server
    finally:
        loop, stop = handles[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
