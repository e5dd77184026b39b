"""The vocabulary that every wire format is translated through: a request, its answer, and the deltas of a stream.

Values only: no I/O, no clock. `fold` turns the deltas of a stream into the answer a whole response would have been.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = Any  # a decoded JSON value that we carry but do not look into

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ToolKind = Literal["function", "custom"]
CacheTtl = Literal["5m", "1h"]

# The wire formats: `chat`, `responses` and `completions` are OpenAI's, `messages` is Anthropic's.
Wire = Literal["chat", "responses", "completions", "messages", "gemini"]


@dataclass(frozen=True, slots=True)
class Seal:
    """An opaque text that a provider wants back unchanged with what it sealed: a signature or a cipher.

    It holds for the wire format and the upstream model that gave it; `model` is empty when a caller gave it back
    without saying.
    """

    value: str
    wire: Wire
    model: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """`cache`: the caller marks a prompt prefix that ends here as worth caching for that long."""

    text: str
    cache: CacheTtl | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """`url` is an https URL or a `data:image/...;base64,...` URL; `detail` is OpenAI's hint."""

    url: str
    detail: str | None = None
    cache: CacheTtl | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """`data` is base64, `format` is `wav` or `mp3`."""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class File:
    """Inline (`data` is a `data:` URL), at an https `url`, or by the provider's own `file_id`."""

    data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    url: str | None = None
    cache: CacheTtl | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what a model thought before it spoke or called. `text` is what may be shown of it, perhaps nothing;
    `seal` is its proof; `hidden` marks a piece that is all cipher (Anthropic's redacted_thinking)."""

    text: str = ""
    seal: Seal | None = None
    hidden: bool = False


Part = Text | Image | Audio | File | Refusal | Reasoning


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON text, as OpenAI has it, `{}` when the tool takes none; a custom tool's is free text.

    `seal` is what the provider wants back with the call (Gemini's thoughtSignature).
    """

    id: str
    name: str
    arguments: str
    kind: ToolKind = "function"
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Its reasoning comes first among `parts`; `failed`: a tool's result that tells of an error."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    failed: bool = False

    @property
    def text(self) -> str:
        """All text parts joined, as a client shows them."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text):
            return self.parts[0].text
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema object, None when it takes no arguments.

    A custom tool takes free text: `grammar` holds it to one, as {"syntax": "lark" | "regex", "definition": text}.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Json] | None = None
    strict: bool | None = None
    kind: ToolKind = "function"
    grammar: Mapping[str, Json] | None = None
    cache: CacheTtl | None = None


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
    """One request to a chat model, independent of its wire format.

    wire         the caller's wire format; `raw` is the body as it came, for a provider that speaks the same
    headers      the caller's headers that belong to such a provider (anthropic-version, anthropic-beta)
    others       top-level fields that the vocabulary has no word for, by their names in chat completions, null ones
                 left out
    only_native  the fields that no other wire format can say, as they are called in the caller's
    logprobs     alternatives wanted for each token, None for no log probabilities
    show_reasoning   whether the caller asked to see the model's reasoning
    legacy_functions whether the tools came as `functions` of chat completions, whose answers say function_call
    previous     the id of the answer that this request continues (Responses); `history` is the conversation up to
                 and with it, as items of that wire format, and `held_by` the provider that keeps it too. Where the
                 history holds what only that provider can read, the request is `bound_to` it.
    kept         items of the input by id that reasoning without a cipher goes with (Responses), and the provider that
                 keeps them: it wants them back as they are. None until looked up, and where nobody is known
    references   items that the input names by their ids alone (Responses), None until they have been looked up; all of
                 them or none. `held_by` keeps them too.
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
    logprobs: int | None = None
    show_reasoning: bool = False
    others: Mapping[str, Json] = field(default_factory=dict)
    wire: Wire = "chat"
    raw: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    only_native: tuple[str, ...] = ()
    previous: str | None = None
    history: tuple[Json, ...] = ()
    held_by: str | None = None
    bound_to: str | None = None
    references: Mapping[str, Json] = field(default_factory=dict)
    kept: Mapping[str, str | None] = field(default_factory=dict)
    legacy_functions: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached` and `cache_write` are part of `input`, `reasoning` is part of `output`;
    `cache_write_1h` is the part of `cache_write` that is kept for an hour. `service_tier` is what they are billed as,
    where the provider says so."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_1h_tokens: int = 0
    service_tier: str | None = None

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """One whole answer. `model` is the provider's own name for what answered; `alternatives` are the choices beyond
    the first, where the request asked for several (their usage is in the first). `logprobs` are tokens as in chat."""

    id: str
    model: str
    text: str | None
    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    thoughts: tuple[Reasoning, ...] = ()
    logprobs: tuple[Json, ...] = ()
    usage: Usage | None = None
    alternatives: tuple["ChatResponse", ...] = ()

    @property
    def reasoning(self) -> str | None:
        """What may be shown of the reasoning."""
        return "".join(thought.text for thought in self.thoughts) or None


# Deltas: what one event of a stream says, in the order it says it.


@dataclass(frozen=True, slots=True)
class Started:
    """The provider has begun: its id and model name. Not useful output yet."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class ChoiceSwitched:
    """What follows belongs to the choice of this index, until the next of these; at first it is choice 0."""

    index: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """`logprobs` are the tokens of this piece as chat completions has them."""

    text: str
    logprobs: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnded:
    """A piece of reasoning is complete. A `hidden` one had no deltas."""

    seal: Seal | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """`index` counts tool calls from 0, whatever the provider counts."""

    index: int
    id: str
    name: str
    kind: ToolKind = "function"
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the arguments: of their JSON text, or of a custom tool's free text."""

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


Delta = (
    Started
    | ChoiceSwitched
    | TextDelta
    | ReasoningDelta
    | ReasoningEnded
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | UsageReported
    | Finished
)


def is_useful(delta: Delta) -> bool:
    """Whether this is output that helps: non-blank text, a refusal or a tool call (product.md, section 4)."""
    match delta:
        case TextDelta(text) | RefusalDelta(text):
            return bool(text) and not text.isspace()
        case ToolCallStarted():
            return True
        case _:
            return False


class _Choice:
    """One choice while its deltas are added up."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.logprobs: list[Json] = []
        self.thought: list[str] = []
        self.thoughts: list[Reasoning] = []
        self.refusal: list[str] = []
        self.calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}
        self.reason: FinishReason | None = None

    def add(self, delta: Delta) -> None:
        match delta:
            case TextDelta():
                self.text.append(delta.text)
                self.logprobs.extend(delta.logprobs)
            case ReasoningDelta():
                self.thought.append(delta.text)
            case ReasoningEnded():
                self.thoughts.append(Reasoning("".join(self.thought), delta.seal, delta.hidden))
                self.thought.clear()
            case RefusalDelta():
                self.refusal.append(delta.text)
            case ToolCallStarted():
                self.calls[delta.index] = (delta, [])
            case ToolCallDelta():
                self.calls[delta.index][1].append(delta.arguments)
            case Finished():
                self.reason = delta.reason

    def whole(self, started: Started, usage: Usage | None = None) -> ChatResponse:
        if self.reason is None:
            raise ValueError("the stream has no end: a truncated answer has no whole")
        if self.thought:
            self.add(ReasoningEnded())
        return ChatResponse(
            id=started.id,
            model=started.model,
            text="".join(self.text) or None,
            finish_reason=self.reason,
            tool_calls=tuple(_tool_call(start, pieces) for _, (start, pieces) in sorted(self.calls.items())),
            refusal="".join(self.refusal) or None,
            thoughts=tuple(self.thoughts),
            logprobs=tuple(self.logprobs),
            usage=usage,
        )


def _tool_call(start: ToolCallStarted, pieces: list[str]) -> ToolCall:
    nothing = "{}" if start.kind == "function" else ""
    return ToolCall(start.id, start.name, "".join(pieces) or nothing, start.kind, start.seal)


def fold(deltas: Iterable[Delta]) -> ChatResponse:
    """The whole answer that these deltas add up to. Raises ValueError when a choice has no `Finished` among them."""
    started = Started("", "")
    usage: Usage | None = None
    choices: dict[int, _Choice] = {0: _Choice()}
    current = choices[0]
    for delta in deltas:
        match delta:
            case Started():
                started = delta
            case ChoiceSwitched():
                current = choices.setdefault(delta.index, _Choice())
            case UsageReported():
                usage = delta.usage
            case _:
                current.add(delta)
    first, *others = (choice for _, choice in sorted(choices.items()))
    return replace(first.whole(started, usage), alternatives=tuple(choice.whole(started) for choice in others))
