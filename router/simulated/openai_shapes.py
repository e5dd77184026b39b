"""The shape of a chat completion request: which fields there are, of which types, and where null is taken."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from router.simulated.openai_models import Effort

Json = Any
Absent = UnsetType


class Strict(Struct, forbid_unknown_fields=True):
    """Unknown fields are refused; null is taken only where a type says so."""


class Breakpoint(Strict):
    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | Absent = UNSET


class TextPart(Strict, tag_field="type", tag="text"):
    text: str
    prompt_cache_breakpoint: Breakpoint | Absent | None = UNSET


class ImageUrl(Strict):
    url: str
    detail: Literal["auto", "low", "high", "original"] | Absent = UNSET


class ImagePart(Strict, tag_field="type", tag="image_url"):
    image_url: ImageUrl
    prompt_cache_breakpoint: Breakpoint | Absent | None = UNSET


class InputAudio(Strict):
    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Strict, tag_field="type", tag="input_audio"):
    input_audio: InputAudio
    prompt_cache_breakpoint: Breakpoint | Absent | None = UNSET


class FileBody(Strict):
    file_data: str | Absent = UNSET
    file_id: str | Absent = UNSET
    filename: str | Absent = UNSET


class FilePart(Strict, tag_field="type", tag="file"):
    file: FileBody
    prompt_cache_breakpoint: Breakpoint | Absent | None = UNSET


class RefusalPart(Strict, tag_field="type", tag="refusal"):
    refusal: str


class FunctionCall(Strict):
    name: str
    arguments: str


class FunctionToolCall(Strict, tag_field="type", tag="function"):
    id: str
    function: FunctionCall


class CustomCall(Strict):
    name: str
    input: str


class CustomToolCall(Strict, tag_field="type", tag="custom"):
    id: str
    custom: CustomCall


class System(Strict, tag_field="role", tag="system"):
    content: str | list[TextPart]
    name: str | Absent = UNSET


class Developer(Strict, tag_field="role", tag="developer"):
    content: str | list[TextPart]
    name: str | Absent = UNSET


class User(Strict, tag_field="role", tag="user"):
    content: str | list[TextPart | ImagePart | AudioPart | FilePart]
    name: str | Absent = UNSET


class AudioId(Strict):
    id: str


class Assistant(Strict, tag_field="role", tag="assistant"):
    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    tool_calls: list[FunctionToolCall | CustomToolCall] | Absent = UNSET
    audio: AudioId | None = None
    function_call: FunctionCall | None = None
    annotations: list[Json] | None = None
    name: str | Absent = UNSET


class ToolMessage(Strict, tag_field="role", tag="tool"):
    content: str | list[TextPart]
    tool_call_id: str


class FunctionMessage(Strict, tag_field="role", tag="function"):
    content: str | None
    name: str


Message = System | Developer | User | Assistant | ToolMessage | FunctionMessage


class Function(Strict):
    name: str
    description: str | Absent = UNSET
    parameters: dict[str, Json] | Absent = UNSET
    strict: bool | None = None


class FunctionTool(Strict, tag_field="type", tag="function"):
    function: Function


class Grammar(Strict):
    syntax: Literal["lark", "regex"]
    definition: str


class GrammarFormat(Strict, tag_field="type", tag="grammar"):
    grammar: Grammar


class TextFormat(Strict, tag_field="type", tag="text"):
    pass


class Custom(Strict):
    name: str
    description: str | Absent = UNSET
    format: TextFormat | GrammarFormat | Absent = UNSET


class CustomTool(Strict, tag_field="type", tag="custom"):
    custom: Custom


class Named(Strict):
    name: str


class FunctionChoice(Strict, tag_field="type", tag="function"):
    function: Named


class CustomChoice(Strict, tag_field="type", tag="custom"):
    custom: Named


class AllowedTools(Strict):
    mode: Literal["auto", "required"]
    tools: list[FunctionChoice | CustomChoice]


class AllowedChoice(Strict, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


class ObjectFormat(Strict, tag_field="type", tag="json_object"):
    pass


class NamedSchema(Strict):
    name: str
    schema: dict[str, Json] | Absent = UNSET
    description: str | Absent = UNSET
    strict: bool | None = None


class SchemaFormat(Strict, tag_field="type", tag="json_schema"):
    json_schema: NamedSchema


class CacheOptions(Strict):
    mode: Literal["implicit", "explicit"] | Absent = UNSET
    ttl: Literal["30m", "12h"] | Absent = UNSET
    comparison_response_id: str | None = None
    prewarm: bool | Absent = UNSET


class StreamOptions(Strict):
    include_usage: bool | Absent = UNSET
    include_obfuscation: bool | Absent = UNSET


class Request(Strict):
    model: str
    messages: list[Message]
    audio: dict[str, Json] | None = None
    frequency_penalty: float | None = None
    function_call: Literal["none", "auto"] | Named | Absent = UNSET
    functions: list[Function] | Absent = UNSET
    logit_bias: dict[str, int] | None = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    moderation: dict[str, Json] | None = None
    n: int | None = None
    parallel_tool_calls: bool | Absent = UNSET
    prediction: dict[str, Json] | None = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | Absent = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    reasoning_effort: Effort | None = None
    response_format: TextFormat | ObjectFormat | SchemaFormat | Absent = UNSET
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedChoice | Absent = UNSET
    tools: list[FunctionTool | CustomTool] | Absent = UNSET
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | Absent = UNSET
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: dict[str, Json] | Absent = UNSET
