"""How many calls run at once: a cap, and a short queue behind it of at most as many again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.errors import Overloaded


class Gate:
    """At most `in_flight` holders; as many more wait for at most `queue_s` seconds; the rest is refused at once."""

    def __init__(self, in_flight: int, queue_s: float) -> None:
        self._places = asyncio.Semaphore(in_flight)
        self._in_flight = in_flight
        self._queue_s = queue_s
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises Overloaded, with seconds to wait, when there is none."""
        if self._places.locked():
            await self._queue()
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _queue(self) -> None:
        if self._waiting >= self._in_flight:
            raise self._overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._queue_s):
                await self._places.acquire()
        except TimeoutError:
            raise self._overloaded() from None
        finally:
            self._waiting -= 1

    def _overloaded(self) -> Overloaded:
        message = f"{self._in_flight} calls are running, which is this proxy's limit; try again shortly"
        return Overloaded(message, retry_after_s=1)
