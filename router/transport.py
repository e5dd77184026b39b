"""HTTP/1.1 to providers: a thin httpx transport over asyncio and httptools, with a keep-alive pool per origin.

It follows no redirect, reads no environment, keeps no cookie. An answer that is complete gives its connection back at
once; a call that is cancelled, fails or is closed early takes its connection with it. Use it from one event loop.
"""

import asyncio
import select
import ssl
import zlib
from collections import deque
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple, cast

import httpx
from httptools import HttpParserError, HttpResponseParser

HEAD_BYTES = 64 << 10  # of a response head, and of what stands between two body bytes (chunk extensions, trailers)
HEAD_FIELDS = 100
HIGH_WATER_BYTES = 64 << 10  # unread body that pauses reading
WRITE_BYTES = 64 << 10  # of a request body written at a time
INFLATE_BYTES = 64 << 10  # inflated at a time
SWEEP_S = 0.25  # how late a read or write timeout may be
STALE_S = 1.0  # a connection that the server had closed while it idled says so within a round trip

_FRAMING = frozenset((b"connection", b"content-length", b"keep-alive", b"transfer-encoding", b"upgrade"))
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))

Timeouts = Mapping[str, float | None]


class Transport(httpx.AsyncBaseTransport):
    """Up to `max_connections` to each origin; an idle one is kept for `keepalive_expiry_s`.

    A request's `extensions["timeout"]` has connect, read, write and pool, in seconds; None or missing means no limit.
    read and write are the longest silence while waiting for bytes to come or to go. Raises httpx.TransportError.
    `max_response_bytes` counts a body after decoding; `tls` replaces the default TLS context.
    """

    def __init__(
        self,
        *,
        max_connections: int = 1000,
        keepalive_expiry_s: float = 30.0,
        max_response_bytes: int = 32 << 20,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_connections = max_connections
        self._keepalive_expiry_s = keepalive_expiry_s
        self._max_response_bytes = max_response_bytes
        self._tls = tls or ssl.create_default_context()
        self._origins: dict[tuple[bytes, bytes, int | None], _Origin] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        origin = self._origin(request.url)
        stream = request.stream
        content = b"".join(stream) if isinstance(stream, httpx.ByteStream) else await request.aread()
        timeouts: Timeouts = request.extensions.get("timeout", {})
        call = _Call(
            _encode_head(request, len(content)), content, timeouts, request.method == "HEAD", self._max_response_bytes
        )
        try:
            body = await (await origin.acquire(timeouts)).exchange(call)
        except _StaleConnection:
            # The server closed a kept-alive connection while our request was on its way. No byte of an answer came, so
            # a POST may go again too: such a server has not read it (RFC 9112, section 9.3.1). Once only, and only
            # when the close came within STALE_S: later, the provider may have been at work on it.
            body = await (await origin.acquire(timeouts, fresh=True)).exchange(call)
        return httpx.Response(
            body.status,
            headers=body.headers,
            stream=body,
            extensions={"http_version": b"HTTP/1.1"},
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection; calls under way fail. Returns when the sockets are closed."""
        self._closed = True
        lost = [connection.lost for origin in self._origins.values() for connection in origin.close()]
        if lost:
            await asyncio.wait(lost)

    def _origin(self, url: httpx.URL) -> "_Origin":
        if self._closed:
            raise httpx.ConnectError("the transport is closed")
        key = (url.raw_scheme, url.raw_host, url.port)
        origin = self._origins.get(key)
        if origin is None:
            if url.scheme not in ("http", "https"):
                raise httpx.UnsupportedProtocol(f"{url.scheme!r} is neither http nor https")
            tls = self._tls if url.scheme == "https" else None
            origin = _Origin(url, tls, self._max_connections, self._keepalive_expiry_s)
            self._origins[key] = origin
        return origin


class _StaleConnection(httpx.RemoteProtocolError):
    """A kept-alive connection was closed before the first byte of an answer."""


class _Call(NamedTuple):
    head: bytes
    content: bytes
    timeouts: Timeouts
    bodiless: bool  # the answer has no body, whatever its head says
    max_response_bytes: int


def _encode_head(request: httpx.Request, content_length: int) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    names = set()
    for name, value in request.headers.raw:
        lower = name.lower()
        if lower not in _FRAMING:
            names.add(lower)
            lines.append(b"%b: %b" % (name, value))
    if b"accept-encoding" not in names:
        lines.append(b"accept-encoding: identity")
    if content_length or request.method in _WITH_BODY:
        lines.append(b"content-length: %d" % content_length)
    lines += b"", b""
    head = b"\r\n".join(lines)
    if not head.count(b"\r") == head.count(b"\n") == len(lines) - 1:  # httpx does not look for them
        raise httpx.LocalProtocolError("a line break in the method or in a header")
    return head


class _Origin:
    """The pool of one (scheme, host, port): idle connections newest first, callers waiting in turn.

    Of the `max_connections` slots a connection holds one from before it opens until it is dropped.
    """

    def __init__(
        self, url: httpx.URL, tls: ssl.SSLContext | None, max_connections: int, keepalive_expiry_s: float
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.keepalive_expiry_s = keepalive_expiry_s
        self._host = url.host
        self._port = url.port or (443 if tls else 80)
        self._tls = tls
        self._free_slots = max_connections
        self._open: set[_Connection] = set()
        self._idle: dict[_Connection, None] = {}  # an ordered set
        self._turns: deque[asyncio.Future[_Connection | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self, timeouts: Timeouts, *, fresh: bool = False) -> "_Connection":
        """A connection to send one request on; with `fresh` not one that has been idle."""
        while self._idle and not fresh:
            connection, _ = self._idle.popitem()
            if connection.is_ready():
                return connection
        if self._idle and not self._free_slots:
            next(iter(self._idle)).drop()  # the one that idled longest makes room
        if self._free_slots:
            self._free_slots -= 1
        else:
            handed = await self._turn(timeouts.get("pool"))
            if handed is not None:
                return handed if handed.is_ready() else await self.acquire(timeouts, fresh=fresh)
        return await self._connect(timeouts.get("connect"))

    def release(self, connection: "_Connection") -> None:
        """A connection is ready for its next request."""
        if turn := self._next_turn():
            turn.set_result(connection)
        else:
            self._idle[connection] = None

    def dropped(self, connection: "_Connection") -> None:
        self._idle.pop(connection, None)
        self._free_slot()

    def lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)

    def close(self) -> "list[_Connection]":
        """Drop everything; gives the connections whose sockets are still to close."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        connections = list(self._open)
        for connection in connections:
            connection.fail(httpx.ReadError("the transport was closed"))
        while turn := self._next_turn():
            turn.set_result(None)  # it finds the pool closed
        return connections

    async def _turn(self, timeout_s: float | None) -> "_Connection | None":
        """Wait in line for a connection, or for a slot to open one (None)."""
        turn: asyncio.Future[_Connection | None] = self.loop.create_future()
        self._turns.append(turn)
        try:
            await asyncio.wait((turn,), timeout=timeout_s)
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        if turn.done():
            return turn.result()
        self._give_up(turn)
        raise httpx.PoolTimeout(f"no free connection to {self._host}:{self._port} within {timeout_s} s")

    def _give_up(self, turn: "asyncio.Future[_Connection | None]") -> None:
        if not turn.done():
            self._turns.remove(turn)
        elif (connection := turn.result()) is None:
            self._free_slot()
        elif not connection.closed:
            self.release(connection)

    def _next_turn(self) -> "asyncio.Future[_Connection | None] | None":
        return self._turns.popleft() if self._turns else None

    def _free_slot(self) -> None:
        if turn := self._next_turn():
            turn.set_result(None)  # the slot passes on
        else:
            self._free_slots += 1

    async def _connect(self, timeout_s: float | None) -> "_Connection":
        """Open a connection on a slot that the caller has taken."""
        connection = _Connection(self)
        place = f"{self._host}:{self._port}"
        try:
            if self._closed:
                raise httpx.ConnectError("the transport was closed")
            async with asyncio.timeout(timeout_s):
                await self.loop.create_connection(
                    lambda: connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
            if connection.closed or self._closed:
                raise httpx.ConnectError(f"the connection to {place} was closed at once")
        except TimeoutError as error:
            connection.drop()
            raise httpx.ConnectTimeout(f"no connection to {place} within {timeout_s} s") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that can't be looked up
            connection.drop()
            raise httpx.ConnectError(f"no connection to {place}: {error}") from error
        except BaseException:
            connection.drop()
            raise
        self._open.add(connection)  # not before: uvloop never tells a connection that was cancelled here of its end
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_S, self._sweep)
        return connection

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in tuple(self._open):
            connection.check(now)
        self._timer = self.loop.call_later(SWEEP_S, self._sweep) if self._open else None


class _Connection(asyncio.Protocol):
    """One connection: sends a request, feeds its answer, and is dropped at the first thing out of order."""

    _transport: asyncio.Transport  # from connection_made on
    lost: asyncio.Future[None]  # from connection_made on; done when the socket is closed

    def __init__(self, origin: _Origin) -> None:
        self._origin = origin
        self._loop = origin.loop
        self._made = False
        self.closed = False
        self._used = False  # has carried an answer before this one
        self._answer: _Body | None = None  # the one under way
        self._asked_at = 0.0
        self._since = 0.0  # when the silence began that timeouts measure
        self._heard = False  # a byte of the answer has come
        self._sent = False  # the whole request is with the transport
        self._write_paused = False
        self._unsent = 0  # bytes in the transport's buffer at the last sweep

    async def exchange(self, call: _Call) -> "_Body":
        """Send a request; gives its answer when the head is whole."""
        answer = self._answer = _Body(self, call)
        self._asked_at = self._loop.time()
        self._heard = self._sent = False
        self._unsent = 0
        try:
            await self._send(answer, call)
            await answer.head()
        except asyncio.CancelledError:
            self.abandon(answer)
            raise
        return answer

    def is_ready(self) -> bool:
        """Whether a request may go out on it. It is dropped when the kernel holds an end, or bytes behind the last
        answer, that the loop hasn't seen yet: they would be taken for the next answer."""
        if not self.closed:
            poll = select.poll()
            poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
            if poll.poll(0):
                self.drop()
        return not self.closed

    def abandon(self, answer: "_Body", error: httpx.TransportError | None = None) -> None:
        """Nobody reads this answer any more. Once it is complete the connection may be another call's."""
        if self._answer is answer:
            self.fail(error or httpx.ReadError("the answer was closed before its end"))

    def start_clock(self) -> None:
        self._since = self._loop.time()

    def resume_reading(self, answer: "_Body") -> None:
        if self._answer is answer:
            self._transport.resume_reading()

    def check(self, now: float) -> None:
        """One look of the sweep: an idle connection may be too old, a call too long without a byte."""
        answer, silence_s = self._answer, now - self._since
        if answer is None:
            if silence_s > self._origin.keepalive_expiry_s:
                self.drop()
            return
        unsent, before = self._transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        writing = unsent > 0 or not self._sent
        limit_s = answer.timeouts.get("write" if writing else "read")
        if unsent < before:
            self._since = now
        elif answer.waiting and limit_s is not None and silence_s > limit_s:
            timeout = httpx.WriteTimeout if writing else httpx.ReadTimeout
            self.fail(timeout(f"no byte {'went' if writing else 'came'} for {limit_s} s"))

    def fail(self, error: httpx.TransportError) -> None:
        """Drop the connection; the call under way ends with `error`."""
        answer = self._answer
        self.drop()
        if answer is not None:
            answer.fail(error)

    def drop(self) -> None:
        """Close at once, and give the slot back."""
        self._answer = None
        if self.closed:
            return
        self.closed = True
        if self._made:
            self._transport.abort()
        self._origin.dropped(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        self._made = True
        self.lost = self._loop.create_future()
        self._since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.drop()  # bytes that nobody asked for
            return
        self._heard = True
        self._since = self._loop.time()
        try:
            answer.feed(data)
        except httpx.RemoteProtocolError as error:
            self.fail(error)
            return
        if answer.complete:
            self._settle(answer)
        elif answer.unread_bytes > HIGH_WATER_BYTES:
            answer.paused = True
            self._transport.pause_reading()
        answer.wake()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._answer is not None:
            self._answer.wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self._origin.lost(self)
        self.lost.set_result(None)

    async def _send(self, answer: "_Body", call: _Call) -> None:
        if len(call.content) <= WRITE_BYTES:
            self._transport.write(call.head + call.content)
        else:
            self._transport.write(call.head)
            content = memoryview(call.content)
            for start in range(0, len(content), WRITE_BYTES):
                while self._write_paused and self._answer is answer:
                    await answer.wait()
                if self._answer is not answer:
                    return  # answered or failed before all was sent
                self._transport.write(content[start : start + WRITE_BYTES])
        self._sent = True

    def _settle(self, answer: "_Body") -> None:
        """The answer is complete: on to the next request, unless anything is left over on either side."""
        self._answer = None
        if not (answer.reusable and self._sent and self._transport.get_write_buffer_size() == 0):
            self.drop()
            return
        self._used = True
        if answer.paused:
            self._transport.resume_reading()
        self._origin.release(self)

    def _end(self, error: Exception | None) -> None:
        """Nothing more will come."""
        answer = self._answer
        if answer is None:
            self.drop()
        elif error is None and answer.ends_with_connection:
            self.drop()
            answer.finish()
        else:
            self.fail(self._loss(error))

    def _loss(self, error: Exception | None) -> httpx.TransportError:
        if not self._heard:
            if self._used and self._loop.time() - self._asked_at < STALE_S:
                return _StaleConnection("the server closed a kept-alive connection as it was used again")
            if error is None:
                return httpx.RemoteProtocolError("the server closed the connection without an answer")
        if error is None:
            return httpx.RemoteProtocolError("the server closed the connection in the middle of its answer")
        return (httpx.ReadError if self._sent else httpx.WriteError)(str(error))


class _Body(httpx.AsyncByteStream):
    """One answer: parses what its connection feeds it, keeps the head, and streams the body decoded."""

    def __init__(self, connection: _Connection, call: _Call) -> None:
        self.timeouts = call.timeouts
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.reusable = False  # nothing came after it, and the server keeps the connection open
        self.ends_with_connection = False
        self.paused = False
        self.unread_bytes = 0
        self._connection = connection
        self._parser = HttpResponseParser(self)
        self._bodiless = call.bodiless
        self._limit_bytes = call.max_response_bytes
        self._begun = False  # the final head is whole
        self._gap_bytes = 0  # since the last byte of the body
        self._blocks: list[bytes] = []
        self._inflater: _Inflater | None = None
        self._given_bytes = 0
        self._failure: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await (self._read() if self._inflater is None else self._inflate(self._inflater))
        except asyncio.CancelledError:
            self._connection.abandon(self)
            raise
        if not data:
            raise StopAsyncIteration
        self._given_bytes += len(data)
        if self._given_bytes > self._limit_bytes:
            raise self._refusal(f"the answer is longer than {self._limit_bytes} bytes")
        return data

    async def aclose(self) -> None:
        self._connection.abandon(self)

    async def head(self) -> None:
        """Until the head is whole. Raises what went wrong before that."""
        while not self._begun:
            if self._failure is not None:
                raise self._failure
            await self.wait()

    async def wait(self) -> None:
        """Until something has happened on the connection."""
        self._connection.start_clock()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    @property
    def waiting(self) -> bool:
        return self._waiter is not None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def feed(self, data: bytes) -> None:
        """Bytes from the server. Raises RemoteProtocolError when they can't be an answer."""
        before = self.unread_bytes
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self.reusable = False
            if not self.complete:
                raise _described(error) from None
        if self.complete:
            del self._parser  # it refers back to us: no work for the garbage collector
            return
        self._gap_bytes = 0 if self.unread_bytes > before else self._gap_bytes + len(data)
        if self._gap_bytes > HEAD_BYTES:
            raise httpx.RemoteProtocolError(f"over {HEAD_BYTES} bytes that are not of the body")

    def finish(self) -> None:
        """The server closed the connection, which ends a body without a length."""
        self.complete = True
        del self._parser
        self.wake()

    def fail(self, error: httpx.TransportError) -> None:
        self._failure = error
        del self._parser
        self.wake()

    async def _read(self) -> bytes:
        """What has come of the body, at least one byte; b"" at its end."""
        while not self._blocks:
            if self._failure is not None:
                raise self._failure
            if self.complete:
                return b""
            await self.wait()
        data = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
        self._blocks.clear()
        self.unread_bytes = 0
        if self.paused:
            self.paused = False
            self._connection.resume_reading(self)
        return data

    async def _inflate(self, inflater: "_Inflater") -> bytes:
        data = b""
        try:
            while not data:
                if inflater.hungry:
                    block = await self._read()
                    if not block:
                        inflater.end()
                        break
                    data = inflater.step(block)
                else:
                    await asyncio.sleep(0)  # others' turn: a block may inflate a thousandfold
                    data = inflater.step(b"")
        except zlib.error as error:
            raise self._refusal(f"the answer does not inflate: {error}") from error
        return data

    def _refusal(self, message: str) -> httpx.RemoteProtocolError:
        error = httpx.RemoteProtocolError(message)
        self._failure = error
        self._blocks.clear()
        self._connection.abandon(self, error)
        return error

    # callbacks of the parser; an exception in one stops it, except in on_message_begin

    def on_message_begin(self) -> None:
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._begun:  # else a trailer, or of a second answer
            self.headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._begun or (100 <= status < 200 and status != 101):
            return
        if status < 200:
            raise httpx.RemoteProtocolError(f"status {status}, which was not asked for")
        if len(self.headers) > HEAD_FIELDS or sum(map(len, chain.from_iterable(self.headers))) > HEAD_BYTES:
            raise httpx.RemoteProtocolError(f"a head of over {HEAD_BYTES} bytes or {HEAD_FIELDS} fields")
        self.status = status
        self._read_framing()
        self._begun = True
        self.complete = self._bodiless

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._blocks.append(data)
            self.unread_bytes += len(data)

    def on_message_complete(self) -> None:
        if not self._begun:
            self.headers.clear()  # an interim answer (1xx): the final one follows
        elif not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()

    def _read_framing(self) -> None:
        """How the body ends and how it is encoded; the headers then speak of it decoded."""
        fields = dict(self.headers)
        self.ends_with_connection = b"content-length" not in fields and b"transfer-encoding" not in fields
        if fields.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise httpx.RemoteProtocolError("a transfer-encoding other than chunked")
        if b"content-encoding" in fields and not self._bodiless:
            self._decode()

    def _decode(self) -> None:
        encoding = b",".join(value for name, value in self.headers if name == b"content-encoding").lower()
        if encoding == b"identity":
            return
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise httpx.RemoteProtocolError("a content-encoding other than gzip, deflate and identity")
        self._inflater = _Inflater(gzip=encoding != b"deflate")
        self.headers = [field for field in self.headers if field[0] not in (b"content-encoding", b"content-length")]


def _described(error: HttpParserError) -> httpx.RemoteProtocolError:
    if isinstance(error.__context__, httpx.RemoteProtocolError):
        return error.__context__  # raised in a callback of ours
    return httpx.RemoteProtocolError(f"not an HTTP/1.1 answer: {error}")


class _Inflater:
    """gzip or deflate, INFLATE_BYTES at a time."""

    def __init__(self, *, gzip: bool) -> None:
        self.hungry = True  # False: there is more to come from what it has
        self._gzip = gzip
        self._stream: zlib._Decompress | None = None

    def step(self, data: bytes) -> bytes:
        """What comes next; `data` is b"" unless hungry. Raises zlib.error."""
        stream = self._stream = self._stream or zlib.decompressobj(self._window_bits(data[0]))
        if stream.eof:
            raise zlib.error("bytes after the end")
        inflated = stream.decompress(stream.unconsumed_tail + data, INFLATE_BYTES)
        if stream.unused_data:
            raise zlib.error("bytes after the end")
        self.hungry = stream.eof or len(inflated) < INFLATE_BYTES
        return inflated

    def end(self) -> None:
        """Raises zlib.error when what has come is not whole."""
        if self._stream is not None and not self._stream.eof:
            raise zlib.error("it was cut short")

    def _window_bits(self, first: int) -> int:
        if self._gzip:
            return zlib.MAX_WBITS + 16
        return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS  # some servers send deflate without its header
