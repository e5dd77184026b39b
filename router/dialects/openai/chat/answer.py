"""What a server of chat completions answers, whole or streamed -> our vocabulary."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from router.dialects.openai.errors import answer_object
from router.dialects.openai.rules import tokens
from router.errors import UpstreamError
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    FinishReason,
    Json,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    ToolKind,
    Usage,
    UsageReported,
)

# --- whole answers -------------------------------------------------------------------------------------


def decode_response(body: bytes, _request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """A chat.completion. Raises UpstreamError (protocol) for anything else, an error in a 200 included."""
    document = answer_object(body)
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise UpstreamError("protocol", "the provider's answer has no choices")
    id_, model = str(document.get("id") or ""), str(document.get("model") or "")
    in_order = sorted(choices, key=lambda choice: choice.get("index") or 0)
    first, *others = (_choice(choice, id_, model, make_id) for choice in in_order)
    return replace(first, usage=_usage(document.get("usage"), _tier(document)), alternatives=tuple(others))


def _choice(choice: Mapping[str, Any], id_: str, model: str, make_id: Callable[[], str]) -> ChatResponse:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UpstreamError("protocol", "the provider's answer has no message")
    calls = tuple(_whole_call(call, make_id) for call in _calls_of(message))
    return ChatResponse(
        id=id_,
        model=model,
        text=_text(message.get("content")) or None,
        finish_reason=_finish_reason(choice.get("finish_reason"), bool(calls)),
        tool_calls=calls,
        refusal=_text(message.get("refusal")) or None,
        thoughts=tuple(Reasoning(text) for text in (_reasoning(message),) if text),
        logprobs=_logprobs(choice),
    )


def _whole_call(call: Any, make_id: Callable[[], str]) -> ToolCall:
    kind, name, text = _called(call if isinstance(call, dict) else {})
    if not isinstance(name, str):
        raise UpstreamError("protocol", "the provider's tool call has no name")
    return ToolCall(str(call.get("id") or make_id()), name, text or _nothing(kind), kind)


# --- what whole answers and chunks share


def _text(value: object) -> str | None:
    """The text of an answer; some compatible servers send it as an array of parts."""
    if isinstance(value, list):
        return "".join(part["text"] for part in value if part.get("type") == "text")
    if value is not None and not isinstance(value, str):
        raise UpstreamError("protocol", "the provider's answer has a text that is no string")
    return value


def _reasoning(message: Mapping[str, Any]) -> str | None:
    return _text(message.get("reasoning_content")) or _text(message.get("reasoning"))


def _logprobs(choice: Mapping[str, Any]) -> tuple[Json, ...]:
    found = choice.get("logprobs")
    return tuple(found.get("content") or ()) if isinstance(found, dict) else ()


def _calls_of(message: Mapping[str, Any]) -> Sequence[Any]:
    """The tool calls of a message or delta. One of the old form, which `functions` ask for, counts as the first."""
    old = message.get("function_call")
    return message.get("tool_calls") or ([{"index": 0, "function": old}] if old else ())


def _called(call: Mapping[str, Any]) -> tuple[ToolKind, Any, str]:
    """Kind, name and arguments of a call, or of a piece of one."""
    if custom := call.get("custom"):
        return "custom", custom.get("name"), custom.get("input") or ""
    function = call.get("function") or {}
    return "function", function.get("name"), _arguments(function.get("arguments"))


def _arguments(value: object) -> str:
    """JSON text; some compatible servers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _nothing(kind: ToolKind) -> str:
    """The arguments of a call that has none."""
    return "{}" if kind == "function" else ""


_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "length",  # Mistral
}
_BROKEN_OFF = frozenset({"error", "abort", "insufficient_system_resource"})  # Mistral and OpenRouter; vLLM; DeepSeek


def _finish_reason(value: object, called: bool) -> FinishReason:
    """The reason in our words. Some compatible servers say stop for a tool call, or something of their own.

    Raises UpstreamError when it says that the provider gave up.
    """
    if value in _BROKEN_OFF:
        raise UpstreamError("server", f"the provider broke its answer off: {value}")
    reason = _FINISH.get(str(value), "stop")
    return "tool_calls" if reason == "stop" and called else reason


