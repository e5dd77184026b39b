"""What Anthropic's Messages API refuses beyond the shape of a request, in Anthropic's words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from router.simulated.anthropic_models import Abilities, abilities, is_signed
from router.simulated.anthropic_schema import faults
from router.simulated.anthropic_shapes import (
    Adaptive,
    AnyChoice,
    Base64Source,
    BetweenTools,
    Block,
    CacheControl,
    CustomTool,
    Disabled,
    Document,
    Enabled,
    Image,
    Message,
    OutputConfig,
    RedactedThinking,
    Request,
    SchemaFormat,
    ServerToolUse,
    Text,
    Thinking,
    ToolChoice,
    ToolReference,
    ToolResult,
    ToolUse,
)
from router.simulated.schemas import malformed
from router.simulated.wire import Misshapen, Refused, misshapen

Json = Any
T = TypeVar("T")

VERSIONS = ("2023-06-01", "2026-10-21")


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages of one role in a row, as the API merges them. `index` is that of the first."""

    role: str
    index: int
    blocks: tuple[Block, ...]


def check(request: Request, version: str) -> None:
    """Raises Refused as Anthropic would."""
    model = abilities(request.model)
    _check_numbers(request, model)
    _check_thinking(request, model)
    _check_sampling(request, model, version)
    _check_system(request)
    _check_messages(request, model, version)
    _check_turns(turns(request.messages), model)
    _check_tools(request, model)
    _check_output(request, model)
    _check_cache(request)
    if isinstance(request.thinking, Enabled):
        _check_budget_turns(turns(request.messages))


def refused(message: str) -> Refused:
    return Refused(message, kind="invalid_request_error")


def turns(messages: list[Message]) -> list[Turn]:
    merged: list[Turn] = []
    for index, message in enumerate(messages):
        blocks = (Text(message.content),) if isinstance(message.content, str) else tuple(message.content)
        if merged and merged[-1].role == message.role:
            blocks = (*merged[-1].blocks, *blocks)
            merged[-1] = Turn(message.role, merged[-1].index, blocks)
        else:
            merged.append(Turn(message.role, index, blocks))
    return merged


def thinks(request: Request) -> bool:
    if isinstance(request.thinking, UnsetType):
        return abilities(request.model).thinks_by_default
    return isinstance(request.thinking, Enabled | Adaptive)


_OWN_TOOL = re.compile(
    r"(web_search|web_fetch|code_execution|bash|text_editor|memory|computer|advisor|tool_search_tool_(bm25|regex)|"
    r"(browser|computer|mcp)_toolset)(_20\d{6})?"
)


def tool_of(tool: dict[str, Json], index: int) -> CustomTool | None:
    """A custom tool, None for one of the provider's own (web search and the like)."""
    kind = tool.get("type")
    if kind not in (None, "custom"):
        if not _OWN_TOOL.fullmatch(str(kind)):
            raise refused(
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            )
        return None
    return _converted(tool, CustomTool, f"tools[{index}].custom")


def _converted(value: Json, type_: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        fault = misshapen(str(error))
        path = where + (f".{fault.path}" if fault.path else "")
        raise shape(Misshapen(path, fault.problem, fault.found, fault.wanted)) from None


_WANTED = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
    "object": "dictionary",
}


def shape(fault: Misshapen) -> Refused:
    """A fault of shape in Anthropic's words."""
    name = fault.field.replace("[", ".").replace("]", "")
    match fault.problem:
        case "json":
            return refused(f"The request body is not valid JSON: {fault.found}")
        case "missing":
            return refused(f"{name}: Field required")
        case "unknown":
            return refused(f"{name}: Extra inputs are not permitted")
        case "type":
            wanted = next((_WANTED[part] for part in fault.wanted.split(" | ") if part in _WANTED), "dictionary")
            return refused(f"{name}: Input should be a valid {wanted}")
        case _ if name.endswith(".type"):
            return refused(
                f"{name.removesuffix('.type')}: Input tag '{fault.found}' found using 'type' does not match any of the "
                "expected tags"
            )
        case _:
            return refused(f"{name}: Unexpected value '{fault.found}'")


