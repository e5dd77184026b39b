"""Our vocabulary -> what a caller of chat completions gets: answers, streams and errors."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.dialects import Frame, openai_error, openai_usage
from router.dialects.chat.reasoning import detail, details
from router.errors import RouterError
from router.sse import data_event
from router.types import (
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    FinishReason,
    Json,
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
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

DONE = data_event(b"[DONE]")


def encode_response(response: ChatResponse, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """The answer as a chat.completion."""
    legacy = frame.request.legacy_functions
    choices = (response, *response.alternatives)
    document: dict[str, Any] = {
        "id": _chat_id(response.id or frame.answer_id),
        "object": "chat.completion",
        "created": frame.created,
        "model": frame.model,
        "choices": [_choice_document(index, choice, legacy) for index, choice in enumerate(choices)],
    }
    if response.usage is not None:
        document |= {"usage": openai_usage(response.usage), **_tier(response.usage)}
    return msgspec.json.encode({**document, **extra})


class StreamEncoder:
    """Deltas to chat.completion.chunk events. The chunks that finish the choices are held back for the end, as what
    rides on the last chunk is known only then."""

    def __init__(self, frame: Frame) -> None:
        self.head: dict[str, Any] = {
            "id": _chat_id(frame.answer_id),
            "object": "chat.completion.chunk",
            "created": frame.created,
            "model": frame.model,
        }
        self.opened: set[int] = set()  # the choices whose role has been said
        self._legacy = frame.request.legacy_functions
        self._include_usage = frame.request.include_usage
        self._index = 0
        self._choices: dict[int, _Choice] = {0: _Choice()}
        self._usage: Usage | None = None

    def feed(self, delta: Delta) -> bytes:
        """The event for this delta, empty when it has none of its own."""
        choice = self._choices[self._index]
        match delta:
            case TextDelta():
                return self._chunk({"content": delta.text}, delta.logprobs)
            case ToolCallDelta():
                return self._calling(delta.index, _call_piece(choice.kinds[delta.index], delta))
            case ReasoningDelta():
                choice.thought.append(delta.text)
                return self._chunk({"reasoning_content": delta.text})
            case ReasoningEnded():
                entry = choice.sealed(delta)
                return self._chunk({"reasoning_details": [entry]}) if entry else b""
            case RefusalDelta():
                return self._chunk({"refusal": delta.text})
            case ToolCallStarted():
                choice.kinds[delta.index] = delta.kind
                return self._calling(delta.index, _call_start(delta))
            case Started():
                self.head["id"] = _chat_id(delta.id) if delta.id else self.head["id"]
                return self._opening(0)
            case ChoiceSwitched():
                self._index = delta.index
                self._choices.setdefault(delta.index, _Choice())
                return self._opening(delta.index)
            case UsageReported():
                self._usage = delta.usage
            case Finished():
                choice.reason = delta.reason
        return b""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """The last chunks and [DONE]; `extra` members ride on the last chunk."""
        documents = list(self._last_documents())
        if extra and not documents:
            documents.append({**self.head, "choices": []})
        if documents:
            documents[-1] |= {**(_tier(self._usage) if self._usage else {}), **extra}
        opening = b"".join([self._opening(index) for index in self._choices])
        return opening + b"".join([data_event(msgspec.json.encode(document)) for document in documents]) + DONE

    def fail(self, error: RouterError) -> bytes:
        return data_event(openai_error(error, ""))

    def whole(self) -> None:
        return None

    def _last_documents(self) -> Iterator[dict[str, Any]]:
        for index, choice in sorted(self._choices.items()):
            if choice.reason is not None:
                yield self._document({}, index, reason=told_reason(choice.reason, self._legacy))
        if self._include_usage and self._usage is not None:
            yield {**self.head, "choices": [], "usage": openai_usage(self._usage)}

    def _calling(self, index: int, call: dict[str, Any]) -> bytes:
        """A piece of a tool call. The old form has no ids, and room for the first call alone."""
        if not self._legacy:
            return self._chunk({"tool_calls": [{"index": index, **call}]})
        return self._chunk({"function_call": call["function"]}) if index == 0 else b""

    def _opening(self, index: int) -> bytes:
        """The first chunk of this choice and of those before it, unless it has gone out: callers count them off."""
        if index in self.opened:
            return b""
        unopened = [each for each in range(index + 1) if each not in self.opened]
        self.opened.update(unopened)
        role = {"role": "assistant", "content": ""}
        return b"".join([data_event(msgspec.json.encode(self._document(role, each))) for each in unopened])

    def _chunk(self, delta: dict[str, Any], logprobs: tuple[Json, ...] = ()) -> bytes:
        document = self._document(delta, self._index, logprobs)
        return self._opening(self._index) + data_event(msgspec.json.encode(document))

    def _document(
        self, delta: dict[str, Any], index: int, logprobs: tuple[Json, ...] = (), reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": _logprobs(logprobs), "finish_reason": reason}
        document = {**self.head, "choices": [choice]}
        if self._include_usage:
            document["usage"] = None
        return document


class _Choice:
    """What has been said of one choice, as far as it matters for what comes."""

    def __init__(self) -> None:
        self.kinds: dict[int, ToolKind] = {}  # of its tool calls
        self.thought: list[str] = []
        self.reason: FinishReason | None = None
        self._details = 0

    def sealed(self, ended: ReasoningEnded) -> dict[str, Any] | None:
        """The thought that has ended as one entry of reasoning_details, whole: clients join strings of one index."""
        thought = Reasoning("".join(self.thought), ended.seal, ended.hidden)
        self.thought.clear()
        entry = detail(thought, self._details)
        self._details += entry is not None
        return entry


def told_reason(reason: FinishReason, legacy: bool) -> str:
    """The finish_reason in the form that the caller's tools came in."""
    return "function_call" if legacy and reason == "tool_calls" else reason


def _choice_document(index: int, choice: ChatResponse, legacy: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": choice.refusal}
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if sealed := details(choice.thoughts):
        message["reasoning_details"] = sealed
    if choice.tool_calls and legacy:
        message["function_call"] = _call_document(choice.tool_calls[0])["function"]
    elif choice.tool_calls:
        message["tool_calls"] = [_call_document(call) for call in choice.tool_calls]
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(choice.logprobs),
        "finish_reason": told_reason(choice.finish_reason, legacy),
    }


def _call_document(call: ToolCall) -> dict[str, Any]:
    return _call(call, call.arguments)


def _call_start(start: ToolCallStarted) -> dict[str, Any]:
    return _call(start, "")


def _call(call: ToolCall | ToolCallStarted, given: str) -> dict[str, Any]:
    takes = "arguments" if call.kind == "function" else "input"
    document = {"id": call.id, "type": call.kind, call.kind: {"name": call.name, takes: given}}
    if call.seal is not None and call.seal.wire == "gemini":
        document["extra_content"] = {"google": {"thought_signature": call.seal.value}}
    return document


def _call_piece(kind: ToolKind, delta: ToolCallDelta) -> dict[str, Any]:
    return {kind: {"arguments" if kind == "function" else "input": delta.arguments}}


def _logprobs(tokens: tuple[Json, ...]) -> dict[str, Any] | None:
    return {"content": tokens, "refusal": None} if tokens else None


def _chat_id(id_: str) -> str:
    return id_ if id_.startswith("chatcmpl-") else f"chatcmpl-{id_}"


def _tier(usage: Usage) -> dict[str, str]:
    """What the answer was billed as, where the provider says so; Anthropic's word for OpenAI's default is standard."""
    tier = usage.service_tier
    return {} if tier is None else {"service_tier": "default" if tier == "standard" else tier}
