"""The shape of a Responses request: its fields, the kinds of its input items, tools and choices."""

from typing import Any, Literal

from msgspec import UNSET

from router.simulated.openai_models import Effort
from router.simulated.openai_shapes import Absent, Breakpoint, CacheOptions, Grammar, ObjectFormat, Strict, TextFormat

Json = Any
Status = Literal["in_progress", "completed", "incomplete"]

# --- parts of messages and of outputs


class InputText(Strict, tag_field="type", tag="input_text"):
    text: str
    prompt_cache_breakpoint: Breakpoint | Absent = UNSET


class InputImage(Strict, tag_field="type", tag="input_image"):
    detail: Literal["auto", "low", "high", "original"] | None = None
    image_url: str | None = None
    file_id: str | None = None
    prompt_cache_breakpoint: Breakpoint | Absent = UNSET


class InputFile(Strict, tag_field="type", tag="input_file"):
    detail: Literal["auto", "low", "high"] | Absent = UNSET
    file_data: str | Absent = UNSET
    file_id: str | None = None
    file_url: str | Absent = UNSET
    filename: str | Absent = UNSET
    prompt_cache_breakpoint: Breakpoint | Absent = UNSET


InputPart = InputText | InputImage | InputFile


class OutputText(Strict, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Json] | Absent = UNSET
    logprobs: list[Json] | Absent = UNSET


class Refusal(Strict, tag_field="type", tag="refusal"):
    refusal: str


# --- items


class InputMessage(Strict):
    role: Literal["user", "system", "developer"]
    content: str | list[InputPart]
    type: Literal["message"] | Absent = UNSET
    id: str | Absent = UNSET
    status: Status | Absent = UNSET
    phase: Literal["commentary", "final_answer"] | None = None


class OutputMessage(Strict):
    role: Literal["assistant"]
    content: str | list[OutputText | Refusal]
    type: Literal["message"] | Absent = UNSET
    id: str | Absent = UNSET
    status: Status | Absent = UNSET
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Strict, tag_field="type", tag="function_call", rename={"async_": "async"}):
    call_id: str
    name: str
    arguments: str
    id: str | Absent = UNSET
    status: Status | Absent = UNSET
    namespace: str | Absent = UNSET
    caller: dict[str, Json] | None = None
    async_: bool | Absent = UNSET


class FunctionCallOutput(Strict, tag_field="type", tag="function_call_output"):
    call_id: str
    output: str | list[InputPart]
    id: str | None = None
    status: Status | None = None
    name: str | None = None
    namespace: str | None = None
    caller: dict[str, Json] | None = None


class CustomToolCall(Strict, tag_field="type", tag="custom_tool_call", rename={"async_": "async"}):
    call_id: str
    name: str
    input: str
    id: str | Absent = UNSET
    status: Status | Absent = UNSET
    namespace: str | Absent = UNSET
    caller: dict[str, Json] | None = None
    async_: bool | Absent = UNSET


class CustomToolCallOutput(Strict, tag_field="type", tag="custom_tool_call_output"):
    call_id: str
    output: str | list[InputPart]
    id: str | Absent = UNSET
    caller: dict[str, Json] | None = None


class SummaryText(Strict, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Strict, tag_field="type", tag="reasoning_text"):
    text: str


class Reasoning(Strict, tag_field="type", tag="reasoning"):
    """Codex leaves `id` out, though the SDK's type requires it."""

    summary: list[SummaryText]
    id: str | Absent = UNSET
    content: list[ReasoningText] | Absent = UNSET
    encrypted_content: str | None = None
    status: Status | Absent = UNSET


class ItemReference(Strict):
    id: str
    type: Literal["item_reference"] | None = None


class HostedItem(Strict):
    """An item of one of the provider's own tools: its fields are not looked at."""

    type: str


Item = (
    InputMessage
    | OutputMessage
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | Reasoning
    | ItemReference
    | HostedItem
)

HOSTED_ITEMS = frozenset(
    {
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)

# --- tools, flat here, and choices among them


class FunctionTool(Strict, tag_field="type", tag="function", rename={"async_": "async"}):
    """`parameters` must be there, though they may be null; without `strict` the provider makes it so."""

    name: str
    parameters: dict[str, Json] | None
    strict: bool | None = None
    description: str | None = None
    defer_loading: bool | Absent = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None = None
    output_schema: dict[str, Json] | None = None
    async_: bool | Absent = UNSET


class GrammarFormat(Grammar, tag_field="type", tag="grammar"):
    pass


class CustomTool(Strict, tag_field="type", tag="custom", rename={"async_": "async"}):
    name: str
    description: str | Absent = UNSET
    format: TextFormat | GrammarFormat | Absent = UNSET
    defer_loading: bool | Absent = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None = None
    async_: bool | Absent = UNSET


HOSTED_TOOLS = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)


class NamedChoice(Strict):
    type: Literal["function", "custom"]
    name: str


class AllowedChoice(Strict, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: list[dict[str, Json]]


# --- the request


class SchemaFormat(Strict, tag_field="type", tag="json_schema"):
    name: str
    schema: dict[str, Json]
    description: str | Absent = UNSET
    strict: bool | None = None


class TextConfig(Strict):
    format: TextFormat | ObjectFormat | SchemaFormat | Absent = UNSET
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(Strict):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | Absent = UNSET


class StreamOptions(Strict):
    include_obfuscation: bool | Absent = UNSET


Included = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class Request(Strict):
    """Items, tools and a choice that is no word stay undecoded: what they are depends on their `type`."""

    model: str
    input: str | list[dict[str, Json]] | Absent = UNSET
    access_programs: dict[str, Json] | Absent = UNSET
    background: bool | None = None
    background_options: dict[str, Json] | Absent = UNSET
    context_management: list[dict[str, Json]] | None = None
    conversation: str | dict[str, Json] | None = None
    image: dict[str, Json] | Absent = UNSET
    include: list[Included] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: dict[str, Json] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: dict[str, Json] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | Absent = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    reasoning: ReasoningConfig | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    text: TextConfig | Absent = UNSET
    tool_choice: Literal["none", "auto", "required"] | dict[str, Json] | Absent = UNSET
    tools: list[dict[str, Json]] | Absent = UNSET
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | Absent = UNSET
