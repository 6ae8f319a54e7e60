"""POST over kept-alive connections: what a call needs of HTTP/1.1, and nothing else.

A general client spends more CPU on a call than all of overnight does (docs/performance.md): so the
connections are ours. The protocol is not: httptools, which is llhttp, reads it.
"""

import asyncio
import ssl
import zlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from overnight._version import __version__

LARGEST_BODY = 32 * 1024 * 1024
_LARGEST_HEAD = 64 * 1024
_LONGEST_IDLE = 75.0  # seconds that a connection waits for its next call
_ADDRESS_KEPT = 60.0  # seconds until a name is looked up anew
_NEXT_ADDRESS = 0.25  # seconds until another address of the same host is tried beside the first
_ANY_COMPRESSION = 32 + zlib.MAX_WBITS  # gzip or zlib, told apart by the data


class ConnectError(Exception):
    """No connection could be made."""


class InsecureError(Exception):
    """No secure connection could be made."""


class BrokenError(Exception):
    """The connection ended, or what came over it was no HTTP."""


class Response(NamedTuple):
    """What came back; the body is cut at LARGEST_BODY."""

    status: int
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes

    def headers(self) -> dict[str, str]:
        """The headers, their names in lower case."""
        return {
            name.lower().decode("latin-1"): value.decode("utf-8", "replace")
            for name, value in self.raw_headers
        }


