"""What the Messages API answers, whole, streamed or refused -> our vocabulary."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from router.errors import UpstreamError, UpstreamKind
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Finished,
    FinishReason,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)

# --- what we get back ----------------------------------------------------------------------------------

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


class _Usage(msgspec.Struct):
    """`input_tokens` is the uncached rest. A stream's are running totals; what an event leaves out stays as it was."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    id: str
    model: str
    type: Literal["message"]
    content: list[_Block]
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Event(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


class _Type(msgspec.Struct):
    type: str


_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(_Event)
_TYPE = msgspec.json.Decoder(_Type)
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_response(body: bytes, _request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """The answer in a 200's body. Raises UpstreamError (protocol)."""
    try:
        message = _MESSAGE.decode(body)
    except _MALFORMED as error:
        raise UpstreamError("protocol", f"the answer is not an Anthropic message: {error}") from None
    calls = tuple(
        ToolCall(block.id or make_id(), block.name, bytes(block.input).decode())
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
        thoughts=tuple(Reasoning(block.thinking) for block in message.content if block.type == "thinking"),
        usage=None if message.usage is None else _usage(message.usage),
    )


def _finish_reason(stop_reason: str | None, calls: bool) -> FinishReason:
    if stop_reason is None:
        raise UpstreamError("protocol", "the answer has no stop_reason")
    return _FINISH.get(stop_reason, "tool_calls" if calls else "stop")


def _refusal(stop_reason: str | None, details: _StopDetails | None) -> str | None:
    return (details.explanation or None) if stop_reason == "refusal" and details else None


def _usage(usage: _Usage) -> Usage:
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + written,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=(details.thinking_tokens or 0) if details else 0,
    )


class StreamDecoder:
    lingers = False

    def __init__(self, _request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._calls: dict[int, int] = {}  # block index -> tool index
        self._unsaid: dict[int, str] = {}  # block index -> the input that its start held, until a piece has come
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
            return () if read is None or self._complete else read(self, _EVENT.decode(event.data))
        except _MALFORMED as error:
            raise UpstreamError("protocol", f"an event that is not Anthropic's: {error}") from None

    def close(self) -> Sequence[Delta]:
        return ()

    def _message_start(self, event: _Event) -> Sequence[Delta]:
        if event.message is None:
            raise UpstreamError("protocol", "message_start without its message")
        self._report(event.message.usage)  # not passed on: its output count is a placeholder
        return [Started(event.message.id, event.message.model)]

    def _block_start(self, event: _Event) -> Sequence[Delta]:
        block = event.content_block
        if block is None:
            raise UpstreamError("protocol", "content_block_start without its block")
        if block.type != "tool_use":
            return _texts(block.type, block.text, block.thinking)
        index = self._calls[event.index] = len(self._calls)
        self._unsaid[event.index] = bytes(block.input).decode()
        return [ToolCallStarted(index, block.id or self._make_id(), block.name)]

    def _block_delta(self, event: _Event) -> Sequence[Delta]:
        delta = event.delta or _Delta()
        index = self._calls.get(event.index)
        if delta.type != "input_json_delta":
            return _texts(delta.type.removesuffix("_delta"), delta.text, delta.thinking)
        if index is None or not delta.partial_json:  # a server's own tool, or the empty first piece
            return ()
        self._unsaid.pop(event.index, None)
        return [ToolCallDelta(index, delta.partial_json)]

    def _block_stop(self, event: _Event) -> Sequence[Delta]:
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
        error = event.error or _Error()
        raise _upstream_error(_kind_of(error, "server"), error.message)

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


def _texts(kind: str, text: str, thinking: str) -> Sequence[Delta]:
    if kind == "text" and text:
        return [TextDelta(text)]
    return [ReasoningDelta(thinking)] if kind == "thinking" and thinking else ()


# --- errors --------------------------------------------------------------------------------------------

_KINDS: dict[str, UpstreamKind] = {
    "invalid_request_error": "refused", "authentication_error": "credentials", "billing_error": "quota",
    "permission_error": "credentials", "not_found_error": "not_found", "conflict_error": "server",
    "request_too_large": "too_large", "rate_limit_error": "rate_limited", "api_error": "server",
    "timeout_error": "server", "overloaded_error": "overloaded",
}  # fmt: skip
_STATUS_KINDS: dict[int, UpstreamKind] = {
    401: "credentials", 402: "quota", 403: "credentials", 404: "not_found", 408: "server", 409: "server",
    413: "too_large", 429: "rate_limited", 503: "overloaded", 529: "overloaded",
}  # fmt: skip
_TOO_LONG = re.compile(r"prompt is too long|exceed context limit", re.IGNORECASE)
_NO_MONEY = re.compile(r"credit balance is too low", re.IGNORECASE)  # comes as a 400 (continue issue 5499)
_KEY = re.compile(r"\bsk-[\w-]+")


class _ErrorBody(msgspec.Struct):
    error: _Error


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for. A Retry-After that is a date is left out: we have no clock."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except _MALFORMED:
        error = _Error()
    usual: UpstreamKind = "server" if status >= 500 else "refused" if status >= 400 else "protocol"
    by_status = _STATUS_KINDS.get(status, usual)
    kind = _kind_of(error, by_status) if by_status == "refused" else by_status
    message = error.message or f"the provider answered with status {status}"
    return _upstream_error(kind, message, status, _seconds(headers.get("retry-after", "")))


def _kind_of(error: _Error, otherwise: UpstreamKind) -> UpstreamKind:
    kind = _KINDS.get(error.type, otherwise)
    if kind == "refused" and _TOO_LONG.search(error.message):
        return "context_length"
    return "quota" if kind == "refused" and _NO_MONEY.search(error.message) else kind


def _upstream_error(
    kind: UpstreamKind, message: str, status: int | None = None, retry_after_s: float | None = None
) -> UpstreamError:
    text = _KEY.sub("[key]", message) or "the provider failed in the middle of its answer"
    if kind == "credentials":  # its own words may hold a piece of the key
        text = "the provider refused the router's credentials"
    return UpstreamError(kind, text, upstream_status=status, retry_after_s=retry_after_s)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
