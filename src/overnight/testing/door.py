"""A listening socket that can be closed and opened again."""

import asyncio
import math
import socket
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

PATIENCE = 10.0  # seconds, for the server's own thread


class Door:
    """The listening socket of a server, and its port.

    While it is shut, a socket that does not listen holds the port: connections are refused, and
    no other program is given the port meanwhile.
    """

    def __init__(self, runner: web.AppRunner, port: int) -> None:
        self._runner = runner
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(port)
        self._site: web.SockSite | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_given_up = False
        self.port: int = self._socket.getsockname()[1]

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._site is not None

    def shut(self, seconds: float) -> None:
        """Break every connection and take none, for so long (infinite: until `open`)."""
        self._do(self.set_open(False))
        if math.isfinite(seconds):
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self.open)

    def open(self) -> None:
        """Take connections again."""
        self._do(self.set_open(True))

    def give_up(self) -> None:
        """Let the port go, for good."""
        self._is_given_up = True
        self._socket.close()

    async def set_open(self, wanted: bool) -> None:
        """Open or shut it, if it is not; in the server's own thread."""
        if self._is_given_up or wanted == self.is_open:
            return
        if wanted:
            self._site = web.SockSite(self._runner, self._socket)
            await self._site.start()
            return
        assert self._site is not None  # noqa: S101 - it is open
        site, self._site = self._site, None
        await site.stop()
        if self._is_given_up:  # meanwhile
            return
        self._socket = _bound(self.port)
        server = self._runner.server
        for connection in list(server.connections) if server is not None else []:
            if connection.transport is not None:
                connection.transport.abort()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """In the server's thread, and not before it is done unless that thread itself asks."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made
