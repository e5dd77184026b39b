"""What generateContent answers, whole, streamed or refused -> our vocabulary."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
    fold,
)

# --- what comes back -----------------------------------------------------------------------------------


class _Wire(msgspec.Struct, rename="camel"):
    """An object of the wire; its other fields are not read."""


class _FunctionCall(_Wire):
    name: str
    id: str | None = None
    args: dict[str, Any] | None = None


class _Part(_Wire):
    text: str | None = None
    thought: bool | None = None
    function_call: _FunctionCall | None = None


class _Content(_Wire):
    parts: tuple[_Part, ...] = ()


class _Candidate(_Wire):
    content: _Content | None = None
    finish_reason: str | None = None


class _PromptFeedback(_Wire):
    block_reason: str | None = None


class _UsageMetadata(_Wire):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class _Error(_Wire):
    code: int | None = None
    message: str | None = None
    details: tuple[dict[str, Any], ...] = ()


class _Chunk(_Wire):
    """A GenerateContentResponse, whole or one of a stream, or the error in its place."""

    response_id: str | None = None
    model_version: str | None = None
    candidates: tuple[_Candidate, ...] = ()
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _UsageMetadata | None = None
    error: _Error | None = None


_DECODER: msgspec.json.Decoder[_Chunk | tuple[_Chunk]] = msgspec.json.Decoder(_Chunk | tuple[_Chunk])


def _read(data: bytes) -> _Chunk:
    """Google sends some errors with an array around the object. Raises ValueError when it is not this dialect's."""
    try:
        document = _DECODER.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document[0] if isinstance(document, tuple) else document


def decode_response(body: bytes, request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """The answer in `body`: a stream of one chunk. Raises UpstreamError."""
    decoder = StreamDecoder(request, make_id)
    deltas = decoder.feed(Event(body))
    if not decoder.complete:
        raise UpstreamError("protocol", "the provider's answer has no finishReason")
    return fold([*deltas, *decoder.close()])


class StreamDecoder:
    """Chunks to deltas of the first candidate. The end is a finishReason, or a prompt that was blocked.

    It is taken for the end once nothing follows: older models put one on every chunk, and usage may come behind it.
    """

    lingers = True

    def __init__(self, _request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._started = False
        self._calls: dict[str, _FunctionCall] = {}
        self._reason = ""
        self.complete = False

    def feed(self, event: Event) -> Sequence[Delta]:
        chunk = _chunk(event.data)
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(chunk.response_id or self._make_id(), chunk.model_version or ""))
        candidate = chunk.candidates[0] if chunk.candidates else _Candidate()
        for part in candidate.content.parts if candidate.content else ():
            deltas.extend(self._part(part))
        if (usage := _usage(chunk.usage_metadata)) is not None:
            deltas.append(UsageReported(usage))
        blocked = not chunk.candidates and chunk.prompt_feedback and chunk.prompt_feedback.block_reason
        reason = "SAFETY" if blocked else candidate.finish_reason
        if reason:
            _finish_reason(reason, called=bool(self._calls))  # raises now, while another model may still take over
            self._reason = reason
            self.complete = True
        return deltas

    def close(self) -> Sequence[Delta]:
        return [Finished(_finish_reason(self._reason, called=bool(self._calls)))]

    def _part(self, part: _Part) -> Iterator[Delta]:
        if part.function_call is not None:
            yield from self._call(part.function_call)
        elif part.text:  # a part with a signature alone has an empty one
            yield ReasoningDelta(part.text) if part.thought else TextDelta(part.text)

    def _call(self, call: _FunctionCall) -> Iterator[Delta]:
        twin = self._calls.get(call.id) if call.id else None
        if twin == call:
            return  # the same call told twice; without an id two equal calls are two
        index = len(self._calls)
        id_ = call.id if call.id and twin is None else self._make_id()
        self._calls[id_] = call
        yield ToolCallStarted(index, id_, call.name)
        yield ToolCallDelta(index, msgspec.json.encode(call.args or {}).decode())


def _chunk(data: bytes) -> _Chunk:
    try:
        chunk = _read(data)
    except ValueError:
        raise UpstreamError("protocol", "the provider's answer is not a GenerateContentResponse") from None
    if chunk.error is not None:
        raise _upstream_error(chunk.error, chunk.error.code)
    return chunk


_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR",
                       "ESCALATION", "PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
                       "IMAGE_RECITATION", "IMAGE_OTHER"})  # fmt: skip
_FAILURES = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
                       "MISSING_THOUGHT_SIGNATURE", "OTHER"})  # fmt: skip


def _finish_reason(said: str, *, called: bool) -> FinishReason:
    """Gemini says STOP for tool calls too; a reason that is new to us is taken for it. Raises UpstreamError."""
    if said in _FAILURES:
        raise UpstreamError("protocol", f"the model's answer ended with {said}")
    if said in _FILTERED:
        return "content_filter"
    reason = _FINISH.get(said, "stop")
    return "tool_calls" if reason == "stop" and called else reason


def _usage(metadata: _UsageMetadata | None) -> Usage | None:
    if metadata is None or metadata.prompt_token_count is None:
        return None
    thoughts = metadata.thoughts_token_count or 0
    return Usage(
        input_tokens=metadata.prompt_token_count + (metadata.tool_use_prompt_token_count or 0),
        output_tokens=(metadata.candidates_token_count or 0) + thoughts,
        cached_tokens=metadata.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )


# --- errors --------------------------------------------------------------------------------------------

_BY_STATUS: dict[int, UpstreamKind] = {
    413: "too_large",
    401: "credentials",
    403: "credentials",
    404: "not_found",
    408: "server",
    429: "rate_limited",
    499: "server",
    503: "overloaded",
}
_TOO_LONG = re.compile(r"token count.*exceeds", re.IGNORECASE | re.DOTALL)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


def decode_error(status: int, _headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for. Seconds to wait come in the body; there is no Retry-After."""
    try:
        error = _read(body).error
    except ValueError:
        error = None
    return _upstream_error(error or _Error(), status)


def _upstream_error(error: _Error, status: int | None) -> UpstreamError:
    kind = _kind(error, status or 500)
    message = error.message or f"the provider answered with status {status}"
    return UpstreamError(
        kind,
        "the provider refused our credentials" if kind == "credentials" else message,
        upstream_status=status,
        retry_after_s=None if kind == "quota" else _retry_delay_s(error),
    )


def _kind(error: _Error, status: int) -> UpstreamKind:
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in error.details):
        return "credentials"  # a 400, as if the request were at fault
    if status == 400 and _TOO_LONG.search(error.message or ""):
        return "context_length"
    if status == 429 and b"PerDay" in msgspec.json.encode(error.details):  # in a quotaId; waiting doesn't help
        return "quota"
    return _BY_STATUS.get(status, "refused" if 400 <= status < 500 else "server")


def _retry_delay_s(error: _Error) -> float | None:
    for detail in error.details:
        if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None
