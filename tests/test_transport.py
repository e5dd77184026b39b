"""The upstream transport against local servers that send it bytes, good and hostile, on both event loops."""

import asyncio
import contextlib
import gzip
import hashlib
import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.transport import Transport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TLS = ssl.create_default_context()  # one for all: it takes 15 ms to make
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


class Link:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The next request, head and body. Raises IncompleteReadError or ConnectionError when the client has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
        return head + (await self.reader.readexactly(int(length[0].split()[1])) if length else b"")

    async def send(self, *pieces: bytes) -> None:
        """Each piece reaches the client by itself: it runs in the same loop, and has its turn in between."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(4):
                await asyncio.sleep(0)

    async def gone(self) -> None:
        """Until the client has closed its side."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[Link], Awaitable[None]]


class Server:
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.quiet = asyncio.Event()  # no connection is open
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._tasks.add(task)
        self.quiet.clear()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._handler(Link(reader, writer))
        finally:
            writer.close()
            self._tasks.discard(task)
            if not self._tasks:
                self.quiet.set()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for _ in range(3):  # the sockets close
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[Server]:
    server = Server(handler)
    host = options.pop("host", "127.0.0.1")
    listener = await asyncio.start_server(server.serve, None if "sock" in options else host, **options)
    name = f"[{host}]" if ":" in host else host
    server.url = f"http{'s' if 'ssl' in options else ''}://{name}:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


def answering(*pieces: bytes) -> Handler:
    """Answers every request with these bytes."""

    async def handle(link: Link) -> None:
        while True:
            await link.request()
            await link.send(*pieces)

    return handle


def once(*pieces: bytes) -> Handler:
    """Answers one request a connection with these bytes and closes it."""

    async def handle(link: Link) -> None:
        await link.request()
        await link.send(*pieces)

    return handle


async def silent(link: Link) -> None:
    await link.gone()


def post(url: str, content: bytes = b"{}", **timeout: float) -> httpx.Request:
    return httpx.Request("POST", url, content=content, extensions={"timeout": timeout})


async def ask(transport: Transport, url: str, content: bytes = b"{}", **timeout: float) -> httpx.Response:
    response = await transport.handle_async_request(post(url, content, **timeout))
    await response.aread()
    return response


async def answer_to(*pieces: bytes, handler: Callable[..., Handler] = answering, **options: Any) -> httpx.Response:
    async with asyncio.timeout(10), serving(handler(*pieces)) as server, Transport(tls=TLS, **options) as transport:
        return await ask(transport, server.url)


# --- what is sent


async def sent_by(request: Callable[[str], httpx.Request], host: str = "127.0.0.1") -> tuple[bytes, str]:
    seen: list[bytes] = []

    async def handle(link: Link) -> None:
        seen.append(await link.request())
        await link.send(OK)

    async with serving(handle, host=host) as server, Transport(tls=TLS) as transport:
        await transport.handle_async_request(request(server.url))
    return seen[0], server.url.removeprefix("http://").removesuffix("/v1")


async def test_a_request_goes_out_with_its_own_headers_and_the_length_of_its_body() -> None:
    def request(url: str) -> httpx.Request:
        return httpx.Request("POST", f"{url}/chat?a=b%20c", headers={"x-api-key": "k"}, content=b"{}")

    sent, authority = await sent_by(request)

    assert (
        sent
        == (
            f"POST /v1/chat?a=b%20c HTTP/1.1\r\nHost: {authority}\r\nx-api-key: k\r\n"
            "accept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}"
        ).encode()
    )


async def test_a_get_has_no_content_length_and_keeps_the_accept_encoding_it_asks_for() -> None:
    sent, authority = await sent_by(lambda url: httpx.Request("GET", url, headers={"Accept-Encoding": "gzip"}))

    assert sent == f"GET /v1 HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: gzip\r\n\r\n".encode()


async def test_a_body_that_is_a_stream_is_sent_whole_with_its_length() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    sent, _ = await sent_by(lambda url: httpx.Request("POST", url, content=parts()))

    assert sent.endswith(b"content-length: 3\r\n\r\nabc")
    assert b"chunked" not in sent


