"""Our vocabulary -> what a caller of chat completions gets: answers, streams and errors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from router.dialects import Frame, one_line, with_members
from router.errors import RouterError
from router.sse import Event, data_event
from router.types import (
    ChatResponse,
    Delta,
    Effort,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Role,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)

_ROLES = get_args(Role)
_EFFORTS = get_args(Effort)
_MAX_STOPS = 4
_MAX_DEPTH = 64
_MAX_WHOLE = 2**63 - 1
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

# --- what a caller gets --------------------------------------------------------------------------------


def encode_response(response: ChatResponse, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """The answer as a chat.completion."""
    message: dict[str, Any] = {"role": "assistant", "content": response.text, "refusal": response.refusal}
    if response.reasoning:
        message["reasoning_content"] = response.reasoning
    if response.tool_calls:
        message["tool_calls"] = [_call_document(call) for call in response.tool_calls]
    document: dict[str, Any] = {
        "id": _chat_id(response.id),
        "object": "chat.completion",
        "created": frame.created,
        "model": frame.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": response.finish_reason}],
    }
    if response.usage is not None:
        document["usage"] = _usage_document(response.usage)
    return msgspec.json.encode({**document, **extra})


def whole_passthrough(body: bytes, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """A chat.completion as it came, except for the model's name."""
    fields: dict[str, Any] = {**_CHUNK.decode(body), "model": frame.model}
    return msgspec.json.encode({**fields, **extra})


def encode_error(error: RouterError, _request_id: str) -> bytes:
    """OpenAI's error envelope."""
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    )


class StreamEncoder:
    """Deltas to chat.completion.chunk events. `finish` gives what remains once the provider's stream is complete."""

    def __init__(self, frame: Frame) -> None:
        self._head: dict[str, Any] = {
            "object": "chat.completion.chunk",
            "created": frame.created,
            "model": frame.model,
        }
        self._id = ""
        self._include_usage = frame.request.include_usage
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None

    def feed(self, delta: Delta) -> bytes:
        """The event for this delta, empty when it has none of its own."""
        match delta:
            case Started():
                self._id = _chat_id(delta.id)
                return self._chunk({"role": "assistant", "content": ""})
            case TextDelta():
                return self._chunk({"content": delta.text})
            case ReasoningDelta():
                return self._chunk({"reasoning_content": delta.text})
            case RefusalDelta():
                return self._chunk({"refusal": delta.text})
            case ToolCallStarted():
                function = {"name": delta.name, "arguments": ""}
                call = {"index": delta.index, "id": delta.id, "type": "function", "function": function}
                return self._chunk({"tool_calls": [call]})
            case ToolCallDelta():
                return self._chunk({"tool_calls": [{"index": delta.index, "function": {"arguments": delta.arguments}}]})
            case UsageReported():
                self._usage = delta.usage
            case Finished():
                self._reason = delta.reason
        return b""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """The last chunks and [DONE]; `extra` fields ride on the last chunk."""
        with_usage = self._include_usage and self._usage is not None
        last = self._chunk({}, self._reason, {} if with_usage else extra)
        if with_usage and self._usage is not None:
            last += data_event(
                msgspec.json.encode(
                    {"id": self._id, **self._head, "choices": [], "usage": _usage_document(self._usage), **extra}
                )
            )
        return last + DONE

    def fail(self, error: RouterError) -> bytes:
        return data_event(encode_error(error, ""))

    def whole(self) -> None:
        return None

    def _chunk(
        self, delta: dict[str, Any], reason: FinishReason | None = None, extra: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        document = {"id": self._id, **self._head, "choices": [choice], **(extra or {})}
        if self._include_usage:
            document["usage"] = None
        return data_event(msgspec.json.encode(document))


DONE = data_event(b"[DONE]")


class Passthrough:
    """Chat chunks as they came, except for the model's name. From the finish on, the newest chunk is held back."""

    def __init__(self, frame: Frame) -> None:
        self._model = msgspec.Raw(msgspec.json.encode(frame.model))
        self._include_usage = frame.request.include_usage
        self._finished = False
        self._held = b""

    def feed(self, event: Event, deltas: Sequence[Delta]) -> bytes:
        if event.data.startswith(b"[DONE]"):
            return b""
        fields = _CHUNK.decode(event.data)
        if not self._include_usage and _is_usage_alone(fields, deltas):
            return b""  # we asked for it, the caller did not
        self._finished = self._finished or any(isinstance(delta, Finished) for delta in deltas)
        fields["model"] = self._model
        data = one_line(msgspec.json.encode(fields))
        if not self._finished:
            return data_event(data)
        ready, self._held = self._held, data
        return data_event(ready) if ready else b""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        return data_event(with_members(self._held, extra)) + DONE

    def fail(self, error: RouterError) -> bytes:
        return data_event(encode_error(error, ""))

    def whole(self) -> None:
        return None


_CHUNK = msgspec.json.Decoder(dict[str, msgspec.Raw])  # members stay as they came: exact, and faster than a pattern


def _is_usage_alone(fields: Mapping[str, msgspec.Raw], deltas: Sequence[Delta]) -> bool:
    """Whether a chunk reports usage and nothing else; some servers do so in chunks that also hold choices."""
    if not deltas or not all(isinstance(delta, UsageReported) for delta in deltas):
        return False
    return not msgspec.json.decode(fields.get("choices", b"[]"))


def _chat_id(id_: str) -> str:
    return id_ if id_.startswith("chatcmpl-") else f"chatcmpl-{id_}"


def _call_document(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage_document(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