class Pool:
    """Connections to one URL. A redirect is an answer like any other."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        """`timeout`: seconds for a whole call, connecting included."""
        self._url, self._headers, self._timeout = url, headers, timeout
        self._idle: list[tuple[_Connection, float]] = []
        self._address: tuple[str, float] | None = None  # of the host, and until when it is good
        self._looking_up = asyncio.Lock()

    async def post(self, body: bytes) -> Response:
        """Send `body`, and wait for what comes back.

        Raises TimeoutError, ConnectError, InsecureError, BrokenError, and ValueError where the URL
        or a header cannot be used.
        """
        loop = asyncio.get_running_loop()
        head = self._head
        deadline = loop.time() + self._timeout
        connection = self._take(loop.time())
        if connection is None:
            async with asyncio.timeout_at(deadline):
                connection = await self._connect(loop)
        timer = loop.call_at(deadline, connection.expire)
        try:
            response = await connection.exchange(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        except BaseException:  # broken or abandoned: what it brings next would be this call's
            connection.abort()
            raise
        finally:
            timer.cancel()
        if connection.reusable():
            self._idle.append((connection, loop.time()))
        else:
            connection.abort()
        return response

    def close(self) -> None:
        """Close what waits for its next call."""
        while self._idle:
            self._idle.pop()[0].abort()

    def _take(self, now: float) -> "_Connection | None":
        """The connection that was used last, if it is still good."""
        while self._idle:
            connection, since = self._idle.pop()
            if now - since < _LONGEST_IDLE and connection.reusable():
                return connection
            connection.abort()
        return None

    @cached_property
    def _target(self) -> tuple[str, int, bool]:
        """Host, port, whether it is secure."""
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(self._url)
        secure = parts.scheme == "https"
        return parts.hostname, parts.port or (443 if secure else 80), secure

    @cached_property
    def _ssl(self) -> ssl.SSLContext | None:
        return ssl.create_default_context() if self._target[2] else None

    @cached_property
    def _head(self) -> bytes:
        """The request as far as its length."""
        host, port, secure = self._target
        parts = urlsplit(self._url)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
        host = f"[{host}]" if ":" in host else host.encode("idna").decode()
        fields = {
            "Host": host if port == (443 if secure else 80) else f"{host}:{port}",
            "User-Agent": f"overnight/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if parts.username is not None:
            named = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            fields["Authorization"] = f"Basic {b64encode(named).decode()}"
        given = {name.lower() for name in self._headers}
        fields = {name: value for name, value in fields.items() if name.lower() not in given}
        fields |= self._headers
        lines = [f"{name}: {value}" for name, value in fields.items()]
        if any(not line.isprintable() for line in lines) or any(" " in name for name in fields):
            raise ValueError("a header with control characters")
        top = f"POST {path}{query} HTTP/1.1"
        return "\r\n".join([top, *lines, "Content-Length: "]).encode()

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> "_Connection":
        """A new connection; the host's name is looked up for the first one, and now and then."""
        if self._address is not None and loop.time() < self._address[1]:
            return await self._open(loop, self._address[0])
        async with self._looking_up:
            if self._address is not None and loop.time() < self._address[1]:
                return await self._open(loop, self._address[0])
            connection = await self._open(loop, self._target[0])
            address = connection.address()
            self._address = None if address is None else (address, loop.time() + _ADDRESS_KEPT)
            return connection

    async def _open(self, loop: asyncio.AbstractEventLoop, address: str) -> "_Connection":
        host, port, secure = self._target
        try:
            _, connection = await loop.create_connection(
                _Connection,
                address,
                port,
                ssl=self._ssl,
                server_hostname=host if secure else None,
                happy_eyeballs_delay=_NEXT_ADDRESS,
            )
        except ssl.SSLError as error:
            raise InsecureError(f"{host}:{port}") from error
        except OSError as error:
            self._address = None
            raise ConnectError(f"{host}:{port}") from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, with at most one request at a time under way."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None
        self._keeps = True  # the server keeps the connection open
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0  # of the head, then of the body
        self._in_head = True

    # --- for the pool --------------------------------------------------------------------

    async def exchange(self, request: bytes) -> Response:
        assert self._transport is not None  # noqa: S101 - it is connected
        self._waiter = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            raise BrokenError
        self._transport.write(request)
        return await self._waiter

    def reusable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self._keeps

    def address(self) -> str | None:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return peer[0] if isinstance(peer, tuple) else None

    def expire(self) -> None:
        self._fail(TimeoutError())

    def abort(self) -> None:
        self._waiter = None
        if self._transport is not None:
            self._transport.abort()

    # --- for the event loop --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.abort()  # nobody has asked
            return
        if self._in_head:
            self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:  # another protocol: nobody asked
            self._break(error)
        if self._in_head and self._size > _LARGEST_HEAD:
            self._break(None)

    def connection_lost(self, exc: Exception | None) -> None:
        names = {name.lower() for name, _ in self._headers}
        if exc is None and not self._in_head and names.isdisjoint(_LENGTHS):
            self._end()  # the end of the connection is that of the body
        else:
            self._break(exc)

    # --- for the parser ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiter is None:
            raise BrokenError("an answer too many")
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head, self._size = False, 0

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        self._body.append(data)
        if self._size > LARGEST_BODY:
            self._end()
            raise BrokenError("cut")

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:  # noqa: PLR2004 - 100 Continue is no answer
            self._keeps = self._parser.should_keep_alive()  # only now does the parser know
            self._end()

    # --- inside --------------------------------------------------------------------------

    def _end(self) -> None:
        if self._waiter is None:
            return
        try:
            body = self._decoded(b"".join(self._body)[:LARGEST_BODY])
        except zlib.error as error:
            self._break(error)
            return
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            waiter.set_result(Response(self._parser.get_status_code(), self._headers, body))

    def _decoded(self, body: bytes) -> bytes:
        """The body as it was before a server compressed it without having been asked to."""
        for name, value in self._headers:
            if name.lower() == b"content-encoding" and value.strip().lower() in _COMPRESSED:
                return zlib.decompressobj(_ANY_COMPRESSION).decompress(body, LARGEST_BODY)
        return body

    def _break(self, cause: Exception | None) -> None:
        self._fail(BrokenError(type(cause).__name__ if cause else "closed"))
        self.abort()

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)


_LENGTHS = {b"content-length", b"transfer-encoding"}
_COMPRESSED = {b"gzip", b"x-gzip", b"deflate"}
