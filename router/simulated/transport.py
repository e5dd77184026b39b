"""The simulated providers as an httpx transport: they answer inside the process, without a socket."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import httpx

from router.simulated import Call, Memory, Reply, answer


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Answers every request as the provider of its path; waits `pace_s` before each piece of the answer."""

    def __init__(self, pace_s: float = 0.0) -> None:
        self._pace_s = pace_s
        self._memory = Memory()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = Call(
            path=request.url.path,
            query=request.url.query.decode("ascii"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.aread(),
            nonce=uuid.uuid4().hex,
            at=int(time.time()),
            method=request.method,
        )
        reply = answer(call, self._memory)
        return httpx.Response(reply.status, headers=list(reply.headers), stream=_Pieces(reply, self._pace_s))


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, reply: Reply, pace_s: float) -> None:
        self._chunks = reply.chunks
        self._pace_s = pace_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await asyncio.sleep(self._pace_s)
            yield chunk
