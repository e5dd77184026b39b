"""Our vocabulary -> what a caller of the Messages API gets: answers, streams and errors."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.dialects import Frame, one_line, with_members
from router.dialects.messages.blocks import Block, TextBlock, ThinkingBlock, ToolBlock, input_of, redacted, thinking
from router.errors import RouterError
from router.sse import Event
from router.types import (
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
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)

_STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_SERVICE_TIERS = {"default": "standard", "standard": "standard", "priority": "priority"}

# --- whole answers -------------------------------------------------------------------------------------


def encode_response(response: ChatResponse, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """The answer as a message."""
    end = _end(response.finish_reason, response.refusal)
    document = _message(frame, response.id, list(_content(response, frame)), response.usage or Usage())
    return msgspec.json.encode({**document, **end, **extra})


def _message(frame: Frame, id_: str, content: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
    return {
        "id": id_ if id_.startswith("msg_") else f"msg_{frame.answer_id}",
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(usage),
    }


def _content(response: ChatResponse, frame: Frame) -> Iterator[dict[str, Any]]:
    for thought in response.thoughts:
        yield from _thought(thought, frame.request.show_reasoning)
    for text in (response.text, response.refusal):
        if text and text.strip():  # the API itself refuses blank text when it comes back
            yield {"type": "text", "text": text}
    for call in response.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": input_of(call.arguments)}


def _thought(thought: Reasoning, show: bool) -> Iterator[dict[str, Any]]:
    """Nothing of a piece that is neither asked for nor signed by Anthropic: who asked for no thinking expects text."""
    signature = _signature(thought.seal)
    if thought.hidden:
        if signature:
            yield redacted(signature)
    elif signature or (show and thought.text):
        yield thinking(thought.text if show else "", signature)


def _signature(seal: Seal | None) -> str:
    """What another wire format sealed means nothing here."""
    return seal.value if seal is not None and seal.wire == "messages" else ""


def _end(reason: FinishReason | None, refusal: str | None) -> dict[str, Any]:
    """Why the answer ended. Other providers say `stop` where a model refuses."""
    stop_reason = "refusal" if refusal and reason == "stop" else _STOP_REASONS[reason or "stop"]
    details = {"type": "refusal", "category": None, "explanation": refusal or None}
    return {
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": details if stop_reason == "refusal" else None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    """`input_tokens` is what was neither read from the cache nor written to it."""
    written, kept_1h = usage.cache_write_tokens, usage.cache_write_1h_tokens
    document: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - usage.cached_tokens - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": written - kept_1h, "ephemeral_1h_input_tokens": kept_1h},
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        document["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.service_tier in _SERVICE_TIERS:
        document["service_tier"] = _SERVICE_TIERS[usage.service_tier]
    return document


def whole_passthrough(body: bytes, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """A message as it came, except for the model's name."""
    return msgspec.json.encode({**_MEMBERS.decode(body), "model": frame.model, **extra})


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # members stay as they came

# --- errors --------------------------------------------------------------------------------------------

_ERROR_TYPES = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
_TOO_LONG = "prompt is too long"  # clients look for these words, to shorten the conversation


def encode_error(error: RouterError, request_id: str) -> bytes:
    """Anthropic's error document."""
    usual = "api_error" if error.status >= 500 else "invalid_request_error"
    message = error.message
    if error.code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    document = {"type": _ERROR_TYPES.get(error.status, usual), "message": message}
    return msgspec.json.encode({"type": "error", "error": document, "request_id": request_id or None})


# --- streams -------------------------------------------------------------------------------------------