async def test_an_ipv6_host_is_reached_and_named_in_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback")

    sent, authority = await sent_by(lambda url: httpx.Request("GET", url), host="::1")

    assert authority.startswith("[::1]:")
    assert f"Host: {authority}\r\n".encode() in sent


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nb", b"a\rb"])
async def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(value: bytes) -> None:
    async with serving(answering(OK)) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(httpx.Request("GET", server.url, headers=[(b"x-key", value)]))

        assert server.connections == 0


async def test_another_scheme_is_refused() -> None:
    async with Transport(tls=TLS) as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await transport.handle_async_request(httpx.Request("GET", "ftp://127.0.0.1/x"))


async def test_a_large_body_reaches_a_server_that_reads_slowly_but_steadily() -> None:
    content = bytes(range(256)) * 16_384  # 4 MB
    received = hashlib.sha256()

    async def handle(link: Link) -> None:
        await link.reader.readuntil(b"\r\n\r\n")
        left = len(content)
        while left:
            block = await link.reader.read(1 << 18)
            received.update(block)
            left -= len(block)
            await asyncio.sleep(0.03)
        await link.send(OK)

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        response = await ask(transport, server.url, content, write=1.0)

    assert response.content == b"ok"
    assert received.digest() == hashlib.sha256(content).digest()


async def test_a_server_that_does_not_read_is_a_write_timeout_and_the_body_is_not_buffered_again() -> None:
    async def handle(link: Link) -> None:
        link.writer.transport.pause_reading()
        await asyncio.Event().wait()

    content = bytes(32 << 20)
    async with serving(handle) as server, Transport(tls=TLS) as transport:
        tracemalloc.start()
        with pytest.raises(httpx.WriteTimeout):
            await ask(transport, server.url, content, write=0.1)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak_bytes < 4 << 20


async def test_an_answer_that_comes_before_the_body_is_sent_is_given_and_its_connection_dropped() -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n"

    async def handle(link: Link) -> None:
        await link.reader.readuntil(b"\r\n\r\n")
        await link.send(refusal)
        await link.gone()

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        response = await ask(transport, server.url, b"x" * (16 << 20))
        await ask(transport, server.url)

        assert response.status_code == 413
        assert server.connections == 2


# --- what comes back


@pytest.mark.parametrize(
    ("pieces", "content"),
    [
        ([OK], b"ok"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], b""),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"], b""),
        ([CHUNKED, b"1\r\no\r\n", b"1;x=y\r\nk\r\n", b"0\r\n\r\n"], b"ok"),
        ([CHUNKED, b"2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n"], b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n", OK], b"ok"),
    ],
)
async def test_every_framing_gives_its_body_and_the_connection_serves_the_next_call(
    pieces: list[bytes], content: bytes
) -> None:
    async with serving(answering(*pieces)) as server, Transport(tls=TLS) as transport:
        first = await ask(transport, server.url)
        second = await ask(transport, server.url)

        assert (first.content, second.content, server.connections) == (content, content, 1)


