"""The vocabulary that every wire format is translated through: a request, its answer, and the deltas of a stream.

Values only: no I/O, no clock. `fold` turns the deltas of a stream into the answer a whole response would have been.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any  # a decoded JSON value that we carry but do not look into

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """`url` is an https URL or a `data:image/...;base64,...` URL; `detail` is OpenAI's hint."""

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """`data` is base64, `format` is `wav` or `mp3`."""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class File:
    """Either inline (`data` is a `data:` URL) or by the provider's own `file_id`."""

    data: str | None = None
    file_id: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    text: str


Part = Text | Image | Audio | File | Refusal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON text, as OpenAI has it; `{}` when the tool takes none."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """All text parts joined, as a client shows them."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text):
            return self.parts[0].text
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema object, None when it takes no arguments."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Json] | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`mode` as OpenAI has it; `named` forces the tool called `name`."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """`kind` json_schema carries `name` and `schema`; json_object asks for any JSON object."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: Mapping[str, Json] | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat request, independent of its wire format.

    `others` holds the top-level fields of the caller that the vocabulary has no word for, null ones left out;
    `raw` is the body as it came, for a provider that speaks the caller's own dialect.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat = ResponseFormat()
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    effort: Effort | None = None
    n: int = 1
    user: str | None = None
    stream: bool = False
    include_usage: bool = False
    others: Mapping[str, Json] = field(default_factory=dict)
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached` and `cache_write` are part of `input`, `reasoning` is part of `output`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """One whole answer (one choice). `model` is the provider's own name for what answered."""

    id: str
    model: str
    text: str | None
    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    usage: Usage | None = None


# Deltas: what one event of a stream says, in the order it says it.


@dataclass(frozen=True, slots=True)
class Started:
    """The provider has begun: its id and model name. Not useful output yet."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """`index` counts tool calls from 0, whatever the provider counts."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the JSON text of the arguments."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Replaces what was reported before: providers send running totals."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The dialect's own end of the answer. A stream without it was truncated."""

    reason: FinishReason


Delta = Started | TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta | UsageReported | Finished


def is_useful(delta: Delta) -> bool:
    """Whether this is output that helps: non-blank text, a refusal or a tool call (product.md, section 4)."""
    match delta:
        case TextDelta(text) | RefusalDelta(text):
            return bool(text) and not text.isspace()
        case ToolCallStarted():
            return True
        case _:
            return False


def fold(deltas: Iterable[Delta]) -> ChatResponse:
    """The whole answer that these deltas add up to. Raises ValueError when there is no `Finished` among them."""
    id_ = model = ""
    text: list[str] = []
    reasoning: list[str] = []
    refusal: list[str] = []
    calls: dict[int, tuple[str, str, list[str]]] = {}
    usage: Usage | None = None
    reason: FinishReason | None = None
    for delta in deltas:
        match delta:
            case Started():
                id_, model = delta.id, delta.model
            case TextDelta():
                text.append(delta.text)
            case ReasoningDelta():
                reasoning.append(delta.text)
            case RefusalDelta():
                refusal.append(delta.text)
            case ToolCallStarted():
                calls[delta.index] = (delta.id, delta.name, [])
            case ToolCallDelta():
                calls[delta.index][2].append(delta.arguments)
            case UsageReported():
                usage = delta.usage
            case Finished():
                reason = delta.reason
    if reason is None:
        raise ValueError("the stream has no end: a truncated answer has no whole")
    return ChatResponse(
        id=id_,
        model=model,
        text="".join(text) if text else None,
        finish_reason=reason,
        tool_calls=tuple(
            ToolCall(call_id, name, "".join(pieces) or "{}") for _, (call_id, name, pieces) in sorted(calls.items())
        ),
        refusal="".join(refusal) or None,
        reasoning="".join(reasoning) or None,
        usage=usage,
    )