class StreamEncoder:
    """Deltas to the named events of a message. The first of the blocks is open, those behind it wait for its end."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._blocks: deque[Block] = deque()
        self._index = 0  # of the block that is open or comes next
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None
        self._refusal: list[str] = []

    def feed(self, delta: Delta) -> bytes:
        """The events for this delta, none where it says nothing yet."""
        match delta:
            case Started():
                message = _message(self._frame, delta.id, [], Usage())
                return _event("message_start", message=message)
            case TextDelta():
                self._text("text", delta.text)
            case RefusalDelta():
                self._refusal.append(delta.text)
                self._text("refusal", delta.text)
            case ReasoningDelta():
                self._reasoning(delta.text)
            case ReasoningEnded():
                self._reasoning_ended(delta)
            case ToolCallStarted():
                self._blocks.append(ToolBlock(delta))
            case ToolCallDelta():
                self._arguments(delta)
            case UsageReported():
                self._usage = delta.usage
            case Finished():
                self._reason = delta.reason
        return b"".join(self._written(last=False))

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """What is left of the content, and the end."""
        left = b"".join(self._written(last=True))
        end, usage = _end(self._reason, "".join(self._refusal)), _usage(self._usage or Usage())
        return left + _event("message_delta", delta=end, usage=usage, **extra) + _event("message_stop")

    def fail(self, error: RouterError) -> bytes:
        return _error_event(error, self._frame)

    def whole(self) -> None:
        return None

    def _text(self, kind: str, text: str) -> None:
        last = self._blocks[-1] if self._blocks else None
        if not isinstance(last, TextBlock) or last.kind != kind:
            last = TextBlock(kind)
            self._blocks.append(last)
        last.add(text)

    def _reasoning(self, text: str) -> None:
        if text and self._frame.request.show_reasoning:
            self._thinking_block().add(text)

    def _reasoning_ended(self, delta: ReasoningEnded) -> None:
        signature = _signature(delta.seal)
        if delta.hidden:
            if signature:
                self._blocks.append(ThinkingBlock(redacted(signature), ended=True))
        elif signature or self._thinks():
            self._thinking_block().end(signature)

    def _thinks(self) -> bool:
        last = self._blocks[-1] if self._blocks else None
        return isinstance(last, ThinkingBlock) and not last.ended

    def _thinking_block(self) -> ThinkingBlock:
        last = self._blocks[-1] if self._blocks else None
        if not isinstance(last, ThinkingBlock) or last.ended:
            last = ThinkingBlock(thinking("", ""))
            self._blocks.append(last)
        return last

    def _arguments(self, delta: ToolCallDelta) -> None:
        """White space behind complete arguments may come after their block was closed."""
        for block in self._blocks:
            if isinstance(block, ToolBlock) and block.index == delta.index:
                block.add(delta.arguments)

    def _written(self, *, last: bool) -> Iterator[bytes]:
        """What can go out by now. A block is closed before the next one opens."""
        while self._blocks:
            block = self._blocks[0]
            yield from self._said(block)
            if not (last or block.ended or (len(self._blocks) > 1 and block.closable)):
                return
            self._blocks.popleft()
            yield from self._closed(block)

    def _said(self, block: Block) -> Iterator[bytes]:
        if not block.started and block.speaks:
            block.started = True
            yield _event("content_block_start", index=self._index, content_block=block.start)
        if block.started:
            yield from self._deltas(block.ready())

    def _closed(self, block: Block) -> Iterator[bytes]:
        if block.started:
            yield from self._deltas(block.rest())
            yield _event("content_block_stop", index=self._index)
            self._index += 1

    def _deltas(self, deltas: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        for delta in deltas:
            yield _event("content_block_delta", index=self._index, delta=delta)


class Passthrough:
    """A stream of messages as it came, except for the model's name. From message_delta on, it is held back."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._held: list[tuple[str, bytes]] = []

    def feed(self, event: Event, _deltas: Sequence[Delta]) -> bytes:
        if not event.data:
            return b""
        data = one_line(event.data)
        name = event.name if event.name != "message" else _TYPE.decode(data).type
        if name == "message_start":
            return _named(name, _with_model(data, self._frame.model))
        if name != "message_delta" and not self._held:
            return _named(name, data)
        ready = self._rest({}) if name == "message_delta" else b""
        self._held.append((name, data))
        return ready

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        return self._rest(extra)

    def fail(self, error: RouterError) -> bytes:
        return _error_event(error, self._frame)

    def whole(self) -> None:
        return None

    def _rest(self, extra: Mapping[str, Any]) -> bytes:
        """What was held back, the first of which is a message_delta."""
        held, self._held = self._held, []
        return b"".join(_named(name, with_members(data, {} if at else extra)) for at, (name, data) in enumerate(held))


class _Type(msgspec.Struct):
    type: str


_TYPE = msgspec.json.Decoder(_Type)


def _with_model(data: bytes, model: str) -> bytes:
    fields = _MEMBERS.decode(data)
    message: dict[str, Any] = {**_MEMBERS.decode(fields["message"]), "model": model}
    return msgspec.json.encode({**fields, "message": message})


def _error_event(error: RouterError, frame: Frame) -> bytes:
    return _named("error", encode_error(error, f"req_{frame.answer_id}"))


def _event(name: str, **members: Any) -> bytes:
    return _named(name, msgspec.json.encode({"type": name, **members}))


def _named(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
