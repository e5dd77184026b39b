"""Our own small ASGI response: whole bodies, event streams and errors. Knows nothing of what it carries."""

import math
from collections.abc import Callable
from typing import Any

from litestar import Response
from litestar.types import Send

from router import ids
from router.errors import RouterError, UpstreamError

EncodeError = Callable[[RouterError, str], bytes]

SECURITY_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


async def with_request_id(response: Response[Any]) -> Response[Any]:
    """A response of the framework's with an id that its caller can name to us, as the SDKs expect of every answer."""
    response.headers["x-request-id"] = ids.request_id()
    return response


class AsgiReply:
    """The way back to one caller over ASGI."""

    def __init__(self, send: Send, headers: dict[str, str], encode_error: EncodeError) -> None:
        self._send = send
        self._encode_error = encode_error
        self.headers = headers
        self.started = False

    async def whole(self, body: bytes, status: int = 200) -> None:
        """Send a JSON body, and be done."""
        await self._start(status, "application/json", len(body))
        await self._body(body, more=False)

    async def piece(self, data: bytes) -> None:
        """Send a piece of an event stream."""
        if not self.started:
            await self._start(200, "text/event-stream; charset=utf-8")
        await self._body(data, more=True)

    async def end(self, data: bytes) -> None:
        """Send the last piece of an event stream, and be done."""
        if not self.started:
            await self._start(200, "text/event-stream; charset=utf-8")
        await self._body(data, more=False)

    async def error(self, error: RouterError) -> None:
        """Send an error in the caller's own form, with Retry-After where the error says how long."""
        if error.retry_after_s is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        if isinstance(error, UpstreamError) and error.pointless:
            self.headers["x-should-retry"] = "false"
        await self.whole(self._encode_error(error, self.headers["x-request-id"]), error.status)

    async def _start(self, status: int, content_type: str, length: int | None = None) -> None:
        self.started = True
        headers = {**SECURITY_HEADERS, "content-type": content_type, **self.headers}
        if length is not None:
            headers["content-length"] = str(length)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._emit({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._emit({"type": "http.response.body", "body": data, "more_body": more})

    async def _emit(self, message: Any) -> None:
        await self._send(message)
