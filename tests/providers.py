"""Provider servers on a loopback socket for tests: the simulated answers, a record of what came, and scripted faults.

    with Providers() as providers:                 # or: async with
        providers.fail("openai", Status(429, retry_after_s=2), Reset())   # the next two OpenAI calls
        ...                                        # base URLs: providers.base_url["openai"] and so on
        assert providers.calls("anthropic")[0].json["model"] == "claude-opus-4-7"
        providers.wait_until(lambda: providers.aborted == 1)

It runs in a thread with a loop of its own, so it answers whatever the test's own loop is doing.
"""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from router.simulated import Call, Memory, Reply, answer, missing_key

Dialect = Literal["openai", "anthropic", "gemini"]


@dataclass(frozen=True)
class Status:
    """An answer with this status. Without a body it is the dialect's own error of that status."""

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: int | None = None  # a retry-after header; for Gemini, which has none, RetryInfo in the body


@dataclass(frozen=True)
class Reset:
    """The connection is reset before any byte of the answer."""


@dataclass(frozen=True)
class Close:
    """The connection is closed cleanly without an answer."""


@dataclass(frozen=True)
class Stall:
    """Nothing is answered until the client leaves."""


@dataclass(frozen=True)
class Cut:
    """After `content` pieces of content (0: after what precedes it) the stream stalls, ends cleanly without the
    dialect's end, is reset, or says an error. A whole answer is cut in the middle of its body."""

    content: int
    then: Literal["stall", "end", "reset", "error"]


HTML = Status(200, b"<html><body>Welcome</body></html>", {"content-type": "text/html"})
EMPTY = Status(200, b"", {"content-type": "application/json"})