async def test_a_response_carries_status_and_headers_without_those_of_interim_answers_and_trailers() -> None:
    response = await answer_to(
        b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n",
        b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nset-cookie: a=b\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nx-trailer: 1\r\n\r\n",
    )

    assert response.status_code == 429
    assert response.headers.raw == [(b"retry-after", b"7"), (b"set-cookie", b"a=b"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
async def test_a_body_without_a_length_ends_with_its_connection(head: bytes) -> None:
    response = await answer_to(head, b"data: 1\n\n", b"data: 2\n\n", handler=once)

    assert response.content == b"data: 1\n\ndata: 2\n\n"


async def test_the_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    async with (
        serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as server,
        Transport(tls=TLS) as transport,
    ):
        response = await transport.handle_async_request(httpx.Request("HEAD", server.url))

        assert (await response.aread(), response.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("identity", bytes),
    ],
)
async def test_an_encoded_body_is_decoded_and_its_headers_say_so(encoding: str, encode: Callable[..., bytes]) -> None:
    plain = b"".join(b"%d," % number for number in range(60_000))
    body = encode(plain)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    response = await answer_to(head + body[:1000], body[1000:])

    assert response.content == plain
    assert ("content-encoding" in response.headers) is (encoding == "identity")


async def test_an_answer_is_the_same_wherever_its_bytes_are_cut() -> None:
    body = gzip.compress(b"hello, hello", mtime=0)
    chunks = b"%x\r\n%b\r\n%x;e\r\n%b\r\n0\r\nx-t: 1\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    wire = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nx-a:  b \r\ncontent-encoding: gzip\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    ) + chunks
    cuts = [[wire[:at], wire[at:]] for at in range(1, len(wire))] + [[bytes([byte]) for byte in wire], [wire]]
    turns = iter(cuts)

    async def handle(link: Link) -> None:
        while True:
            await link.request()
            await link.send(*next(turns))

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        answers = [await ask(transport, server.url) for _ in cuts]

        assert {(answer.status_code, answer.headers["x-a"], answer.content) for answer in answers} == {
            (201, "b", b"hello, hello")
        }
        assert server.connections == 1


async def test_a_stream_is_given_as_it_comes() -> None:
    asked = asyncio.Event()

    async def handle(link: Link) -> None:
        await link.request()
        await link.send(CHUNKED, b"7\r\ndata: 1\r\n")
        await asked.wait()
        await link.send(b"7\r\ndata: 2\r\n0\r\n\r\n")

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        response = await transport.handle_async_request(post(server.url))
        blocks = response.aiter_raw()
        first = await anext(blocks)
        asked.set()

        assert [first, *[block async for block in blocks]] == [b"data: 1", b"data: 2"]


async def test_a_complete_answer_gives_its_connection_back_before_it_is_read() -> None:
    async with serving(answering(OK)) as server, Transport(tls=TLS, max_connections=1) as transport:
        unread = await transport.handle_async_request(post(server.url))
        second = await ask(transport, server.url, pool=1.0)

        assert (await unread.aread(), second.content, server.connections) == (b"ok", b"ok", 1)


async def test_a_server_is_held_back_while_its_answer_is_not_read() -> None:
    size = 32 << 20
    written = 0

    async def handle(link: Link) -> None:
        nonlocal written
        await link.request()
        await link.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while written < size:
            await link.send(bytes(1 << 18))
            written += 1 << 18
        await link.gone()

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        response = await transport.handle_async_request(post(server.url, read=0.3))
        before = -1
        while written != before:  # until it stands still
            before = written
            await asyncio.sleep(0.4)
        held_at = written
        read = sum([len(block) async for block in response.aiter_raw()])

    assert held_at < size // 2
    assert read == size


# --- hostile and broken servers


@pytest.mark.parametrize(
    "pieces",
    [
        [b"SSH-2.0-OpenSSH_9.2\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"],
        [b"HTTP/1.1 000 Nothing\r\ncontent-length: 2\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: 2\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok"],
        [CHUNKED, b"zz\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 101 + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\ncontent-length: 2\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\nx: ", *[b"y" * 16_384] * 5],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 100] * 40,
        [CHUNKED, b"5;x=", *[b"y" * 16_384] * 5],
        [CHUNKED, b"0\r\nx: ", *[b"y" * 16_384] * 5],
    ],
)
async def test_bytes_that_are_no_answer_are_a_protocol_error_and_the_connection_is_closed(pieces: list[bytes]) -> None:
    async def handle(link: Link) -> None:
        await link.request()
        with contextlib.suppress(ConnectionError):
            await link.send(*pieces)
        await link.gone()

    async with asyncio.timeout(10), serving(handle) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, server.url)
        await server.quiet.wait()


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\ncontent-"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"],
        [CHUNKED, b"2\r\nok\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", gzip.compress(b"hello")[:-3]],
    ],
)
async def test_an_answer_that_ends_early_is_a_protocol_error(pieces: list[bytes]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await answer_to(*pieces, handler=once)


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"hello")[:-3], gzip.compress(b"hello") + b"more"])
async def test_a_body_that_does_not_inflate_is_a_protocol_error(body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)

    with pytest.raises(httpx.RemoteProtocolError, match="inflate"):
        await answer_to(head, body)


