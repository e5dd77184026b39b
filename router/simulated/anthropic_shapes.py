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


class SearchResult(Strict, tag_field="type", tag="search_result"):
    content: list[Text]
    source: str
    title: str
    citations: dict[str, bool] | None = None
    cache_control: CacheControl | None = None


class ToolReference(Strict, tag_field="type", tag="tool_reference"):
    tool_name: str
    cache_control: CacheControl | None = None


class ToolUse(Strict, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Json]
    caller: dict[str, Json] | Absent = UNSET
    toolset_name: str | None = None
    cache_control: CacheControl | None = None


class ToolResult(Strict, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[Text | Image | Document | SearchResult | ToolReference] = ""
    is_error: bool = False
    toolset_name: str | None = None
    cache_control: CacheControl | None = None


class Thinking(Strict, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedThinking(Strict, tag_field="type", tag="redacted_thinking"):
    data: str


# Of the provider's own tools, in assistant messages: what they found is not looked at.


class ServerToolUse(Strict, tag_field="type", tag="server_tool_use"):
    id: str
    name: str
    input: dict[str, Json]
    caller: dict[str, Json] | Absent = UNSET
    cache_control: CacheControl | None = None


class ServerToolResult(Strict):
    tool_use_id: str
    content: Json
    caller: dict[str, Json] | Absent = UNSET
    cache_control: CacheControl | None = None


class WebSearchResult(ServerToolResult, tag_field="type", tag="web_search_tool_result"):
    pass


class WebFetchResult(ServerToolResult, tag_field="type", tag="web_fetch_tool_result"):
    pass


class CodeResult(ServerToolResult, tag_field="type", tag="code_execution_tool_result"):
    pass


class BashResult(ServerToolResult, tag_field="type", tag="bash_code_execution_tool_result"):
    pass


class TextEditorResult(ServerToolResult, tag_field="type", tag="text_editor_code_execution_tool_result"):
    pass


class ToolSearchResult(ServerToolResult, tag_field="type", tag="tool_search_tool_result"):
    pass


class ContainerUpload(Strict, tag_field="type", tag="container_upload"):
    file_id: str
    cache_control: CacheControl | None = None


ServerBlock = (
    ServerToolUse
    | WebSearchResult
    | WebFetchResult
    | CodeResult
    | BashResult
    | TextEditorResult
    | ToolSearchResult
    | ContainerUpload
)
Block = Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking | RedactedThinking | ServerBlock


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


Thinks = Enabled | Adaptive | Disabled | BetweenTools
Choice = AutoChoice | AnyChoice | ToolChoice | NoneChoice


class CountRequest(Strict, kw_only=True):
    """What counting tokens takes. `tools` stay undecoded: the provider's own have other fields than custom ones."""

    model: str
    messages: list[Message]
    system: str | list[Text] | Absent = UNSET
    tools: list[dict[str, Json]] | Absent = UNSET
    tool_choice: Choice | Absent = UNSET
    thinking: Thinks | Absent = UNSET
    output_config: OutputConfig | Absent = UNSET
    speed: Literal["standard", "fast"] | None = None
    cache_control: CacheControl | None = None
    user_profile_id: str | Absent = UNSET
    workspace_id: str | Absent = UNSET
    billing_policy: Json | Absent = UNSET
    compaction: Json | Absent = UNSET
    context_management: Json | Absent = UNSET
    mcp_servers: Json | Absent = UNSET


class Request(CountRequest, kw_only=True):
    max_tokens: int
    temperature: float | Absent = UNSET
    top_p: float | Absent = UNSET
    top_k: int | Absent = UNSET
    stop_sequences: list[str] | Absent = UNSET
    stream: bool | Absent = UNSET
    metadata: Metadata | Absent = UNSET
    service_tier: Literal["auto", "standard_only"] | Absent = UNSET
    inference_geo: str | None = None
    container: str | dict[str, Json] | None = None
    diagnostics: dict[str, Json] | None = None
    fallback_credit_token: Json | Absent = UNSET
    fallbacks: Json | Absent = UNSET
    output_format: SchemaFormat | Absent = UNSET
    thread: Json | Absent = UNSET


# Fields that the plain API doesn't know: they come with an anthropic-beta header.
BETA_FIELDS = (
    "billing_policy",
    "compaction",
    "context_management",
    "mcp_servers",
    "fallback_credit_token",
    "fallbacks",
    "output_format",
    "thread",
)
