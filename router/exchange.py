"""One decided request on its way through its targets: stops 5 to 7. One row per attempt, whatever happens.

While nothing has been said to the caller, a failure that another model may mend moves on to the next target; a sole
target is tried again. Once a byte has gone out it ends the stream with an error event instead.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from router import explain, ids, output, relay
from router.call import Call, Clock, Origin
from router.catalog import Model
from router.decision import Decision, Wishes
from router.dialects import ClientFace, Frame, ServerFace, StreamDecoder, StreamRelay, mended
from router.errors import UpstreamError, UpstreamKind
from router.health import Health, Retries, Tries
from router.journal import Entry
from router.metrics import Metrics
from router.record import EvidenceRow
from router.recorder import Recorder
from router.sessions import Sessions
from router.sse import Event, EventParser, EventTooLong
from router.types import ChatRequest, ChatResponse, Delta, Finished, Started, UsageReported, Wire, fold
from router.upstream import Answer, Stopwatch, Upstream

HELD_EVENTS = 64  # what a stream may say before its first content; beyond, it is passed on as it is
HELD_BYTES = 256 * 1024
LINGER_S = 0.5
_ONCE_MORE: frozenset[UpstreamKind] = frozenset({"invalid_output"})  # worth one other model, no more

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What every exchange shares."""

    upstream: Upstream
    faces: Mapping[Wire, ClientFace]
    recorder: Recorder
    sessions: Sessions
    metrics: Metrics
    health: Health
    retries: Retries
    clock: Clock


class Reply(Protocol):
    """The way back to the caller. `headers` may be added to until something has been sent."""

    headers: dict[str, str]

    @property
    def started(self) -> bool:
        """Whether a byte has gone out."""

    async def whole(self, body: bytes) -> None:
        """Send a JSON body, and be done."""

    async def piece(self, data: bytes) -> None:
        """Send a piece of an event stream."""

    async def end(self, data: bytes) -> None:
        """Send the last piece of an event stream, and be done."""


