"""What a server of the Responses API answers, whole or as typed events -> our vocabulary."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from router.dialects.openai.errors import answer_object, error_of
from router.dialects.openai.rules import tokens
from router.errors import UpstreamError
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Finished,
    FinishReason,
    Json,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Seal,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    ToolKind,
    Usage,
    UsageReported,
    fold,
)

_GAP = "\n\n"  # between the parts of one piece of reasoning

PieceKind = Literal["text", "refusal", "summary", "reasoning", "arguments"]


def decode_response(body: bytes, request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """A response: what the events would add up to that it could have come in. Raises UpstreamError."""
    response = answer_object(body)
    output = response.get("output")
    if not isinstance(output, list):
        raise UpstreamError("protocol", "the provider's answer has no output")
    decoder = StreamDecoder(request, make_id)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": response}),
        *(("response.output_item.done", {"output_index": index, "item": item}) for index, item in enumerate(output)),
        ("response.completed", {"response": response}),
    ]
    return fold(delta for kind, event in steps for delta in decoder.read(kind, event))


@dataclass(slots=True)
class _Item:
    """An output item while its events come. `call` is the index of its tool call, `said` are the parts that spoke."""

    call: int | None = None
    said: set[tuple[PieceKind, int]] = field(default_factory=set)
    thought: tuple[PieceKind, int] | None = None  # the newest part of its reasoning


# What an event says of one part: the kind, the field with the part's place, and the field with the words.
_PIECES: dict[str, tuple[PieceKind, str, str]] = {
    "response.output_text.delta": ("text", "content_index", "delta"),
    "response.output_text.done": ("text", "content_index", "text"),
    "response.refusal.delta": ("refusal", "content_index", "delta"),
    "response.refusal.done": ("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "delta"),
    "response.reasoning_summary_text.done": ("summary", "summary_index", "text"),
    "response.reasoning_text.delta": ("reasoning", "content_index", "delta"),
    "response.reasoning_text.done": ("reasoning", "content_index", "text"),
    "response.function_call_arguments.delta": ("arguments", "", "delta"),
    "response.function_call_arguments.done": ("arguments", "", "arguments"),
    "response.custom_tool_call_input.delta": ("arguments", "", "delta"),
    "response.custom_tool_call_input.done": ("arguments", "", "input"),
}
_CALLS: dict[object, ToolKind] = {"function_call": "function", "custom_tool_call": "custom"}


class StreamDecoder:
    """Typed events to deltas. What came in no delta is taken from the event that ends its part or its item."""

    lingers = False

    def __init__(self, _request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._model: str | None = None  # None until the stream has started
        self._items: dict[object, _Item] = {}
        self._called = 0
        self.complete = False

    def close(self) -> Sequence[Delta]:
        return ()

    def feed(self, event: Event) -> Sequence[Delta]:
        if self.complete or event.data.startswith(b"[DONE]"):  # compatible servers end with it too
            return ()
        document = answer_object(event.data)
        return list(self.read(str(document.get("type") or event.name), document))

    def read(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        """The deltas of an event of this type; those of types that we don't know say nothing."""
        if kind == "error":
            raise error_of(event)
        if self._model is None and kind.startswith("response."):
            yield self._start(event.get("response") or {})
        if kind in _PIECES:
            what, place, words = _PIECES[kind]
            whole = kind.endswith(".done")
            yield from self._piece(
                self._item(event), what, event.get(place) or 0, event[words], _logprobs(event), whole=whole
            )
        elif kind == "response.output_item.added":
            yield from self._begin(self._item(event), event["item"])
        elif kind == "response.output_item.done":
            yield from self._end(self._item(event), event["item"])
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            yield from self._finish(event["response"])

    def _start(self, response: Mapping[str, Any]) -> Started:
        self._model = str(response.get("model") or "")
        return Started(str(response.get("id") or ""), self._model)

    def _item(self, event: Mapping[str, Any]) -> _Item:
        place = event.get("output_index")
        key = event.get("item_id") or (event.get("item") or {}).get("id") if place is None else place
        return self._items.setdefault(key, _Item())

    def _begin(self, item: _Item, document: Mapping[str, Any]) -> Iterator[Delta]:
        kind = _CALLS.get(document.get("type"))
        if kind is None or item.call is not None:
            return
        item.call = self._called
        self._called += 1
        yield ToolCallStarted(item.call, str(document.get("call_id") or self._make_id()), str(document["name"]), kind)

    def _end(self, item: _Item, document: Mapping[str, Any]) -> Iterator[Delta]:
        yield from self._begin(item, document)
        for what, place, words, logprobs in _pieces_of(document):
            yield from self._piece(item, what, place, words, logprobs, whole=True)
        if document.get("type") == "reasoning":
            cipher = document.get("encrypted_content")
            if cipher or item.said:
                yield ReasoningEnded(Seal(str(cipher), "responses", self._model or "") if cipher else None)

    def _piece(
        self, item: _Item, what: PieceKind, place: int, words: str, logprobs: tuple[Json, ...], *, whole: bool
    ) -> Iterator[Delta]:
        """What a part says; the `whole` of it only where nothing has been heard of it before."""
        part = (what, place)
        if not (words or logprobs) or (whole and part in item.said):
            return
        gap = _GAP if item.thought not in (None, part) else ""
        item.said.add(part)
        match what:
            case "text":
                yield TextDelta(words, logprobs)
            case "refusal":
                yield RefusalDelta(words)
            case "arguments" if item.call is not None:
                yield ToolCallDelta(item.call, words)
            case "arguments":
                raise UpstreamError("protocol", "the provider's stream has arguments of no call")
            case _:
                item.thought = part
                yield ReasoningDelta(gap + words)

    def _finish(self, response: Mapping[str, Any]) -> Iterator[Delta]:
        reason = _finish_reason(response, self._called > 0)
        self.complete = True
        if (usage := _usage(response)) is not None:
            yield UsageReported(usage)
        yield Finished(reason)