Fault = Status | Reset | Close | Stall | Cut


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in lower case."""

    dialect: Dialect
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Providers:
    """All three providers on one port. `pace_s` is waited before each piece of an answer."""

    def __init__(self, pace_s: float = 0.0) -> None:
        self.received: list[Received] = []
        self.open_connections = 0
        self.connections = 0
        self.aborted = 0  # calls whose client left before it had the whole answer
        self._pace_s = pace_s
        self._memory = Memory()
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="providers")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> dict[Dialect, str]:
        """What OPENAI_BASE_URL, ANTHROPIC_BASE_URL and GEMINI_BASE_URL are set to."""
        return {"openai": f"{self.url}/v1", "anthropic": self.url, "gemini": f"{self.url}/v1beta"}

    def fail(self, dialect: Dialect, *faults: Fault, times: int = 1) -> None:
        """The next calls of `dialect` meet these faults, one each; all of them `times` times over."""
        self._faults[dialect].extend(faults * times)

    def calls(self, dialect: Dialect) -> list[Received]:
        return [one for one in self.received if one.dialect == dialect]

    def wait_until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        """Returns once `condition` holds; an AssertionError when it doesn't in time. For tests without a loop."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s} s"
            time.sleep(0.005)

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        """The same for tests that run in a loop."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s} s"
            await asyncio.sleep(0.005)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5), "the provider server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive(), "the provider server did not stop"

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        self.connections += 1
        try:
            while (call := await _read(reader)) is not None and await self._answered(call, reader, writer):
                pass
        except OSError:
            pass  # the client reset the connection
        finally:
            self.open_connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answered(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the answer went out whole and the connection is good for another call."""
        dialect = _dialect(call.path)
        self.received.append(Received(dialect, call.path, call.query, call.headers, call.body))
        fault = self._faults[dialect].popleft() if self._faults[dialect] else None
        answering = asyncio.create_task(self._answer(call, dialect, fault, writer))
        leaving = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not isinstance(answering.exception(), OSError):
                return answering.result()
            self.aborted += 1
            return False
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _answer(self, call: Call, dialect: Dialect, fault: Fault | None, writer: asyncio.StreamWriter) -> bool:
        match fault:
            case Stall():
                await asyncio.Event().wait()
            case Close():
                return False
            case Reset():
                return _reset(writer)
            case Status():
                await self._send(_error(dialect, fault), writer)
                return True
        reply = missing_key(call) or answer(call, self._memory)
        if not isinstance(fault, Cut):
            await self._send(reply, writer)
            return True
        return await self._send_cut(reply, dialect, fault, writer)

    async def _send(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        streamed = _streamed(reply)
        writer.write(_head(reply))
        for chunk in reply.chunks:
            await self._write(_framed(chunk) if streamed else chunk, writer)
        if streamed:
            await self._write(b"0\r\n\r\n", writer)

    async def _write(self, block: bytes, writer: asyncio.StreamWriter) -> None:
        if self._pace_s:
            await asyncio.sleep(self._pace_s)
        writer.write(block)
        await writer.drain()

    async def _send_cut(self, reply: Reply, dialect: Dialect, cut: Cut, writer: asyncio.StreamWriter) -> bool:
        streamed = _streamed(reply)
        body = reply.chunks[0]
        writer.write(_head(reply))
        for chunk in _before(reply.chunks, dialect, cut.content) if streamed else (body[: len(body) // 2],):
            await self._write(_framed(chunk) if streamed else chunk, writer)
        match cut.then:
            case "stall":
                await asyncio.Event().wait()
            case "reset":
                return _reset(writer)
            case "error" if streamed:
                responses = reply.chunks[0].startswith(b"event: response.")
                await self._write(_framed(_RESPONSES_ERROR if responses else _ERROR_EVENTS[dialect]), writer)
        if streamed:
            await self._write(b"0\r\n\r\n", writer)
        return streamed


async def _read(reader: asyncio.StreamReader) -> Call | None:
    """The next request of a connection, None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    lines = head.rstrip().split("\r\n")
    path, _, query = lines[0].split(" ")[1].partition("?")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method = lines[0].split(" ")[0]
    return Call(path, query, headers, body, nonce=uuid.uuid4().hex, at=int(time.time()), method=method)


def _dialect(path: str) -> Dialect:
    return "anthropic" if "/messages" in path else "gemini" if "/models/" in path else "openai"


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Closes with a RST instead of a FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _streamed(reply: Reply) -> bool:
    return any("event-stream" in value for _, value in reply.headers)


def _head(reply: Reply) -> bytes:
    size = sum(len(chunk) for chunk in reply.chunks)
    framing = "transfer-encoding: chunked" if _streamed(reply) else f"content-length: {size}"
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in reply.headers), framing]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _framed(chunk: bytes) -> bytes:
    return f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"


_CONTENT: dict[Dialect, tuple[bytes, ...]] = {
    "openai": (b'"delta":{"content":"', b'"delta":{"tool_calls":', b"event: response.output_text.delta",
               b"event: response.function_call_arguments.delta"),
    "anthropic": (b'"text_delta"', b'"input_json_delta"'),
    "gemini": (b'"parts":[{"text":"', b'"functionCall"'),
}  # fmt: skip


def _before(chunks: tuple[bytes, ...], dialect: Dialect, content: int) -> tuple[bytes, ...]:
    """The chunks up to `content` pieces of content, what comes before the first one included."""
    places = [index for index, chunk in enumerate(chunks) if any(mark in chunk for mark in _CONTENT[dialect])]
    if dialect == "openai":
        places = [index for index in places if b'"delta":{"content":""' not in chunks[index]]
    return chunks[: places[content] if content < len(places) else places[-1] + 1]


_ERROR_EVENTS: dict[Dialect, bytes] = {
    "openai": b'data: {"error":{"message":"The server had an error while processing your request.",'
    b'"type":"server_error","param":null,"code":null}}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},'
    b'"request_id":"req_011scripted"}\n\n',
    "gemini": b'data: {"error":{"code":503,"message":"The model is overloaded. Please try again later.",'
    b'"status":"UNAVAILABLE"}}\r\n\r\n',
}


_RESPONSES_ERROR = (
    b'event: error\ndata: {"type":"error","code":"server_error","message":"The server had an error while processing '
    b'your request.","param":null,"sequence_number":9}\n\n'
)


def _error(dialect: Dialect, fault: Status) -> Reply:
    headers = {"content-type": "application/json", **fault.headers}
    if fault.retry_after_s is not None and dialect != "gemini":
        headers["retry-after"] = str(fault.retry_after_s)
    body = fault.body if fault.body is not None else json.dumps(_error_body(dialect, fault)).encode()
    return Reply(fault.status, tuple(headers.items()), (body,))


_OPENAI: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_ANTHROPIC = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip
_GEMINI = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def _error_body(dialect: Dialect, fault: Status) -> dict[str, Any]:
    message = f"Scripted failure {fault.status}."
    if dialect == "openai":
        other = ("server_error" if fault.status >= 500 else "invalid_request_error", None)
        type_, code = _OPENAI.get(fault.status, other)
        return {"error": {"message": message, "type": type_, "param": None, "code": code}}
    if dialect == "anthropic":
        error = {"type": _ANTHROPIC.get(fault.status, "api_error"), "message": message, "details": None}
        return {"type": "error", "error": error, "request_id": "req_011scripted"}
    gemini: dict[str, Any] = {"code": fault.status, "message": message}
    gemini["status"] = _GEMINI.get(fault.status, "INTERNAL")
    if fault.retry_after_s is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.retry_after_s}s"}
        gemini["details"] = [retry]
    return {"error": gemini}