class Exchange:
    """The attempts of one request."""

    def __init__(
        self,
        parts: Parts,
        door: ServerFace,
        request: ChatRequest,
        decision: Decision,
        origin: Origin,
        wishes: Wishes,
        entry: Entry,
        reply: Reply,
    ) -> None:
        self._parts = parts
        self._door = door
        self._request = request
        self._decision = decision
        self._origin = origin
        self._wishes = wishes
        self._entry = entry
        self._reply = reply
        # Whether a stream is looked at as a whole: to check it, to store it, to remember how its calls were sealed.
        asked_for = request.response_format.kind != "text" or bool(request.tools)
        self._adds_up = asked_for or request.wire == "responses"
        self._waited_s = 0.0  # spent on attempts that are over, and between them
        self._held = b""  # whole events that have not gone out yet
        self._stream_relay: StreamRelay | None = None  # of the attempt that runs
        self._committed: asyncio.Future[bool] | None = None  # of the newest row

    async def run(self) -> None:
        """Call one target after the other until one answers. Raises the last UpstreamError when none does."""
        try:
            await self._run()
        finally:
            if self._entry.rows:
                self._parts.metrics.answered(self._entry.rows[-1], self._since_received_s())

    async def _run(self) -> None:
        with self._parts.retries.call() as tries:
            await self._until_answered(tries)

    async def _until_answered(self, tries: Tries) -> None:
        total_at = asyncio.get_running_loop().time() + self._parts.upstream.deadlines.total_s
        failures: list[UpstreamKind] = []
        model = self._decision.targets[0]
        while True:
            try:
                await self._attempt(len(failures) + 1, model, total_at)
                return
            except UpstreamError as error:
                await self._parts.recorder.settled(self._committed)
                if self._reply.started and self._stream_relay is not None:
                    await self._reply.end(self._held + self._stream_relay.fail(error))
                    return
                self._held = b""
                failures.append(error.kind)
                following = await self._next(model, error, failures, tries, total_at)
                if following is None:
                    self._parts.health.tell_wait(error, model)
                    raise
                model = following

    async def _next(
        self, failed: Model, error: UpstreamError, failures: Sequence[UpstreamKind], tries: Tries, total_at: float
    ) -> Model | None:
        """Who is tried next, once it is time; None: nobody is, and the failure is the answer."""
        repeated = error.kind in _ONCE_MORE and failures.count(error.kind) > 1
        if not error.retryable or repeated or asyncio.get_running_loop().time() >= total_at:
            return None
        if len(self._decision.targets) == 1:
            return failed if await self._may_go_again(failed, error, tries, total_at) else None
        left = self._decision.targets[self._decision.targets.index(failed) + 1 :]
        following = next((target for target in left if self._parts.health.outage(target) is None), None)
        if following is None or not tries.granted(error):
            return None
        self._parts.metrics.fell_back(failed.name, following.name, error.kind)
        return following

    async def _may_go_again(self, model: Model, error: UpstreamError, tries: Tries, total_at: float) -> bool:
        began = self._parts.clock()
        again = await tries.again(error, total_at)
        self._waited_s += self._parts.clock() - began
        return again and self._parts.health.outage(model) is None

    async def _attempt(self, number: int, model: Model, total_at: float) -> None:
        """One upstream call and its row. Raises UpstreamError."""
        spoken = model.wire(self._request)
        face = self._parts.faces[spoken]
        wire = face.encode_request(self._request, model)
        call = Call(
            self._origin,
            self._decision,
            model,
            number,
            row_id=ids.uuid7(),
            clock=self._parts.clock,
            waited_s=self._waited_s,
        )
        self._parts.health.began(model, call.row_id)
        self._reply.headers |= _attempt_headers(call)
        stream = self._request.stream
        upstream = self._parts.upstream
        try:
            async with (
                Stopwatch(upstream.deadlines, total_at, stream=stream) as stopwatch,
                upstream.post(model.provider, wire, face.decode_error, stream=stream) as answer,
            ):
                if stream:
                    await self._stream(call, face, spoken, answer, stopwatch)
                else:
                    await self._whole(call, face, spoken, answer)
        except UpstreamError as error:
            if not call.open:
                return  # the answer is complete and recorded: only its caller was too slow
            self._record(call, call.failed(error), error.retry_after_s)
            raise
        except asyncio.CancelledError:
            if call.open:
                self._record(call, call.cancelled())
            raise
        finally:
            self._waited_s += call.elapsed_s
            if call.open:
                self._record(call, call.broken())

    async def _whole(self, call: Call, face: ClientFace, spoken: Wire, answer: Answer) -> None:
        body = mended(b"".join([block async for block in answer.blocks]))
        response = _reading(face.decode_response, body, self._request, ids.tool_call_id)
        call.answered(response)
        self._check(response)
        frame = self._frame(call.model)
        kept = relay.whole(self._door, frame, spoken, body, response, {})
        await self._parts.sessions.remember(self._request, self._origin.key_id, call.model, response, kept)
        await self._settle(call)
        extra = self._extra()
        document = relay.whole(self._door, frame, spoken, body, response, extra) if extra else kept
        await self._reply.whole(document)

    def _check(self, response: ChatResponse) -> None:
        """Raises UpstreamError when the answer is not of the form that was asked for."""
        if self._wishes.validate and (problem := output.problem(self._request.response_format, response)):
            raise UpstreamError("invalid_output", problem)

    def _frame(self, model: Model) -> Frame:
        answer_id = self._origin.request_id.removeprefix("req_")
        return Frame(self._request, model.name, int(self._origin.at.timestamp()), answer_id)

    async def _stream(self, call: Call, face: ClientFace, spoken: Wire, answer: Answer, stopwatch: Stopwatch) -> None:
        decoder = face.stream_decoder(self._request, ids.tool_call_id)
        stream = self._stream_relay = relay.stream(self._door, self._frame(call.model), spoken)
        said: list[Delta] = []
        silent_events: int | None = 0  # None once content has come
        async with aclosing(_event_groups(answer.blocks)) as groups:
            async for events in _until_the_end(groups, decoder):
                for event in events:
                    deltas = self._take(event, decoder, stream, call)
                    if self._adds_up:
                        said += deltas
                    if any(_is_content(delta) for delta in deltas):
                        silent_events = None
                        stopwatch.content()
                    elif silent_events is not None:
                        silent_events += 1
                if silent_events is None or silent_events > HELD_EVENTS or len(self._held) > HELD_BYTES:
                    await self._send_held()
        if not decoder.complete:
            raise UpstreamError("truncated", "the provider's stream ended before its answer was complete")
        if left := decoder.close():
            self._say(call, stream, Event(b""), left)
            said += left
        answer.finished = True
        await self._end(call, stream, _reading(fold, said) if self._adds_up else None)

    def _take(self, event: Event, decoder: StreamDecoder, stream: StreamRelay, call: Call) -> Sequence[Delta]:
        event = Event(mended(event.data), event.name)
        deltas: Sequence[Delta] = _reading(decoder.feed, event)
        self._say(call, stream, event, deltas)
        return deltas

    def _say(self, call: Call, stream: StreamRelay, event: Event, deltas: Sequence[Delta]) -> None:
        call.observe(deltas)
        self._held += stream.feed(event, deltas)

    async def _send_held(self) -> None:
        held, self._held = self._held, b""
        if held:
            await self._reply.piece(held)

    async def _end(self, call: Call, stream: StreamRelay, response: ChatResponse | None) -> None:
        """The row first, then the end: a caller that has seen an answer end can count on its row."""
        if response is not None:
            self._check(response)
        await self._settle(call)
        end = stream.finish(self._extra())
        if response is not None:
            key_id, document = self._origin.key_id, stream.whole()
            await self._parts.sessions.remember(self._request, key_id, call.model, response, document)
        held, self._held = self._held, b""
        await self._reply.end(held + end)

    async def _settle(self, call: Call) -> None:
        row = call.done()
        self._record(call, row)
        upstream_s = self._waited_s + call.elapsed_s
        self._parts.metrics.timed("total", self._since_received_s() - upstream_s)
        if row.cost_usd is not None and not self._request.stream:
            self._reply.headers["x-router-cost-usd"] = f"{row.cost_usd:.8f}"
        await self._parts.recorder.settled(self._committed)

    def _record(self, call: Call, row: EvidenceRow, retry_after_s: float | None = None) -> None:
        call.open = False
        self._entry.rows.append(row)
        provider, keep = call.model.provider.name, self._wishes.record
        self._committed = self._parts.recorder.finish(row, provider=provider, keep=keep, retry_after_s=retry_after_s)

    def _since_received_s(self) -> float:
        return self._parts.clock() - self._origin.received

    def _extra(self) -> dict[str, Any]:
        """The explanation, where the caller asked for it in full."""
        if not self._wishes.explain:
            return {}
        facts = {"decision": ids.decision_id(self._origin.request_id), "request_id": self._origin.request_id}
        return {"router": explain.document(self._decision, self._entry.rows, **facts)}


