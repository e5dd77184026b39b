"""The simulated providers as an ASGI application, all three on one port: for tests, demonstrations and benchmarks.

Unlike the transport it asks for a key, as the real ones do; any key will do.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from router.simulated import Call, Memory, Reply, answer, missing_key

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def application(pace_s: float = 0.0) -> App:
    """An ASGI application that waits `pace_s` before each piece of an answer."""

    memory = Memory()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        call = await _call(scope, receive)
        await _send(missing_key(call) or answer(call, memory), send, pace_s)

    return app


async def _call(scope: Scope, receive: Receive) -> Call:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return Call(
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        nonce=uuid.uuid4().hex,
        at=int(time.time()),
        method=scope["method"],
    )


async def _send(reply: Reply, send: Send, pace_s: float) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if len(reply.chunks) == 1:
        headers.append((b"content-length", str(len(reply.chunks[0])).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for index, chunk in enumerate(reply.chunks, 1):
        if pace_s:
            await asyncio.sleep(pace_s)
        await send({"type": "http.response.body", "body": chunk, "more_body": index < len(reply.chunks)})


class Server(uvicorn.Server):
    """Says where it listens once it does: with port 0 nobody knows before."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        for listening in self.servers:
            host, port = listening.sockets[0].getsockname()[:2]
            print(f"simulated providers on http://{host}:{port}", flush=True)


def serve(host: str, port: int, pace_s: float) -> None:
    """Runs until interrupted."""
    config = uvicorn.Config(
        application(pace_s), host=host, port=port, lifespan="off", access_log=False, log_level="warning"
    )
    Server(config).run()