def _usage(value: object, tier: str | None) -> Usage | None:
    if not isinstance(value, dict):
        return None
    inputs, outputs = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    return Usage(
        input_tokens=tokens(value, "prompt_tokens"),
        output_tokens=tokens(value, "completion_tokens"),
        cached_tokens=tokens(inputs, "cached_tokens"),
        cache_write_tokens=tokens(inputs, "cache_write_tokens"),
        reasoning_tokens=tokens(outputs, "reasoning_tokens"),
        service_tier=tier,
    )


def _tier(document: Mapping[str, Any]) -> str | None:
    tier = document.get("service_tier")
    return tier if isinstance(tier, str) else None


# --- streams -------------------------------------------------------------------------------------------


class StreamDecoder:
    """chat.completion.chunk events to deltas. Complete once [DONE] has come after the finish of every choice seen."""

    lingers = False

    def __init__(self, _request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._started = False
        self._choices = {0: _Choice(make_id)}
        self._current = 0
        self._tier: str | None = None
        self.complete = False

    def close(self) -> Sequence[Delta]:
        return ()

    def feed(self, event: Event) -> Sequence[Delta]:
        if event.data.startswith(b"[DONE]"):
            if not all(choice.finished for choice in self._choices.values()):
                raise UpstreamError("truncated", "the provider's stream ended without a finish_reason")
            self.complete = True
            return ()
        return list(self._chunk(answer_object(event.data)))

    def _chunk(self, document: Mapping[str, Any]) -> Iterator[Delta]:
        if not self._started:
            self._started = True
            yield Started(str(document.get("id") or ""), str(document.get("model") or ""))
        for choice in document.get("choices") or ():
            yield from self._choice(choice)
        self._tier = _tier(document) or self._tier
        if (usage := _usage(document.get("usage"), self._tier)) is not None:
            yield UsageReported(usage)

    def _choice(self, choice: Mapping[str, Any]) -> Iterator[Delta]:
        index = choice.get("index") or 0
        if index not in self._choices:
            self._choices[index] = _Choice(self._make_id)
        deltas = list(self._choices[index].feed(choice))
        if deltas and index != self._current:
            self._current = index
            yield ChoiceSwitched(index)
        yield from deltas


class _Choice:
    """One choice of a stream, from its chunks."""

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._calls: dict[object, tuple[int, str]] = {}  # the provider's index -> ours and the call's id
        self._called = 0
        self._silent: set[int] = set()  # functions that were called with nothing so far
        self.finished = False

    def feed(self, choice: Mapping[str, Any]) -> Iterator[Delta]:
        delta = choice.get("delta") or {}
        if reasoning := _reasoning(delta):
            yield ReasoningDelta(reasoning)
        text, logprobs = _text(delta.get("content")) or "", _logprobs(choice)
        if text or logprobs:
            yield TextDelta(text, logprobs)
        if refusal := _text(delta.get("refusal")):
            yield RefusalDelta(refusal)
        for call in _calls_of(delta):
            yield from self._call(call)
        if (reason := choice.get("finish_reason")) is not None and not self.finished:
            self.finished = True
            yield from (ToolCallDelta(index, "{}") for index in sorted(self._silent))
            yield Finished(_finish_reason(reason, self._called > 0))

    def _call(self, call: Mapping[str, Any]) -> Iterator[Delta]:
        kind, name, text = _called(call)
        position, id_ = call.get("index"), call.get("id")
        if self._is_new(position, id_, name):
            id_ = str(id_ or self._make_id())
            self._calls[position] = (self._called, id_)
            if kind == "function":
                self._silent.add(self._called)
            yield ToolCallStarted(self._called, id_, str(name or ""), kind)
            self._called += 1
        if text:
            index, _ = self._calls[position]
            self._silent.discard(index)
            yield ToolCallDelta(index, text)

    def _is_new(self, position: object, id_: object, name: object) -> bool:
        """Some compatible servers send no index, or 0 for every call; some repeat the id, or make one up each time."""
        if position not in self._calls:
            return True
        _, open_id = self._calls[position]
        return bool(name) and (position is None or bool(id_)) and id_ != open_id
