"""The server's edge: uvicorn's HTTP/1.1 protocol with the deadlines and limits that it lacks. Knows no route.

One request at a time on a connection: bytes behind a request that is being answered are not read, and close it.
llhttp, the parser, refuses most of what smuggles a request; `check_head` refuses the rest. Whatever is refused gets
OpenAI's error and the end of its connection. Deadlines are kept by one sweep over all connections.
"""

import asyncio
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from router import ids
from router.dialects import openai_error
from router.errors import BadRequest
from router.web.reply import SECURITY_HEADERS

HEAD_BYTES = 64 << 10
HEAD_FIELDS = 100
TARGET_BYTES = 8 << 10
LENGTH_DIGITS = 19
FRAMING_BYTES = 16  # of chunk sizes, extensions and trailers for each byte of the body, beside 2 * HEAD_BYTES
SMALL_BODY_BYTES = 64 << 10  # of a body whose rest is read, after an early answer, to keep the connection
SWEEP_S = 0.25  # how late a deadline may be
SWEEP_BATCH = 100  # connections cut before the loop sees to others

_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
_HOST = re.compile(rb"[\w.~!$&'()*+,;=%-]*(?::\d*)?|\[[0-9A-Fa-f:.%\w]+\](?::\d*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)/.*", re.IGNORECASE)

