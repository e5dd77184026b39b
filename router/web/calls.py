"""The routes that models answer: stops 1 and 6. A request is admitted here, and given up when its client leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from router import ids
from router.call import Clock
from router.dialects import ServerFace
from router.errors import BadRequest, RouterError, TooLarge, UnsupportedMedia
from router.limits import Gate
from router.metrics import Metrics
from router.proxy import Incoming
from router.types import Wire
from router.web import wishes
from router.web.auth import Keys
from router.web.reply import AsgiReply


@dataclass(frozen=True, slots=True)
class Door:
    """What admits a request."""

    keys: Keys
    gate: Gate
    metrics: Metrics
    clock: Clock
    body_limit: int  # bytes


class ClientLeft(Exception):
    """The caller closed its connection before its answer was complete."""


Handle = Callable[[Incoming, AsgiReply], Awaitable[None]]

_PASSED_ON: Mapping[Wire, tuple[str, ...]] = {"messages": ("anthropic-version", "anthropic-beta")}


def route(path: str, face: ServerFace, handle: Handle, door: Door) -> ASGIRouteHandler:
    """The handler of POST `path`, whose callers speak the wire format of `face`."""

    @asgi(path, copy_scope=False)
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(face, handle, door, scope, receive, send)  # type: ignore[arg-type]  # an HTTP route gets HTTP scopes

    return call


async def _answer(face: ServerFace, handle: Handle, door: Door, scope: HTTPScope, receive: Receive, send: Send) -> None:
    received = door.clock()
    request_id = ids.request_id()
    named = {"x-request-id": request_id} | ({"request-id": request_id} if face.wire == "messages" else {})
    reply = AsgiReply(send, named, face.encode_error)
    door.metrics.in_progress.inc()
    try:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not allowed here; use POST")
        headers = lower_case_headers(scope)
        key_id = door.keys.check(headers, "call")
        asked = wishes.read(headers)
        async with door.gate.place():
            body = await read_body(receive, headers, door.body_limit)
            async with given_up_when_left(receive):
                await handle(
                    Incoming(face, body, asked, request_id, received, key_id, _passed_on(face, headers)), reply
                )
    except ClientLeft:
        return
    except RouterError as error:
        if "x-router-attempts" not in reply.headers:
            door.metrics.refused(server_fault=error.status >= 500)
        await reply.error(error)
    finally:
        door.metrics.in_progress.dec()


def _passed_on(face: ServerFace, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, headers[name]) for name in _PASSED_ON.get(face.wire, ()) if name in headers)


class MethodNotAllowed(BadRequest):
    status = 405
    code = "method_not_allowed"


def lower_case_headers(scope: HTTPScope) -> dict[str, str]:
    """The request's headers by lower-case name; of a repeated one, the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body, refused by its stated length before it is read and by count while it comes."""
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMedia(f"content-encoding is {encoding[:40]!r}; send the body as it is")
    stated = headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit / 1_000_000:g} MB, which is this proxy's limit")


@asynccontextmanager
async def given_up_when_left(receive: Receive) -> AsyncIterator[None]:
    """Cancel what runs inside as soon as the client closes its connection; then raise ClientLeft.

    Only who listens for the disconnect while an answer is awaited learns of it, so this takes a task of its own.
    """
    task = asyncio.current_task()
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if left and task is not None and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()