def _pieces_of(item: Mapping[str, Any]) -> Iterator[tuple[PieceKind, int, str, tuple[Json, ...]]]:
    """What a whole item says, in its order: each part with its place."""
    match item.get("type"):
        case "message":
            for place, part in enumerate(item.get("content") or ()):
                if part["type"] == "output_text":
                    yield "text", place, part["text"], _logprobs(part)
                elif part["type"] == "refusal":
                    yield "refusal", place, part["refusal"], ()
        case "reasoning":
            for place, part in enumerate(item.get("summary") or ()):
                yield "summary", place, part["text"], ()
            for place, part in enumerate(item.get("content") or ()):
                yield "reasoning", place, part["text"], ()
        case "function_call":
            yield "arguments", 0, item.get("arguments") or "{}", ()
        case "custom_tool_call":
            yield "arguments", 0, item.get("input") or "", ()


def _logprobs(part: Mapping[str, Any]) -> tuple[Json, ...]:
    """The tokens as chat completions has them, where `bytes` is never missing."""
    return tuple(
        {
            "bytes": None,
            **token,
            "top_logprobs": [{"bytes": None, **other} for other in token.get("top_logprobs") or ()],
        }
        for token in part.get("logprobs") or ()
    )


_INCOMPLETE: dict[object, FinishReason] = {"content_filter": "content_filter", "steered": "stop"}


def _finish_reason(response: Mapping[str, Any], called: bool) -> FinishReason:
    """Raises UpstreamError for a response that failed, or that is no answer yet."""
    match response.get("status"):
        case "completed" | None:
            return "tool_calls" if called else "stop"
        case "incomplete":
            return _INCOMPLETE.get((response.get("incomplete_details") or {}).get("reason"), "length")
        case "failed":
            raise error_of(response.get("error"))
        case "cancelled":
            raise UpstreamError("server", "the provider cancelled its answer")
        case other:
            raise UpstreamError("protocol", f"the provider's answer is not complete: {str(other)[:40]}")


def _usage(response: Mapping[str, Any]) -> Usage | None:
    usage, tier = response.get("usage"), response.get("service_tier")
    if not isinstance(usage, dict):
        return None
    inputs, outputs = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    return Usage(
        input_tokens=tokens(usage, "input_tokens"),
        output_tokens=tokens(usage, "output_tokens"),
        cached_tokens=tokens(inputs, "cached_tokens"),
        cache_write_tokens=tokens(inputs, "cache_write_tokens"),
        reasoning_tokens=tokens(outputs, "reasoning_tokens"),
        service_tier=tier if isinstance(tier, str) else None,
    )