async def test_a_gzip_bomb_is_cut_at_the_limit_and_inflated_in_small_steps() -> None:
    body = gzip.compress(bytes(50 << 20))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)

    async with serving(answering(head, body)) as server, Transport(tls=TLS, max_response_bytes=1 << 20) as transport:
        response = await transport.handle_async_request(post(server.url))
        sizes = []
        with pytest.raises(httpx.RemoteProtocolError, match="longer than 1048576 bytes"):
            async for block in response.aiter_raw():
                sizes.append(len(block))

    assert max(sizes) <= 64 << 10
    assert sum(sizes) == 1 << 20


async def test_an_endless_body_is_cut_at_the_limit_and_its_connection_closed() -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(CHUNKED)
        while True:
            await link.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")

    async with (
        asyncio.timeout(10),
        serving(handle) as server,
        Transport(tls=TLS, max_response_bytes=1 << 20) as transport,
    ):
        with pytest.raises(httpx.RemoteProtocolError, match="longer than 1048576 bytes"):
            await ask(transport, server.url)
        await server.quiet.wait()


async def test_a_body_of_just_the_limit_is_given() -> None:
    response = await answer_to(OK, max_response_bytes=2)

    assert response.content == b"ok"


@pytest.mark.parametrize(
    "excess",
    [b"junk", b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", b"HTTP/1.1 100 Continue\r\n\r\n", b"\0"],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one block", "after it"])
async def test_bytes_past_the_end_never_reach_the_next_call(excess: bytes, together: bool) -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(*([OK + excess] if together else [OK, excess]))
        await link.gone()

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        answers = []
        for _ in range(3):
            answers.append(await ask(transport, server.url))
            await server.quiet.wait()

        assert [answer.content for answer in answers] == [b"ok"] * 3
        assert server.connections == 3


@pytest.mark.parametrize("excess", [OK.replace(b"ok", b"no"), b""], ids=["an answer", "the end"])
async def test_what_the_kernel_holds_when_a_connection_is_used_again_never_reaches_the_next_call(excess: bytes) -> None:
    answered, poisoned = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:  # in a thread, so that it acts while the client's loop stands still
        with listener.accept()[0] as first:
            first.recv(1 << 16)
            first.sendall(OK)
            answered.wait(5)
            first.sendall(excess) if excess else first.shutdown(socket.SHUT_WR)
            poisoned.set()
            with listener.accept()[0] as second:
                second.recv(1 << 16)
                second.sendall(OK)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        async with Transport(tls=TLS, max_connections=1) as transport:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            await ask(transport, url)
            answered.set()
            poisoned.wait(5)

            assert (await ask(transport, url)).content == b"ok"
        thread.join()


async def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    async with serving(answering(closing)) as server, Transport(tls=TLS) as transport:
        await ask(transport, server.url)
        await ask(transport, server.url)

        assert server.connections == 2


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"], ids=["head", "body"])
async def test_a_reset_is_a_read_error(before: bytes) -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(before)
        link.reset()

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.ReadError):
            await ask(transport, server.url)


# --- a kept-alive connection that the server closes


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_call_on_a_connection_that_just_went_stale_is_sent_again_once_on_a_fresh_one(end: str) -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(OK)
        await link.request()
        if end == "reset":
            link.reset()

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        await ask(transport, server.url)
        second = await ask(transport, server.url)

        assert (second.content, server.connections) == (b"ok", 2)


async def test_a_stale_connection_makes_room_though_older_ones_idle() -> None:
    first = True

    async def handle(link: Link) -> None:
        nonlocal first
        await link.request()
        await both.wait()
        await link.send(OK)
        await link.request()
        if first:
            first = False
            return
        await link.send(OK)

    both = asyncio.Barrier(2)
    async with serving(handle) as server, Transport(tls=TLS, max_connections=2) as transport:
        await asyncio.gather(*[ask(transport, server.url) for _ in range(2)])
        both = asyncio.Barrier(1)
        third = await ask(transport, server.url, pool=1.0)

        assert (third.content, server.connections) == (b"ok", 3)


async def test_a_fresh_connection_that_is_closed_is_not_tried_again() -> None:
    async with serving(once()) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, server.url)

        assert server.connections == 1


async def test_a_used_connection_that_ends_after_a_byte_of_its_answer_is_not_tried_again() -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(OK)
        await link.request()
        await link.send(b"H")

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        await ask(transport, server.url)
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, server.url)

        assert server.connections == 1