def _attempt_headers(call: Call) -> dict[str, str]:
    headers = {
        "x-router-model": call.model.name,
        "x-router-reason": call.reason,
        "x-router-attempts": str(call.attempt),
        "x-router-overhead-ms": f"{call.overhead_ms:.3f}",
    }
    if call.model.provider.simulated:
        headers["x-router-simulated"] = "true"
    return headers


def _is_content(delta: Delta) -> bool:
    """Whether a caller would see it as part of the answer: anything but role, usage and end."""
    return not isinstance(delta, Started | UsageReported | Finished)


async def _event_groups(blocks: AsyncIterator[bytes]) -> AsyncGenerator[list[Event], None]:
    """The events of a stream, those of one block together."""
    parser = EventParser()
    try:
        async for block in blocks:
            yield parser.feed(block)
    except EventTooLong as error:
        raise UpstreamError("protocol", f"the provider's stream has {error}") from None
    yield parser.close()


async def _until_the_end(
    groups: AsyncIterator[list[Event]], decoder: StreamDecoder
) -> AsyncGenerator[list[Event], None]:
    """The groups up to the dialect's own end, and what follows it within LINGER_S where the dialect lingers."""
    while not decoder.complete or decoder.lingers:
        try:
            async with asyncio.timeout(LINGER_S if decoder.complete else None):
                events = await anext(groups)
        except (StopAsyncIteration, TimeoutError):
            return
        except UpstreamError:
            if decoder.complete:
                return  # all has been said
            raise
        yield events


def _reading(decode: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Decode what a provider sent: JSON of a shape that the dialect doesn't know is the provider's fault, not ours."""
    try:
        return decode(*args, **kwargs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UpstreamError("protocol", "the provider's answer has an unknown shape") from error
