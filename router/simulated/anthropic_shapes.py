"""The shape of an Anthropic Messages request: which fields there are, of which types, and where null is taken."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Json = Any
Absent = UnsetType


class Strict(Struct, forbid_unknown_fields=True):
    """Unknown fields are refused; null is taken only where a type says so."""


class CacheControl(Strict, tag_field="type", tag="ephemeral"):
    ttl: Literal["5m", "1h"] | Absent = UNSET


class Text(Strict, tag_field="type", tag="text"):
    text: str
    cache_control: CacheControl | None = None
    citations: list[Json] | None = None


class Base64Source(Strict, tag_field="type", tag="base64"):
    media_type: str
    data: str


class UrlSource(Strict, tag_field="type", tag="url"):
    url: str


class FileSource(Strict, tag_field="type", tag="file"):
    file_id: str


class TextSource(Strict, tag_field="type", tag="text"):
    media_type: Literal["text/plain"]
    data: str


class Image(Strict, tag_field="type", tag="image"):
    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class Document(Strict, tag_field="type", tag="document"):
    source: Base64Source | UrlSource | FileSource | TextSource
    title: str | None = None
    context: str | None = None
    citations: dict[str, bool] | None = None
    cache_control: CacheControl | None = None


class ToolUse(Strict, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Json]
    cache_control: CacheControl | None = None


class ToolResult(Strict, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[Text | Image | Document] = ""
    is_error: bool = False
    cache_control: CacheControl | None = None


class Thinking(Strict, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedThinking(Strict, tag_field="type", tag="redacted_thinking"):
    data: str


Block = Text | Image | Document | ToolUse | ToolResult | Thinking | RedactedThinking


class Message(Strict):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class CustomTool(Strict):
    name: str
    input_schema: dict[str, Json]
    type: Literal["custom"] | None = None
    description: str | Absent = UNSET
    strict: bool = False
    cache_control: CacheControl | None = None
    input_examples: list[dict[str, Json]] | Absent = UNSET
    eager_input_streaming: bool | None = None
    defer_loading: bool | Absent = UNSET
    allowed_callers: list[str] | Absent = UNSET


class AutoChoice(Strict, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool = False


class AnyChoice(Strict, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool = False


class ToolChoice(Strict, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool = False


class NoneChoice(Strict, tag_field="type", tag="none"):
    pass


class Enabled(Strict, tag_field="type", tag="enabled"):
    budget_tokens: int
    display: Literal["summarized", "omitted"] | None = None


class Adaptive(Strict, tag_field="type", tag="adaptive"):
    display: Literal["summarized", "omitted"] | None = None


class Disabled(Strict, tag_field="type", tag="disabled"):
    pass


class BetweenTools(Strict, tag_field="type", tag="between_tools"):
    pass


class SchemaFormat(Strict, tag_field="type", tag="json_schema"):
    schema: dict[str, Json]


Effort = Literal["low", "medium", "high", "xhigh", "max"]


class OutputConfig(Strict):
    effort: Effort | None = None
    format: SchemaFormat | None = None


class Metadata(Strict):
    user_id: str | None = None


class Request(Strict):
    """`tools` stay undecoded: the provider's own tools have other fields than custom ones."""

    model: str
    messages: list[Message]
    max_tokens: int
    system: str | list[Text] | Absent = UNSET
    tools: list[dict[str, Json]] | Absent = UNSET
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoneChoice | Absent = UNSET
    temperature: float | Absent = UNSET
    top_p: float | Absent = UNSET
    top_k: int | Absent = UNSET
    stop_sequences: list[str] | Absent = UNSET
    stream: bool | Absent = UNSET
    metadata: Metadata | Absent = UNSET
    thinking: Enabled | Adaptive | Disabled | BetweenTools | Absent = UNSET
    output_config: OutputConfig | Absent = UNSET
    service_tier: Literal["auto", "standard_only"] | Absent = UNSET
    speed: Literal["standard", "fast"] | None = None
    inference_geo: str | None = None
    container: str | None = None
    cache_control: CacheControl | None = None
    context_management: dict[str, Json] | None = None