async def test_a_connection_closed_while_idle_is_forgotten() -> None:
    async with serving(once(OK)) as server, Transport(tls=TLS) as transport:
        for _ in range(3):
            await ask(transport, server.url)
            await server.quiet.wait()

        assert server.connections == 3


async def test_a_connection_that_idled_too_long_is_closed() -> None:
    async with (
        asyncio.timeout(2),
        serving(answering(OK)) as server,
        Transport(tls=TLS, keepalive_expiry_s=0) as transport,
    ):
        await ask(transport, server.url)
        await server.quiet.wait()


# --- timeouts


async def test_silence_before_the_head_is_a_read_timeout() -> None:
    async with asyncio.timeout(5), serving(silent) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.ReadTimeout):
            await ask(transport, server.url, read=0.1)
        await server.quiet.wait()


async def test_silence_in_the_body_is_a_read_timeout_after_what_came() -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(CHUNKED, b"2\r\nok\r\n")
        await link.gone()

    async with asyncio.timeout(5), serving(handle) as server, Transport(tls=TLS) as transport:
        response = await transport.handle_async_request(post(server.url, read=0.1))
        blocks = response.aiter_raw()

        assert await anext(blocks) == b"ok"
        with pytest.raises(httpx.ReadTimeout):
            await anext(blocks)


