"""Connections: used again and again, looked up once, and never trusted further than they reach."""

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from overnight.call.http import BrokenError, ConnectError, InsecureError, Pool, Response

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """What a raw server saw: connections, requests."""

    def __init__(self) -> None:
        self.n_connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self.pools: list[Pool] = []
        self.writers: list[asyncio.StreamWriter] = []

    def pool(
        self, *, timeout: float = 5.0, headers: dict[str, str] | None = None, url: str = ""
    ) -> Pool:
        self.pools.append(Pool(url or self.url, headers or {}, timeout))
        return self.pools[-1]

    async def close(self) -> None:
        for pool in self.pools:
            pool.close()
        for writer in self.writers:
            writer.transport.abort()
        closed = (writer.wait_closed() for writer in self.writers)
        await asyncio.gather(*closed, return_exceptions=True)


Answers = Callable[[Server, asyncio.StreamWriter], Awaitable[None]]


async def says(reply: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(reply)
    await writer.drain()


@contextlib.asynccontextmanager
async def raw_server(
    reply: bytes | Answers, *, hang_up: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that sends these bytes for each request, as they are."""
    seen = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.n_connections += 1
        seen.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                seen.requests.append(head + await reader.readexactly(length))
                if isinstance(reply, bytes):
                    await says(reply, writer)
                else:
                    await reply(seen, writer)
                if hang_up:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1/chat/completions"
    async with server:
        try:
            yield seen
        finally:
            await seen.close()


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - a condition of others
        await asyncio.sleep(0.001)


def post(reply: bytes | Answers, n: int = 1, **options) -> list[Response]:
    """`n` posts, one after the other."""

    async def run() -> list[Response]:
        timeout = options.pop("timeout", 5.0)
        async with raw_server(reply, **options) as server:
            pool = server.pool(timeout=timeout)
            return [await pool.post(b"{}") for _ in range(n)]

    return asyncio.run(run())


def test_calls_share_as_many_connections_as_there_are_calls_at_once():
    async def run() -> int:
        async with raw_server(OK) as server:
            pool = server.pool()

            async def worker() -> None:
                for _ in range(20):
                    await pool.post(b"{}")

            await asyncio.gather(*(worker() for _ in range(8)))
            assert len(server.requests) == 160
            return server.n_connections

    assert asyncio.run(run()) == 8


def test_a_name_is_looked_up_once_for_all_connections(monkeypatch):
    looked_up = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ask = loop.getaddrinfo

        async def counted(host, *args, **words):
            looked_up.append(host)
            return await ask(host, *args, **words)

        monkeypatch.setattr(loop, "getaddrinfo", counted)
        async with raw_server(OK) as server:
            pool = server.pool(url=server.url.replace("127.0.0.1", "localhost"))
            await asyncio.gather(*(pool.post(b"{}") for _ in range(16)))
            assert server.n_connections == 16

    asyncio.run(run())
    assert looked_up == ["localhost"]


def test_a_connection_that_the_server_closed_is_not_used_again():
    async def run() -> int:
        async with raw_server(OK, hang_up=True) as server:
            pool = server.pool()
            for n in range(1, 4):
                await pool.post(b"{}")
                await until(lambda: not pool._idle[0][0].reusable())
                assert server.n_connections == n
            return server.n_connections

    assert asyncio.run(run()) == 3


def test_a_server_that_says_it_will_close_is_believed():
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    async def run() -> int:
        async with raw_server(closing) as server:
            pool = server.pool()
            for _ in range(3):
                assert (await pool.post(b"{}")).body == b"{}"
            return server.n_connections

    assert asyncio.run(run()) == 3


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (OK, b"{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b""),
        (
            CHUNKED + b"1\r\n{\r\n1;x\r\n}\r\n0\r\n\r\n",
            b"{}",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"{}"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"{}"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(gzip.compress(b"{}")), gzip.compress(b"{}")),
            b"{}",
        ),
    ],
    ids=["plain", "empty", "chunked", "100 first", "103 first", "gzip unasked"],
)
def test_every_form_of_a_body_is_read(reply, body):
    assert [answer.body for answer in post(reply, 3)] == [body] * 3


def test_a_body_without_a_length_ends_with_its_connection():
    (answer,) = post(b"HTTP/1.1 200 OK\r\n\r\n{}", hang_up=True)
    assert (answer.status, answer.body) == (200, b"{}")


def test_a_redirect_is_an_answer_and_is_not_followed():
    (answer,) = post(b"HTTP/1.1 307 T\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
    assert answer.status == 307
    assert answer.headers()["location"] == "http://192.0.2.1/"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200",
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"\x15\x03\x01\x00\x02\x02\x50",
    ],
    ids=["short", "no last chunk", "half a head", "nothing", "mail", "not gzip", "endless", "tls"],
)
def test_what_is_no_answer_is_a_broken_connection(reply):
    with pytest.raises(BrokenError):
        post(reply, hang_up=True)


def test_an_answer_that_nobody_asked_for_closes_the_connection_and_is_given_to_nobody():
    other = OK.replace(b"{}", b"[]")

    async def run() -> None:
        async with raw_server(OK + other) as server:
            pool = server.pool()
            bodies = []
            for _ in range(3):
                with contextlib.suppress(BrokenError):
                    bodies.append((await pool.post(b"{}")).body)
            assert set(bodies) <= {b"{}"}
            assert server.n_connections == 3

    asyncio.run(run())


def test_a_body_is_cut_at_the_largest_size(monkeypatch):
    monkeypatch.setattr("overnight.call.http.LARGEST_BODY", 1000)
    (answer,) = post(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000)
    assert answer.body == b"x" * 1000


def test_what_comes_too_late_is_not_the_answer_to_the_next_call():
    given_up = asyncio.Event()

    async def slow_once(server: Server, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            await given_up.wait()
            await says(OK.replace(b"{}", b"[]"), writer)
        else:
            await says(OK, writer)

    async def run() -> None:
        async with raw_server(slow_once) as server:
            pool = server.pool(timeout=1.0)
            with pytest.raises(TimeoutError):
                await pool.post(b"{}")
            given_up.set()
            assert (await pool.post(b"{}")).body == b"{}"
            assert server.n_connections == 2

    asyncio.run(run())


def test_an_abandoned_call_takes_its_connection_with_it():
    async def never(_server: Server, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        async with raw_server(never) as server:
            pool = server.pool()
            call = asyncio.create_task(pool.post(b"{}"))
            await until(lambda: bool(server.requests))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not pool._idle

    asyncio.run(run())


def test_a_port_that_takes_no_connections_and_a_host_that_is_none_are_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "nowhere.invalid"):
            with pytest.raises(ConnectError, match=f"{host}:{port}"):
                asyncio.run(Pool(f"http://{host}:{port}/v1", {}, 5.0).post(b""))


def test_a_connection_that_is_not_made_in_time_is_a_timeout():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with contextlib.ExitStack() as stack:  # the queue of the port is full
            for _ in range(3):
                caller = stack.enter_context(socket.socket())
                caller.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    caller.connect(full.getsockname())
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                asyncio.run(Pool(f"http://127.0.0.1:{full.getsockname()[1]}/", {}, 0.2).post(b""))
            assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://127.0.0.1/v1", {}),
        ("http:///v1", {}),
        ("http://127.0.0.1:99999/v1", {}),
        ("http://127.0.0.1:1/v1", {"X-Study": "7\r\nX-Evil: 1"}),
        ("http://127.0.0.1:1/v1", {"X Study": "7"}),
        ("http://" + "a" * 70 + ".example/v1", {}),
    ],
)
def test_an_address_or_a_header_that_cannot_be_used_is_refused(url, headers):
    with pytest.raises(ValueError, match=r"."):
        asyncio.run(Pool(url, headers, 1.0).post(b""))


def test_the_request_is_what_http_asks_for_and_the_users_headers_win():
    async def run() -> bytes:
        async with raw_server(OK) as server:
            url = server.url.replace("/v1", "/ä b") + "?api-version=2024-10-21"
            headers = {"content-type": "application/x", "X-Study": "é"}
            pool = server.pool(url=url, headers=headers)
            await pool.post(b'{"a":1}')
            return server.requests[0]

    head, body = asyncio.run(run()).split(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ") for line in lines)
    assert first == "POST /%C3%A4%20b/chat/completions?api-version=2024-10-21 HTTP/1.1"
    assert fields["Host"].startswith("127.0.0.1:")
    assert fields["content-type"] == "application/x"
    assert "Content-Type" not in fields
    assert fields["X-Study"] == "é"
    assert fields["Accept-Encoding"] == "identity"
    assert int(fields["Content-Length"]) == len(body) == 7


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=invented",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_a_certificate_is_checked_and_a_trusted_one_is_used_for_all_calls(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def run() -> None:
        async with raw_server(OK, tls=context) as server:
            with pytest.raises(InsecureError, match=r"127.0.0.1:\d+"):
                await server.pool().post(b"{}")
            monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
            pool = server.pool()
            before = server.n_connections
            for _ in range(5):
                assert (await pool.post(b"{}")).body == b"{}"
            assert server.n_connections == before + 1

    asyncio.run(run())


def test_a_server_that_switches_to_another_protocol_broke_the_connection(caplog):
    switch = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        b"\x00\x00\x00\x04"
    )
    with pytest.raises(BrokenError):
        post(switch)
    assert not caplog.records  # asyncio would show a traceback
