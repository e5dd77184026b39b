"""The only module that speaks HTTP to models: one POST, one answer, its deadlines; every failure is an UpstreamError.

It never retries and never follows a redirect; what to try next is decided in proxy.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from router.catalog import Provider
from router.dialects import WireRequest
from router.errors import UpstreamError

ERROR_BODY_LIMIT = 64 * 1024
READ_OFF_S = 1.0  # how long a finished answer may take to end, before its connection is dropped
_EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. `connect` for a connection; `first_byte` until a stream's first content, `idle` between pieces of
    content; `total` for the whole call with all its attempts. Pings feed neither first_byte nor idle."""

    connect_s: float = 2
    first_byte_s: float = 60
    idle_s: float = 60
    total_s: float = 600


@dataclass(slots=True)
class Answer:
    """A 200. `blocks` are its body's bytes as they come; lower-case header names.

    `finished` is set by the reader that has all it wants: what is still to come is then read off in the background,
    for a moment, so that the connection can serve the next call.
    """

    headers: Mapping[str, str]
    blocks: AsyncIterator[bytes]
    finished: bool = False


DecodeError = Callable[[int, Mapping[str, str], bytes], UpstreamError]
HttpTransport = httpx.AsyncBaseTransport
TransportOf = Callable[[Provider], HttpTransport]


class Upstream:
    """Calls providers through the transport that `transport_of` gives for each."""

    def __init__(self, transport_of: TransportOf, deadlines: Deadlines) -> None:
        self._transport_of = transport_of
        self._reading_off: set[asyncio.Task[None]] = set()
        self.deadlines = deadlines

    @asynccontextmanager
    async def post(
        self, provider: Provider, wire: WireRequest, decode_error: DecodeError, *, stream: bool
    ) -> AsyncIterator[Answer]:
        """Send `wire` and give the answer's 200; leaving the block drops a connection that is still in use.

        Raises UpstreamError: `decode_error`'s for any other status, ours for what the network does. A stream's
        deadlines are the reader's to keep (see `Stopwatch`); here only connecting is timed.
        """
        request = _request(provider, wire, self.deadlines, stream)
        try:
            response = await self._transport_of(provider).handle_async_request(request)
        except httpx.TransportError as error:
            raise _upstream_error(error) from error
        answer: Answer | None = None
        try:
            if response.status_code != 200:
                raise _redacted(await _refusal(response, decode_error), provider)
            if stream and not response.headers.get("content-type", "").startswith(_EVENT_STREAM):
                kind = response.headers.get("content-type", "nothing")[:60]
                raise UpstreamError("protocol", f"the provider sent {kind} where a stream was asked for")
            async with aclosing(_blocks(response)) as blocks:
                answer = Answer(response.headers, blocks)
                yield answer
        except UpstreamError as error:
            raise _redacted(error, provider) from error.__cause__
        finally:
            if answer is not None and answer.finished:
                self._read_off(response)
            else:
                await response.aclose()

    def _read_off(self, response: httpx.Response) -> None:
        task = asyncio.create_task(_read_off(response))
        self._reading_off.add(task)
        task.add_done_callback(self._reading_off.discard)


class Stopwatch:
    """The deadline of one attempt: `async with stopwatch:` raises UpstreamError(timeout) when it runs out.

    `content` is told of each piece of content and winds it on to the next idle deadline, never past `total_at`
    (loop time). A whole answer has the total deadline only: its first byte comes when the model has finished.
    """

    def __init__(self, deadlines: Deadlines, total_at: float, *, stream: bool) -> None:
        self._idle_s = deadlines.idle_s
        self._total_at = total_at
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        first_at = self._loop.time() + deadlines.first_byte_s if stream else total_at
        self._timeout = asyncio.timeout_at(min(first_at, total_at))

    async def __aenter__(self) -> "Stopwatch":
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]  # it is a traceback or None
        except TimeoutError:
            raise UpstreamError("timeout", "the provider did not answer in time") from error

    def content(self) -> None:
        """A piece of content has come."""
        if self._stream:
            self._timeout.reschedule(min(self._loop.time() + self._idle_s, self._total_at))


def _request(provider: Provider, wire: WireRequest, deadlines: Deadlines, stream: bool) -> httpx.Request:
    timeout = {"connect": deadlines.connect_s, "pool": deadlines.total_s, "read": None, "write": deadlines.idle_s}
    accept = _EVENT_STREAM if stream else "application/json"
    return httpx.Request(
        "POST",
        provider.base_url.rstrip("/") + wire.path,
        headers=[*wire.headers, ("accept", accept), ("user-agent", "llm-router")],
        content=wire.body,
        extensions={"timeout": timeout},
    )


async def _blocks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for block in response.stream:  # type: ignore[union-attr]  # an async transport gives an async stream
            yield block
    except httpx.TransportError as error:
        raise _upstream_error(error) from error


async def _read_off(response: httpx.Response) -> None:
    try:
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(READ_OFF_S), aclosing(_blocks(response)) as blocks:
                async for _ in blocks:
                    pass
    finally:
        await response.aclose()


def _redacted(error: UpstreamError, provider: Provider) -> UpstreamError:
    """The same error; a provider that quotes the key it was shown is not quoted in turn."""
    if provider.api_key:
        error.message = error.message.replace(provider.api_key, "[redacted]")
    return error


async def _refusal(response: httpx.Response, decode_error: DecodeError) -> UpstreamError:
    body = b""
    async with aclosing(_blocks(response)) as blocks:
        async for block in blocks:
            body += block
            if len(body) > ERROR_BODY_LIMIT:
                break
    if 300 <= response.status_code < 400:
        return UpstreamError(
            "protocol",
            f"the provider answered with a redirect ({response.status_code}); its base_url is wrong",
            upstream_status=response.status_code,
        )
    error = decode_error(response.status_code, response.headers, body)
    if error.retry_after_s is None:
        error.retry_after_s = _seconds_until(response.headers.get("retry-after", ""))
    return error


def _seconds_until(date: str) -> float | None:
    """How long it is to an HTTP date; the dialects, which have no clock, read a number of seconds."""
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return max((at - datetime.now(UTC)).total_seconds(), 0.0) if at.tzinfo else None


def _upstream_error(error: httpx.TransportError) -> UpstreamError:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return UpstreamError("connect", "the provider can't be reached")
        case httpx.TimeoutException():
            return UpstreamError("timeout", "the provider did not answer in time")
        case httpx.NetworkError():
            return UpstreamError("connect", "the connection to the provider broke")
        case _:
            return UpstreamError("protocol", "the provider's answer broke off or is not valid HTTP")