async def test_a_slow_answer_that_never_falls_silent_is_no_timeout() -> None:
    async def handle(link: Link) -> None:
        await link.request()
        for byte in OK:
            await link.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        response = await ask(transport, server.url, read=0.5)

    assert response.content == b"ok"


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """The URL of a listener that lets nobody in any more."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(20):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            if not select.select([], [client], [], 0.1)[1]:
                break
        else:
            pytest.skip("this system's backlog does not fill")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


async def test_a_connection_that_does_not_open_is_a_connect_timeout_and_frees_its_slot() -> None:
    with full_backlog() as url:
        async with Transport(tls=TLS, max_connections=1) as transport:
            for _ in range(2):
                with pytest.raises(httpx.ConnectTimeout):
                    await ask(transport, url, connect=0.1, pool=1.0)


async def test_a_refused_connection_is_a_connect_error_and_frees_its_slot() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with Transport(tls=TLS, max_connections=1) as transport:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                await ask(transport, f"http://127.0.0.1:{port}/", pool=1.0)


async def test_a_host_name_that_cannot_be_one_is_a_connect_error() -> None:
    async with Transport(tls=TLS) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://{'a' * 64}.invalid/")


# --- the pool


async def test_no_more_than_the_limit_of_connections_are_opened_and_all_calls_are_served() -> None:
    async with serving(answering(OK)) as server, Transport(tls=TLS, max_connections=2) as transport:
        answers = await asyncio.gather(*[ask(transport, server.url) for _ in range(20)])

        assert [answer.content for answer in answers] == [b"ok"] * 20
        assert server.connections == 2


async def test_callers_are_served_in_the_order_they_came() -> None:
    seen: list[bytes] = []

    async def handle(link: Link) -> None:
        while True:
            seen.append((await link.request())[-1:])
            await link.send(OK)

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        await asyncio.gather(*[ask(transport, server.url, b"%d" % number) for number in range(9)])

    assert b"".join(seen) == b"012345678"


async def test_a_pool_that_stays_full_is_a_pool_timeout_and_the_slot_comes_back_later() -> None:
    held = asyncio.Event()

    async def handle(link: Link) -> None:
        while True:
            await link.request()
            await held.wait()
            await link.send(OK)

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        first = asyncio.create_task(ask(transport, server.url))
        await asyncio.sleep(0)
        with pytest.raises(httpx.PoolTimeout):
            await ask(transport, server.url, pool=0.05)
        held.set()

        assert (await first).content == b"ok"
        assert (await ask(transport, server.url, pool=1.0)).content == b"ok"


async def test_origins_have_pools_of_their_own() -> None:
    async with (
        serving(silent) as busy,
        serving(answering(OK)) as free,
        Transport(tls=TLS, max_connections=1) as transport,
    ):
        waiting = asyncio.create_task(ask(transport, busy.url))
        await asyncio.sleep(0)

        assert (await ask(transport, free.url, pool=1.0)).content == b"ok"
        waiting.cancel()
        await asyncio.wait([waiting])


# --- cancellation


async def cancelled_while(
    handler: Handler, reached: asyncio.Event, content: bytes = b"{}", scheme: str = "http"
) -> int:
    """Cancel a call once `reached` is set; the server must see it gone within 1 s, and the only slot must be free.

    Gives the number of connections that the two calls took."""
    first = True

    async def handle(link: Link) -> None:
        nonlocal first
        if first:
            first = False
            await handler(link)
        else:
            await answering(OK)(link)

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        call = asyncio.create_task(ask(transport, server.url.replace("http", scheme, 1), content))
        await reached.wait()
        call.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await call
            await server.quiet.wait()
        if scheme == "http":
            assert (await ask(transport, server.url, pool=1.0)).content == b"ok"
        return server.connections


async def test_a_call_cancelled_before_its_head_closes_its_connection_and_frees_the_slot() -> None:
    reached = asyncio.Event()

    async def handle(link: Link) -> None:
        await link.request()
        reached.set()
        await link.gone()

    assert await cancelled_while(handle, reached) == 2


async def test_a_call_cancelled_in_its_body_closes_its_connection_and_frees_the_slot() -> None:
    reached = asyncio.Event()

    async def handle(link: Link) -> None:
        await link.request()
        await link.send(CHUNKED, b"2\r\nok\r\n")
        reached.set()
        await link.gone()

    assert await cancelled_while(handle, reached) == 2


async def test_a_call_cancelled_while_it_writes_closes_its_connection_and_frees_the_slot() -> None:
    reached = asyncio.Event()

    async def handle(link: Link) -> None:
        await link.reader.readuntil(b"\r\n\r\n")
        link.writer.transport.pause_reading()
        await asyncio.sleep(0.05)
        reached.set()
        link.writer.transport.resume_reading()
        await link.gone()

    assert await cancelled_while(handle, reached, bytes(32 << 20)) == 2


async def test_a_call_cancelled_in_its_tls_handshake_closes_its_connection() -> None:
    reached = asyncio.Event()

    async def handle(link: Link) -> None:
        await link.reader.read(1)  # of the client's hello
        reached.set()
        await link.gone()

    assert await cancelled_while(handle, reached, scheme="https") == 1


async def test_a_call_cancelled_while_it_connects_frees_its_slot() -> None:
    with full_backlog() as url:
        async with Transport(tls=TLS, max_connections=1) as transport:
            call = asyncio.create_task(ask(transport, url))
            await asyncio.sleep(0.02)
            call.cancel()
            await asyncio.wait([call])

            assert call.cancelled()
            with pytest.raises(httpx.ConnectTimeout):  # so it had a slot
                await ask(transport, url, connect=0.05, pool=0.5)


async def test_a_call_cancelled_in_the_queue_leaves_its_place_to_the_next() -> None:
    held = asyncio.Event()

    async def handle(link: Link) -> None:
        while True:
            await link.request()
            await held.wait()
            await link.send(OK)

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        first, second, third = (asyncio.create_task(ask(transport, server.url)) for _ in range(3))
        await asyncio.sleep(0)
        second.cancel()
        held.set()

        assert (await first).content == (await third).content == b"ok"
        assert second.cancelled()
        assert server.connections == 1


async def test_a_response_closed_before_its_end_closes_its_connection_and_frees_the_slot() -> None:
    async def handle(link: Link) -> None:
        await link.request()
        await link.send(CHUNKED, b"2\r\nok\r\n")
        await link.gone()

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        for _ in range(2):
            response = await transport.handle_async_request(post(server.url, pool=1.0))
            await response.aclose()
            async with asyncio.timeout(1):
                await server.quiet.wait()


@pytest.mark.parametrize("which", [0, 1], ids=["under way", "next in the queue"])
async def test_a_call_cancelled_as_an_answer_arrives_takes_nothing_from_the_next_call(which: int) -> None:
    async with serving(answering(OK)) as server, Transport(tls=TLS, max_connections=1) as transport:
        for turns in range(60):
            calls = [asyncio.create_task(ask(transport, server.url, pool=5.0)) for _ in range(3)]
            for _ in range(turns % 20):
                await asyncio.sleep(0)
            calls[which].cancel()
            await asyncio.wait(calls)

            assert [call.result().content for call in calls if not call.cancelled()][-2:] == [b"ok"] * 2
        assert (await ask(transport, server.url, pool=5.0)).content == b"ok"


async def test_a_connection_that_breaks_on_its_way_to_the_next_caller_is_replaced() -> None:
    turns = iter([0, 1, 2] * 20)  # later, the next request is out already

    async def handle(link: Link) -> None:
        await link.request()
        link.writer.write(OK)
        for _ in range(next(turns)):
            await asyncio.sleep(0)
        link.writer.write(b"junk")
        await link.gone()

    async with serving(handle) as server, Transport(tls=TLS, max_connections=1) as transport:
        for _ in range(12):
            answers = await asyncio.gather(*[ask(transport, server.url, pool=5.0) for _ in range(3)])

            assert [answer.content for answer in answers] == [b"ok"] * 3


async def test_after_two_thousand_cancelled_calls_all_later_ones_succeed() -> None:
    async def handle(link: Link) -> None:
        while True:
            await link.request()
            await link.send(CHUNKED, b"2\r\nok\r\n", b"0\r\n\r\n")

    async with serving(handle) as server, Transport(tls=TLS, max_connections=10) as transport:
        for batch in range(40):
            calls = [asyncio.create_task(ask(transport, server.url)) for _ in range(50)]
            for number, call in enumerate(calls):
                if number % 5 == batch % 5:
                    await asyncio.sleep(0)
                call.cancel()
            await asyncio.wait(calls)
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*[ask(transport, server.url, pool=5.0) for _ in range(100)])

    assert [answer.content for answer in answers] == [b"ok"] * 100


# --- the whole transport


def test_a_transport_made_outside_a_loop_works_inside_one() -> None:
    transport = Transport()

    async def use() -> bytes:
        async with serving(answering(OK)) as server, transport:
            return (await ask(transport, server.url)).content

    assert asyncio.run(use()) == b"ok"


async def test_closing_the_transport_closes_what_is_idle_and_fails_what_is_under_way_or_waits() -> None:
    async def handle(link: Link) -> None:
        if b"idle" in await link.request():
            await link.send(OK)
        await link.gone()

    async with serving(handle) as server:
        transport = Transport(tls=TLS, max_connections=2)
        one = asyncio.create_task(ask(transport, server.url, b"busy"))
        await ask(transport, server.url, b"idle")
        two, three = (asyncio.create_task(ask(transport, server.url, b"busy")) for _ in range(2))
        await asyncio.sleep(0)
        await transport.aclose()

        for call in (one, two, three):
            with pytest.raises(httpx.TransportError):
                await call
        with pytest.raises(httpx.ConnectError, match="closed"):
            await ask(transport, server.url)
        async with asyncio.timeout(1):
            await server.quiet.wait()


async def test_it_serves_an_httpx_client() -> None:
    async with serving(answering(OK)) as server, httpx.AsyncClient(transport=Transport(tls=TLS)) as client:
        async with client.stream("GET", server.url) as response:
            lines = [line async for line in response.aiter_lines()]

        assert lines == ["ok"]


async def test_a_server_without_tls_is_a_connect_error() -> None:
    async def handle(link: Link) -> None:
        await link.reader.read(1)  # of the client's hello
        await link.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(handle) as server, Transport(tls=TLS) as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, server.url.replace("http", "https", 1), connect=2.0)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """The files of a key and of a certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


async def test_tls_is_spoken_and_a_certificate_that_is_not_trusted_is_a_connect_error(
    certificate: tuple[str, str],
) -> None:
    key, signed = certificate
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(signed, key)
    ours = ssl.create_default_context(cafile=signed)

    async with serving(answering(OK), ssl=theirs) as server, Transport(tls=ours) as trusting, Transport() as transport:
        answers = [await ask(trusting, server.url, bytes(1 << 20)) for _ in range(2)]

        assert [answer.content for answer in answers] == [b"ok"] * 2
        assert server.connections == 1
        with pytest.raises(httpx.ConnectError):
            await ask(transport, server.url)
