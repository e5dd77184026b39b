"""What the Messages API answers, whole or streamed -> our vocabulary."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from router.dialects import CustomCalls
from router.dialects.anthropic.errors import MALFORMED, Error, said_in_an_answer
from router.errors import UpstreamError
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Finished,
    FinishReason,
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Seal,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Usage(msgspec.Struct):
    """`input_tokens` is the uncached rest. A stream's are running totals; what an event leaves out stays as it was."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""  # of redacted thinking
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct, tag="message"):
    id: str
    model: str
    content: list[_Block]
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage | None = None


class _Failure(msgspec.Struct, tag="error"):
    error: Error


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Event(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Error | None = None


class _Type(msgspec.Struct):
    type: str


_ANSWER: msgspec.json.Decoder[_Message | _Failure] = msgspec.json.Decoder(_Message | _Failure)
_EVENT = msgspec.json.Decoder(_Event)
_TYPE = msgspec.json.Decoder(_Type)


def decode_response(body: bytes, request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """The answer in a 200's body. Raises UpstreamError: the one that it holds, or protocol."""
    try:
        message = _ANSWER.decode(body)
    except MALFORMED as error:
        raise UpstreamError("protocol", f"the answer is not an Anthropic message: {error}") from None
    if isinstance(message, _Failure):
        raise said_in_an_answer(message.error)
    custom = CustomCalls(request)
    calls = tuple(
        custom.restored_call(ToolCall(block.id or make_id(), block.name, bytes(block.input).decode()))
        for block in message.content
        if block.type == "tool_use"
    )
    return ChatResponse(
        id=message.id,
        model=message.model,
        text="".join(block.text for block in message.content if block.type == "text") or None,
        finish_reason=_finish_reason(message.stop_reason, bool(calls)),
        tool_calls=calls,
        refusal=_refusal(message.stop_reason, message.stop_details),
        thoughts=tuple(_thoughts(message.content, message.model or request.model)),
        usage=None if message.usage is None else _usage(message.usage),
    )


def _thoughts(blocks: Sequence[_Block], model: str) -> Iterator[Reasoning]:
    for block in blocks:
        if block.type == "thinking":
            yield Reasoning(block.thinking, _seal(block.signature, model))
        elif block.type == "redacted_thinking":
            yield Reasoning("", _seal(block.data, model), hidden=True)


def _seal(value: str, model: str) -> Seal | None:
    return Seal(value, "messages", model) if value else None


def _finish_reason(stop_reason: str | None, calls: bool) -> FinishReason:
    if stop_reason is None:
        raise UpstreamError("protocol", "the answer has no stop_reason")
    return _FINISH.get(stop_reason, "tool_calls" if calls else "stop")


def _refusal(stop_reason: str | None, details: _StopDetails | None) -> str | None:
    return (details.explanation or None) if stop_reason == "refusal" and details else None


def _usage(usage: _Usage) -> Usage:
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    long_lived = (usage.cache_creation.ephemeral_1h_input_tokens or 0) if usage.cache_creation else 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + written,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=(details.thinking_tokens or 0) if details else 0,
        cache_write_1h_tokens=min(long_lived, written),
        service_tier="fast" if usage.speed == "fast" else usage.service_tier,  # the fast mode has a price of its own
    )


class StreamDecoder:
    lingers = False

    def __init__(self, request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._custom = CustomCalls(request)
        self._model = request.model
        self._calls: dict[int, int] = {}  # block index -> tool index
        self._unsaid: dict[int, str] = {}  # block index -> the input that its start held, until a piece has come
        self._thoughts: dict[int, ReasoningEnded] = {}  # block index -> how the reasoning in it ends
        self._usage = _Usage()
        self._stop_reason: str | None = None
        self._stop_details: _StopDetails | None = None
        self._complete = False

    @property
    def complete(self) -> bool:
        return self._complete

    def feed(self, event: Event) -> Sequence[Delta]:
        try:
            name = event.name if event.name != "message" else _TYPE.decode(event.data).type
            read = self._READERS.get(name)
            if read is None or self._complete:
                return ()
            return self._custom.restored(read(self, _EVENT.decode(event.data)))
        except MALFORMED as error:
            raise UpstreamError("protocol", f"an event that is not Anthropic's: {error}") from None

    def close(self) -> Sequence[Delta]:
        return ()

    def _message_start(self, event: _Event) -> Sequence[Delta]:
        if event.message is None:
            raise UpstreamError("protocol", "message_start without its message")
        self._model = event.message.model or self._model
        self._report(event.message.usage)  # not passed on: its output count is a placeholder
        return [Started(event.message.id, event.message.model)]

    def _block_start(self, event: _Event) -> Sequence[Delta]:
        block = event.content_block
        if block is None:
            raise UpstreamError("protocol", "content_block_start without its block")
        match block.type:
            case "tool_use":
                index = self._calls[event.index] = len(self._calls)
                self._unsaid[event.index] = bytes(block.input).decode()
                return [ToolCallStarted(index, block.id or self._make_id(), block.name)]
            case "thinking":
                self._thoughts[event.index] = ReasoningEnded(_seal(block.signature, self._model))
                return [ReasoningDelta(block.thinking)] if block.thinking else ()
            case "redacted_thinking":
                self._thoughts[event.index] = ReasoningEnded(_seal(block.data, self._model), hidden=True)
            case "text" if block.text:
                return [TextDelta(block.text)]
        return ()

    def _block_delta(self, event: _Event) -> Sequence[Delta]:
        delta = event.delta or _Delta()
        match delta.type:
            case "text_delta" if delta.text:
                return [TextDelta(delta.text)]
            case "thinking_delta" if delta.thinking:
                return [ReasoningDelta(delta.thinking)]
            case "signature_delta" if event.index in self._thoughts:
                self._thoughts[event.index] = ReasoningEnded(_seal(delta.signature, self._model))
            case "input_json_delta" if delta.partial_json and event.index in self._calls:  # else a server's own tool
                self._unsaid.pop(event.index, None)
                return [ToolCallDelta(self._calls[event.index], delta.partial_json)]
        return ()

    def _block_stop(self, event: _Event) -> Sequence[Delta]:
        if event.index in self._thoughts:
            return [self._thoughts.pop(event.index)]
        unsaid = self._unsaid.pop(event.index, None)
        return () if unsaid is None else [ToolCallDelta(self._calls[event.index], unsaid)]

    def _message_delta(self, event: _Event) -> Sequence[Delta]:
        delta = event.delta or _Delta()
        self._stop_reason = delta.stop_reason or self._stop_reason
        self._stop_details = delta.stop_details or self._stop_details
        return self._report(event.usage)

    def _message_stop(self, _: _Event) -> Sequence[Delta]:
        finished = Finished(_finish_reason(self._stop_reason, bool(self._calls)))
        self._complete = True
        refusal = _refusal(self._stop_reason, self._stop_details)
        return [RefusalDelta(refusal), finished] if refusal else [finished]

    def _error(self, event: _Event) -> Sequence[Delta]:
        raise said_in_an_answer(event.error or Error())

    def _report(self, usage: _Usage | None) -> Sequence[Delta]:
        if usage is None:
            return ()
        for name in _Usage.__struct_fields__:
            value = getattr(usage, name)
            if value is not None:
                setattr(self._usage, name, value)
        return [UsageReported(_usage(self._usage))]

    _READERS: Mapping[str, Callable[["StreamDecoder", _Event], Sequence[Delta]]] = {
        "message_start": _message_start,
        "content_block_start": _block_start,
        "content_block_delta": _block_delta,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
        "error": _error,
    }