def _check_numbers(request: Request, model: Abilities) -> None:
    if request.max_tokens < 1:
        raise refused("max_tokens: Input should be greater than or equal to 1")
    if request.max_tokens > model.max_output_tokens:
        raise refused(
            f"max_tokens: {request.max_tokens} > {model.max_output_tokens}, which is the maximum allowed number of "
            f"output tokens for {request.model}"
        )
    if not isinstance(request.stop_sequences, UnsetType) and not all(
        sequence.strip() for sequence in request.stop_sequences
    ):
        raise refused("stop_sequences: each stop sequence must contain non-whitespace")
    if not isinstance(request.metadata, UnsetType) and "@" in (request.metadata.user_id or ""):
        raise refused("metadata.user_id: user_id appears to contain an email address")


def _check_thinking(request: Request, model: Abilities) -> None:
    thinking = request.thinking
    match thinking:
        case Enabled() if not model.sampling:
            raise refused(
                '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
                '"output_config.effort" to control thinking behavior.'
            )
        case Enabled() if thinking.budget_tokens < 1024:
            raise refused("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        case Enabled() if thinking.budget_tokens >= request.max_tokens:
            raise refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
        case Adaptive() if not model.adaptive:
            raise refused("adaptive thinking is not supported on this model")
        case Disabled() if model.thinks_always:
            raise refused('"thinking.type.disabled" is not supported for this model.')
        case BetweenTools() if not model.thinks_between_tools:
            raise refused('"thinking.type.between_tools" is not supported for this model.')
        case Disabled() if model.version >= (5, 0) and _effort(request) in ("xhigh", "max"):
            raise refused(f'"thinking.type.disabled" is not supported with effort "{_effort(request)}".')
    forced = isinstance(request.tool_choice, AnyChoice | ToolChoice)
    if forced and not model.forced_tools:
        raise refused("tool_choice: this model does not support forcing tool use; use `auto` or `none`.")
    if forced and thinks(request):
        raise refused("Thinking may not be enabled when tool_choice forces tool use.")


def _effort(request: Request) -> str | None:
    return None if isinstance(request.output_config, UnsetType) else request.output_config.effort


def _check_sampling(request: Request, model: Abilities, version: str) -> None:
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(request, name)
        if value is UNSET:
            continue
        if version == "2026-10-21":
            raise refused(f"{name}: Extra inputs are not permitted")
        if not model.sampling and (name == "top_k" or value != 1):
            raise refused(f"`{name}` is deprecated for this model.")
        if name != "top_k" and not 0 <= value <= 1:
            raise refused(f"{name}: range: 0..1")
    if model.sampling and request.temperature is not UNSET and request.top_p is not UNSET:
        raise refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if thinks(request) and request.temperature not in (UNSET, 1):
        raise refused("`temperature` may only be set to 1 when thinking is enabled.")


def _check_system(request: Request) -> None:
    if isinstance(request.system, list):
        for block in request.system:
            _check_text(block, "system")


def _check_text(block: Text, where: str) -> None:
    if not block.text:
        raise refused(f"{where}: text content blocks must be non-empty")
    if block.text.isspace():
        raise refused(f"{where}: text content blocks must contain non-whitespace text")


def _check_messages(request: Request, model: Abilities, version: str) -> None:
    messages = request.messages
    if not messages:
        raise refused("messages: at least one message is required")
    if messages[0].role != "user":
        raise refused('messages: first message must use the "user" role')
    for index, message in enumerate(messages):
        if message.role == "system" and not model.system_turns:
            raise refused(
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
        if not message.content:
            raise refused(f"messages.{index}: {message.role} messages must have non-empty content")
        if isinstance(message.content, str):
            _check_text(Text(message.content), "messages")
            continue
        for place, block in enumerate(message.content):
            _check_block(block, message.role, f"messages.{index}.content.{place}", version)
        _check_thinking_order(message, index)


_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def _check_block(block: Block | ToolReference, role: str, where: str, version: str) -> None:
    match block:
        case Text():
            _check_text(block, "messages")
            if block.citations and role == "user" and version == "2026-10-21":
                raise refused(f"{where}.text.citations: citations are not permitted on user text blocks")
        case Image(source=Base64Source(media_type=media)) if media not in _IMAGES:
            raise refused(f"{where}.image.source.base64.media_type: Input should be one of {', '.join(_IMAGES)}")
        case Document() if role == "assistant" and version == "2026-10-21":
            raise refused(f"{where}: `document` blocks are not permitted in assistant messages")
        case ToolUse() | Thinking() | RedactedThinking() | ServerToolUse() if role != "assistant":
            raise refused(f"{where}: `{_tag(block)}` blocks can only be in `assistant` messages")
        case ToolResult() if role != "user":
            raise refused(f"{where}: `tool_result` blocks can only be in `user` messages")
        case ToolUse() if not _ID.fullmatch(block.id):
            raise refused(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        case ToolResult(content=list(parts)):
            for part in parts:
                _check_block(part, role, where, version)
        case Thinking() if not is_signed(block.thinking, block.signature):
            raise refused(f"{where}: Invalid `signature` in `thinking` block")
        case RedactedThinking() if not is_signed("redacted", block.data):
            raise refused(f"{where}: Invalid `data` in `redacted_thinking` block")


def _check_thinking_order(message: Message, index: int) -> None:
    """Thoughts come before what they led to: before the first tool call, and never last."""
    blocks = [] if isinstance(message.content, str) else message.content
    thoughts = [place for place, block in enumerate(blocks) if isinstance(block, Thinking | RedactedThinking)]
    calls = [place for place, block in enumerate(blocks) if isinstance(block, ToolUse)]
    if thoughts and thoughts[-1] == len(blocks) - 1:
        raise refused(f"messages.{index}: The final block in an assistant message cannot be `thinking`.")
    if thoughts and calls and calls[0] < thoughts[0]:
        raise refused(
            f"messages.{index}.content.{calls[0]}.type: Expected `thinking` or `redacted_thinking`, but found "
            "`tool_use`. A turn that has thinking blocks must not call a tool before the first of them."
        )


def _tag(block: Block | ToolReference) -> str:
    return str(block.__struct_config__.tag)


def _check_turns(merged: list[Turn], model: Abilities) -> None:
    used: list[str] = []
    for place, turn in enumerate(merged):
        calls = [block.id for block in turn.blocks if isinstance(block, ToolUse)]
        _check_results(merged, place)
        used += calls
        if len(set(used)) < len(used):
            raise refused(f"messages.{turn.index}: `tool_use` ids must be unique")
        if calls:
            _check_answered(merged, place, calls)
    if merged[-1].role == "assistant" and not model.prefill:
        raise refused(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_answered(merged: list[Turn], place: int, calls: list[str]) -> None:
    """Every tool_use is answered at the very start of the next turn."""
    following = merged[place + 1] if place + 1 < len(merged) else None
    answered = [block.tool_use_id for block in _leading_results(following)]
    if missing := [id_ for id_ in calls if id_ not in answered]:
        raise refused(
            f"messages.{merged[place].index}: `tool_use` ids were found without `tool_result` blocks immediately "
            f"after: {', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
            "next message."
        )


def _leading_results(turn: Turn | None) -> Iterator[ToolResult]:
    for block in turn.blocks if turn is not None else ():
        if not isinstance(block, ToolResult):
            return
        yield block


def _check_results(merged: list[Turn], place: int) -> None:
    turn = merged[place]
    before = merged[place - 1].blocks if place else ()
    calls = [block.id for block in before if isinstance(block, ToolUse)]
    results = [block.tool_use_id for block in turn.blocks if isinstance(block, ToolResult)]
    for id_ in results:
        if id_ not in calls:
            raise refused(
                f"messages.{turn.index}: unexpected `tool_use_id` found in `tool_result` blocks: {id_}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if results.count(id_) > 1:
            raise refused(
                f"messages.{turn.index}: each tool_use must have a single result. Found multiple `tool_result` blocks "
                f"with id: {id_}"
            )


def _check_budget_turns(merged: list[Turn]) -> None:
    """With a thinking budget, a turn that calls tools begins with its thinking."""
    for turn in merged:
        calls = any(isinstance(block, ToolUse) for block in turn.blocks)
        if calls and not isinstance(turn.blocks[0], Thinking | RedactedThinking):
            raise refused(
                f"messages.{turn.index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{_tag(turn.blocks[0])}`. When `thinking` is enabled, a final `assistant` message must start with a "
                "thinking block."
            )


_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def _check_tools(request: Request, model: Abilities) -> None:
    given = [] if isinstance(request.tools, UnsetType) else request.tools
    if not given and not isinstance(request.tool_choice, UnsetType):
        raise refused("tool_choice: may only be specified while providing tools")
    names = [str(tool.get("name", "")) for tool in given]
    for index, tool in enumerate(given):
        custom = tool_of(tool, index)
        if custom is not None:
            _check_tool(custom, f"tools.{index}.custom")
    if len(set(names)) < len(names):
        raise refused("tools: Tool names must be unique.")
    if isinstance(request.tool_choice, ToolChoice) and request.tool_choice.name not in names:
        raise refused(f"Tool '{request.tool_choice.name}' not found in provided tools")


def _check_tool(tool: CustomTool, where: str) -> None:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if "type" not in tool.input_schema:
        raise refused(f"{where}.input_schema.type: Field required")
    if tool.input_schema["type"] != "object":
        raise refused(f"{where}.input_schema.type: Input should be 'object'")
    _check_schema(tool.input_schema, f"{where}.input_schema")
    if tool.strict and (fault := next(faults(tool.input_schema), None)):
        raise refused(f"{where}.input_schema: {fault}")


def answer_format(request: Request) -> SchemaFormat | None:
    """What holds the answer: in output_config, or where the beta had it."""
    if isinstance(request.output_format, SchemaFormat):
        return request.output_format
    return request.output_config.format if isinstance(request.output_config, OutputConfig) else None


def _check_output(request: Request, model: Abilities) -> None:
    effort, form = _effort(request), answer_format(request)
    if effort is not None and not model.efforts:
        raise refused("This model does not support the effort parameter.")
    if effort is not None and effort not in model.efforts:
        raise refused(f"output_config.effort: '{effort}' is not supported for this model")
    if form is None:
        return
    _check_schema(form.schema, "output_config.format.schema")
    if fault := next(faults(form.schema), None):
        raise refused(f"output_config.format.schema: {fault}")


def _check_schema(schema: dict[str, Json], where: str) -> None:
    if fault := malformed(schema):
        raise refused(f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12: {fault}")


def cache_ttls(request: Request) -> list[str]:
    """How long each breakpoint of the cache holds, in the order in which they are processed."""
    tools = [] if isinstance(request.tools, UnsetType) else request.tools
    system = request.system if isinstance(request.system, list) else []
    blocks = [block for turn in turns(request.messages) for block in turn.blocks]
    nested = [[*_parts(block), block] for block in blocks]
    marks = [_tool_mark(tool, index) for index, tool in enumerate(tools)]
    marks += [getattr(block, "cache_control", None) for block in (*system, *chain.from_iterable(nested))]
    marks.append(request.cache_control)
    return ["5m" if isinstance(mark.ttl, UnsetType) else mark.ttl for mark in marks if mark is not None]


def _parts(block: Block) -> Sequence[object]:
    return block.content if isinstance(block, ToolResult) and isinstance(block.content, list) else ()


def _tool_mark(tool: dict[str, Json], index: int) -> CacheControl | None:
    mark = tool.get("cache_control")
    return None if mark is None else _converted(mark, CacheControl, f"tools[{index}].cache_control")


def _check_cache(request: Request) -> None:
    ttls = cache_ttls(request)
    if len(ttls) > 4:
        raise refused(f"A maximum of 4 blocks with cache_control may be provided. Found {len(ttls)}.")
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        raise refused(
            "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
            "Note that blocks are processed in the following order: `tools`, `system`, `messages`."
        )
