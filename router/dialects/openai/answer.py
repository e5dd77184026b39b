"""What a server of chat completions answers, whole, streamed or refused -> our vocabulary."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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

# --- what a provider answers ---------------------------------------------------------------------------


def decode_response(body: bytes, _request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """A chat.completion. Raises UpstreamError (protocol) for anything else, an error in a 200 included."""
    document = _answer_object(body)
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UpstreamError("protocol", "the provider's answer has no choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UpstreamError("protocol", "the provider's answer has no message")
    calls = tuple(_answer_call(call, make_id) for call in _calls_of(message))
    return ChatResponse(
        id=str(document.get("id") or make_id()),
        model=str(document.get("model") or ""),
        text=_text(message.get("content")) or None,
        finish_reason=_finish_reason(choice.get("finish_reason"), bool(calls)),
        tool_calls=calls,
        refusal=_text(message.get("refusal")) or None,
        thoughts=tuple(Reasoning(text) for text in (_reasoning(message),) if text),
        usage=_usage(document.get("usage")),
    )


def _answer_object(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamError("protocol", "the provider's answer is not JSON") from None
    if not isinstance(document, dict):
        raise UpstreamError("protocol", "the provider's answer is not a JSON object")
    if document.get("error"):
        raise _error_of(document["error"], None)
    return document


def _text(value: object) -> str | None:
    """The text of an answer; some compatible servers send it as an array of parts."""
    if isinstance(value, list):
        return "".join(part["text"] for part in value if part.get("type") == "text")
    if value is not None and not isinstance(value, str):
        raise UpstreamError("protocol", "the provider's answer has a text that is no string")
    return value


def _reasoning(message: Mapping[str, Any]) -> str | None:
    return _text(message.get("reasoning_content")) or _text(message.get("reasoning"))


def _calls_of(message: Mapping[str, Any]) -> Sequence[Any]:
    """The tool calls of a message or delta. One of the old form, which `functions` ask for, counts as the first."""
    old = message.get("function_call")
    return message.get("tool_calls") or ([{"index": 0, "function": old}] if old else ())


def _answer_call(call: Any, make_id: Callable[[], str]) -> ToolCall:
    try:
        function = call["function"]
        name = function["name"]
    except (KeyError, TypeError):
        raise UpstreamError("protocol", "the provider's tool call has no function") from None
    if not isinstance(name, str):
        raise UpstreamError("protocol", "the provider's tool call has no name")
    return ToolCall(str(call.get("id") or make_id()), name, _arguments(function) or "{}")


def _arguments(function: Mapping[str, Any]) -> str:
    """JSON text; some compatible servers send the object itself."""
    arguments = function.get("arguments")
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


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


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    inputs, outputs = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    return Usage(
        input_tokens=_tokens(value, "prompt_tokens"),
        output_tokens=_tokens(value, "completion_tokens"),
        cached_tokens=_tokens(inputs, "cached_tokens"),
        cache_write_tokens=_tokens(inputs, "cache_write_tokens"),
        reasoning_tokens=_tokens(outputs, "reasoning_tokens"),
    )


def _tokens(counts: object, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


class StreamDecoder:
    """chat.completion.chunk events to deltas of the first choice."""

    lingers = False

    def __init__(self, _request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._started = False
        self._calls: dict[object, tuple[int, str]] = {}  # the provider's index -> ours and the call's id
        self._called = 0
        self._finished = False
        self.complete = False

    def close(self) -> Sequence[Delta]:
        return ()

    def feed(self, event: Event) -> Sequence[Delta]:
        if event.data.startswith(b"[DONE]"):
            if not self._finished:
                raise UpstreamError("truncated", "the provider's stream ended without a finish_reason")
            self.complete = True
            return ()
        document = _answer_object(event.data)
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(str(document.get("id") or self._make_id()), str(document.get("model") or "")))
        for choice in document.get("choices") or ():
            if not choice.get("index"):
                self._choice(choice, deltas)
        if (usage := _usage(document.get("usage"))) is not None:
            deltas.append(UsageReported(usage))
        return deltas

    def _choice(self, choice: dict[str, Any], deltas: list[Delta]) -> None:
        delta = choice.get("delta") or {}
        if reasoning := _reasoning(delta):
            deltas.append(ReasoningDelta(reasoning))
        if text := _text(delta.get("content")):
            deltas.append(TextDelta(text))
        if refusal := _text(delta.get("refusal")):
            deltas.append(RefusalDelta(refusal))
        for call in _calls_of(delta):
            self._call(call, deltas)
        if (reason := choice.get("finish_reason")) is not None and not self._finished:
            self._finished = True
            deltas.append(Finished(_finish_reason(reason, self._called > 0)))

    def _call(self, call: dict[str, Any], deltas: list[Delta]) -> None:
        function = call.get("function") or {}
        position, id_, name = call.get("index"), call.get("id"), function.get("name")
        if self._is_new(position, id_, name):
            id_ = str(id_ or self._make_id())
            self._calls[position] = (self._called, id_)
            self._called += 1
            deltas.append(ToolCallStarted(self._calls[position][0], id_, str(name or "")))
        if arguments := _arguments(function):
            deltas.append(ToolCallDelta(self._calls[position][0], arguments))

    def _is_new(self, position: object, id_: object, name: object) -> bool:
        """Some compatible servers send no index, or 0 for every call; some repeat the id, or make one up each time."""
        if position not in self._calls:
            return True
        _, open_id = self._calls[position]
        return bool(name) and (position is None or bool(id_)) and id_ != open_id


_BY_STATUS: dict[int, UpstreamKind] = {
    400: "refused",
    401: "credentials",
    402: "quota",
    403: "credentials",
    404: "not_found",
    408: "server",
    413: "too_large",
    422: "refused",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for; Retry-After in seconds is kept."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    error = (document.get("error") or document) if isinstance(document, dict) else None  # vLLM has no envelope
    return _error_of(error, status, _retry_after_s(headers))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < math.inf:
            return seconds
    return None


def _error_of(error: object, status: int | None, retry_after_s: float | None = None) -> UpstreamError:
    """`error` is the object under "error"; compatible servers also send a bare string."""
    fields = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    code = fields.get("code")
    said = status or (code if isinstance(code, int) else 500)  # OpenRouter puts a status into the error of a 200
    kind: UpstreamKind = _BY_STATUS.get(said, "refused" if 400 <= said < 500 else "server")
    message = str(fields.get("message") or f"the provider answered with status {said}")
    if code == "context_length_exceeded" or (kind == "refused" and "maximum context length" in message):
        kind = "context_length"
    elif code == "insufficient_quota" or fields.get("type") == "insufficient_quota":
        kind = "quota"
    elif code == "rate_limit_exceeded":
        kind = "rate_limited"
    param = fields.get("param") if kind == "refused" else None
    own_code = code if kind == "refused" and isinstance(code, str) else None
    return UpstreamError(
        kind,
        "the provider refused our credentials" if kind == "credentials" else message,
        upstream_status=status,
        param=param if isinstance(param, str) else None,
        code=own_code,
        retry_after_s=retry_after_s,
    )