Field = tuple[bytes, bytes]
# waiting   for a request, the first or the next        head     a part of its head has come
# body      the head is whole                           answer   the request is whole, the answer is not
# leaving   nothing more is read; the last words are on their way
Phase = Literal["waiting", "head", "body", "answer", "leaving"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    head_s: float = 10  # for a head, from its first byte; also for the first byte of a new connection
    body_s: float = 10  # for a body; each `body_bytes_s` bytes of it earn another second, up to as long again
    body_bytes_s: int = 1024
    idle_s: float = 15  # between two requests
    unread_s: float = 60  # without reading any of the answer
    leaving_s: float = 10  # to read the last words and close


class Refused(BadRequest):
    """A request that goes no further than the edge."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.status = status


def check_head(method: bytes, version: str, target: bytes, fields: Iterable[Field]) -> None:
    """Raises Refused for a head that llhttp takes and we don't. Names of `fields` are in lower case."""
    if method not in _METHODS:
        raise Refused(405, "method_not_allowed", f"{method.decode()} is not allowed; use {_allowed()}")
    if version not in ("1.1", "1.0"):
        raise Refused(400, "bad_version", f"HTTP/{version} is not spoken here; use HTTP/1.1")
    hosts, encodings = [], []
    for name, value in fields:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            encodings.append(value.strip().lower())
        elif name == b"content-length" and len(value) > LENGTH_DIGITS:
            raise Refused(400, "bad_framing", f"Content-Length has more than {LENGTH_DIGITS} digits")
        elif name == b"upgrade":
            raise Refused(400, "no_upgrade", "no other protocol is spoken here; send HTTP/1.1 without Upgrade")
    if encodings and (version == "1.0" or encodings != [b"chunked"]):
        raise Refused(400, "bad_framing", "Transfer-Encoding can only be chunked, with HTTP/1.1")
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
        raise Refused(400, "bad_host", "exactly one Host header with a host name is needed")
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or absolute[1].lower() != b"".join(hosts).lower():
            raise Refused(400, "bad_target", "the target of the request is a path, or an http URL on its own Host")


def _allowed() -> str:
    return ", ".join(sorted(method.decode() for method in _METHODS))


class Edge(HttpToolsProtocol):
    """One connection of a client. `due` is when the sweep looks at it next; of more than `most`, an idle one goes."""

    def __init__(self, *args: Any, patience: Patience, most: int, **named: Any) -> None:
        super().__init__(*args, **named)
        self.due = math.inf
        self._patience = patience
        self._most = most
        self._phase: Phase = "waiting"
        self._wire_bytes = 0  # of the request so far
        self._body_bytes = 0
        self._body_seen = 0  # of these, at the last look
        self._keeps_alive = True  # once the request is whole
        self._unsent_bytes = 0  # of the answer, at the last look

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.due = self.loop.time() + self._patience.head_s
        if len(self.connections) > self._most:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        room = HEAD_BYTES - self._wire_bytes
        if len(data) > room and self._phase in ("waiting", "head"):
            self._feed(data[:room])
            if self._phase == "head":
                self._refuse(Refused(431, "head_too_large", f"the head is larger than {HEAD_BYTES >> 10} KB"))
            data = data[room:]
        self._feed(data)

    def overdue(self, now: float) -> None:
        """The sweep's look at a connection whose `due` has come."""
        if self.due > now:
            return  # it has moved on meanwhile
        match self._phase:
            case "head":
                self._refuse(_timeout("the head", self._patience.head_s))
            case "body":
                self._check_pace(now)
            case _ if not self._is_read(now):
                self.transport.abort()

    # --- what the parser calls ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._phase != "waiting":
            raise Refused(400, "pipelined", "wait for the answer before the next request")
        super().on_message_begin()
        self._phase = "head"
        self.due = self.loop.time() + self._patience.head_s

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > TARGET_BYTES:
            raise Refused(414, "target_too_long", f"the target is longer than {TARGET_BYTES >> 10} KB")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase != "head":
            return  # a trailer, which nobody asked for
        if len(self.headers) == HEAD_FIELDS:
            raise Refused(431, "head_too_large", f"the head has more than {HEAD_FIELDS} fields")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        check_head(self.parser.get_method(), self.parser.get_http_version(), self.url, self.headers)
        super().on_headers_complete()
        self._phase = "body"
        self._body_bytes = self._body_seen = 0
        self.due = self.loop.time() + self._patience.body_s
        self._keeps_alive = self.cycle.keep_alive
        if not _is_small(self.headers):
            self._end_with_answer()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait()
        else:
            self._phase = "answer"
            self.due = math.inf
            if not self.cycle.response_started:
                self.cycle.keep_alive, self.cycle.transport = self._keeps_alive, self.transport

    def shutdown(self) -> None:
        self._keeps_alive = False
        super().shutdown()

    # --- what the answer and the transport call -----------------------------------------------------------

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._unsent_bytes = self.transport.get_write_buffer_size()
        if self.transport.is_closing():
            self._leave()
            return
        self.flow.resume_reading()
        if self._phase == "answer":
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._phase == "answer":
            self._unsent_bytes = self.transport.get_write_buffer_size()
            self.due = self.loop.time() + self._patience.unread_s

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._phase == "answer":
            self.due = math.inf

    # --- steps --------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        if self._phase == "leaving":
            return
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._stop(error.__context__)
            return
        if self._phase != "waiting":
            self._wire_bytes += len(data)
        if self._phase == "body" and self._wire_bytes > 2 * HEAD_BYTES + FRAMING_BYTES * self._body_bytes:
            self._refuse(Refused(400, "bad_framing", "the chunks of the body are mostly framing"))

    def _stop(self, cause: BaseException | None) -> None:
        """The parser takes no more. `cause` is what one of the calls above raised, if that was it."""
        if self._phase == "answer":
            self._end_with_answer()  # the request is whole, and what came behind it is dropped
        elif cause is None or isinstance(cause, HttpParserError):
            self._refuse(Refused(400, "bad_request", "this is not a well-formed HTTP/1.1 request"))
        elif isinstance(cause, Refused):
            self._refuse(cause)
        else:
            raise cause

    def _wait(self) -> None:
        """For the next request."""
        self._phase = "waiting"
        self._wire_bytes = 0
        self.due = self.loop.time() + (self._patience.unread_s if self._unsent_bytes else self._patience.idle_s)

    def _refuse(self, refused: Refused) -> None:
        """Say why, unless an answer has begun, and end the connection."""
        if self.transport.is_closing():
            self._leave()
            return
        begun = self._phase == "body"
        if begun and not self.cycle.response_complete:
            self.cycle.disconnected = True  # for who waits for the body
            self.cycle.message_event.set()
        if not (begun and self.cycle.response_started):
            self.transport.write(_answer(refused, self.server_state.default_headers))
        self.hang_up()

    def _end_with_answer(self) -> None:
        self.cycle.keep_alive = False
        self.cycle.transport = _Lingering(self)  # type: ignore[assignment]  # the three methods that a cycle uses

    def hang_up(self) -> None:
        """Send what is left and read on for a while: closed at once, a reset might overtake the answer."""
        self._leave()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _leave(self) -> None:
        self._phase = "leaving"
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self.due = self.loop.time() + (self._patience.unread_s if self._unsent_bytes else self._patience.leaving_s)

    def _check_pace(self, now: float) -> None:
        fresh, self._body_seen = self._body_bytes - self._body_seen, self._body_bytes
        earned_s = min(fresh / self._patience.body_bytes_s, self._patience.body_s)
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            earned_s = self._patience.body_s  # it waits for us
        if earned_s < SWEEP_S:
            self._refuse(_timeout("the body", self._patience.body_s))
        else:
            self.due = now + earned_s

    def _is_read(self, now: float) -> bool:
        """Whether the client has read of its answer since the last look."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent_bytes
        self._unsent_bytes = unsent
        self.due = now + (self._patience.unread_s if unsent else self._patience.idle_s)
        return unsent < before

    def _make_room(self) -> None:
        """Without room for one more, a connection between two requests goes, or this one where there is none."""
        connections = cast(set[Edge], self.connections)
        others = (other for other in connections if other is not self and other._phase == "waiting")
        one = next(others, self)
        one._phase = "leaving"
        one.transport.abort()


class _Lingering:
    """The transport of an answer that its client may still be sending to: closing it hangs up in good order."""

    def __init__(self, edge: Edge) -> None:
        self.write = edge.transport.write
        self.is_closing = edge.transport.is_closing
        self.close = edge.hang_up


def _is_small(fields: Iterable[Field]) -> bool:
    """Whether the body is known to be short."""
    framing = {name: value for name, value in fields if name in (b"content-length", b"transfer-encoding")}
    return b"transfer-encoding" not in framing and int(framing.get(b"content-length", 0)) <= SMALL_BODY_BYTES


def _timeout(what: str, limit_s: float) -> Refused:
    return Refused(408, "request_timeout", f"{what} of the request has not come within {limit_s:g} s")


def _answer(refused: Refused, default_headers: list[Field]) -> bytes:
    request_id = ids.request_id()
    body = openai_error(refused, request_id)
    headers = SECURITY_HEADERS | {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": request_id,
    }
    if refused.status == 405:
        headers["allow"] = _allowed()
    fields = [*default_headers, *((name.encode(), value.encode()) for name, value in headers.items())]
    return b"".join([STATUS_LINE[refused.status], *(b"%b: %b\r\n" % field for field in fields), b"\r\n", body])


async def sweep(connections: Iterable[Any]) -> None:
    """Keep the deadlines of `connections`, as long as it runs."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        late = [connection for connection in connections if connection.due <= now]
        for start in range(0, len(late), SWEEP_BATCH):
            for connection in late[start : start + SWEEP_BATCH]:
                loop.call_soon(connection.overdue, now)  # so that what goes wrong with one stays its own
            await asyncio.sleep(0)
