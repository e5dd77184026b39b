"""What OpenAI's Responses API refuses beyond the shape of a request and its items, in OpenAI's words. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import UnsetType

from router.simulated.memory import Memory
from router.simulated.openai_models import Abilities, Effort, abilities, check_model
from router.simulated.openai_responses_items import Conversation, conversation, convert, text_of
from router.simulated.openai_responses_shapes import (
    HOSTED_TOOLS,
    AllowedChoice,
    CustomTool,
    FunctionTool,
    InputMessage,
    NamedChoice,
    Request,
    SchemaFormat,
    TextConfig,
)
from router.simulated.openai_shapes import ObjectFormat
from router.simulated.openai_wire import (
    bad_pattern,
    check_answer_schema,
    check_length,
    check_metadata,
    check_parameters,
    check_range,
    missing,
    refused,
    unsupported,
)
from router.simulated.wire import Refused

Json = Any


def check(request: Request, memory: Memory) -> Conversation:
    """The whole conversation. Raises Refused as OpenAI would."""
    check_model(request.model, "responses")
    able = abilities(request.model)
    _check_values(request)
    _check_reasoning(request, able)
    _check_include(request, able)
    _check_cache(request, able)
    _check_tools(request)
    whole = conversation(_input(request), _before(request, memory), memory)
    _check_format(request, whole)
    return whole


def effort(request: Request) -> Effort:
    asked = request.reasoning.effort if request.reasoning is not None else None
    return asked or abilities(request.model).default_effort


def tools(request: Request) -> list[FunctionTool | CustomTool]:
    """Those that the caller runs; the provider's own are left out."""
    given = [] if isinstance(request.tools, UnsetType) else request.tools
    read = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given)]
    return [tool for tool in read if tool is not None]


def chosen_names(request: Request) -> list[str]:
    """The tools that tool_choice names."""
    match request.tool_choice:
        case {"type": "allowed_tools"}:
            allowed = convert(request.tool_choice, AllowedChoice, "tool_choice")
            return [str(tool["name"]) for tool in allowed.tools if "name" in tool]
        case {"type": "function" | "custom"}:
            return [convert(request.tool_choice, NamedChoice, "tool_choice").name]
        case _:
            return []


def _input(request: Request) -> str | list[dict[str, Json]]:
    continues = request.previous_response_id is not None
    if not isinstance(request.input, UnsetType) and (request.input != [] or continues):
        return request.input
    if continues:
        return []
    message = (
        "Missing required parameter: one of 'input', 'previous_response_id', 'prompt' or 'conversation' must be given."
    )
    raise refused(message, "input", "missing_required_parameter")


def _before(request: Request, memory: Memory) -> tuple[dict[str, Json], ...]:
    """The items of the response that this one continues."""
    id_ = request.previous_response_id
    if id_ is not None and request.conversation is not None:
        message = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Provide only one of them."
        raise refused(message, None, "mutually_exclusive_parameters")
    if request.conversation is not None:
        name = request.conversation if isinstance(request.conversation, str) else request.conversation.get("id")
        raise Refused(f"Conversation with id '{name}' not found.", status=404, kind="invalid_request_error")
    if request.prompt is not None:
        name = request.prompt.get("id")
        raise Refused(f"Prompt with id '{name}' not found.", status=404, kind="invalid_request_error", param="prompt")
    if id_ is None:
        return ()
    if not id_.startswith("resp"):
        message = f"Invalid 'previous_response_id': '{id_}'. Expected an ID that begins with 'resp'."
        raise refused(message, "previous_response_id", "invalid_value")
    kept = memory.find(id_)
    if kept is None:
        message = f"Previous response with id '{id_}' not found."
        raise refused(message, "previous_response_id", "previous_response_not_found")
    return kept.items


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_logprobs", 0, 20),
    ("max_output_tokens", 16, 2**31),
    ("max_tool_calls", 1, 2**31),
)


def _check_values(request: Request) -> None:
    for name, low, high in _RANGES:
        check_range(name, getattr(request, name), low, high)
    if request.safety_identifier is not None:
        check_length("safety_identifier", request.safety_identifier, 128)
    check_metadata(request.metadata)
    if request.stream_options is not None and not request.stream:
        raise refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _check_reasoning(request: Request, able: Abilities) -> None:
    asked = request.reasoning.effort if request.reasoning is not None else None
    if asked is not None and not able.reasons:
        raise unsupported("reasoning.effort")
    if asked is not None and asked not in able.efforts("responses"):
        levels = ", ".join(f"'{level}'" for level in able.efforts("responses"))
        message = (
            f"Unsupported value: '{asked}' is not supported with the '{request.model}' model. Supported values are: "
            f"{levels}."
        )
        raise refused(message, "reasoning.effort", "unsupported_value")
    if effort(request) == "none":
        return
    if request.temperature not in (None, 1):
        raise unsupported("temperature")
    for name in ("top_p", "top_logprobs"):
        if getattr(request, name) is not None:
            raise unsupported(name)


def _check_include(request: Request, able: Abilities) -> None:
    included = request.include or []
    if "reasoning.encrypted_content" in included and not able.reasons:
        raise refused("Encrypted content is not supported with this model.", "include")
    if "message.output_text.logprobs" in included and effort(request) != "none":
        raise refused("logprobs are not supported with reasoning models.", "include")


def _check_cache(request: Request, able: Abilities) -> None:
    if not isinstance(request.prompt_cache_options, UnsetType) and able.version < (5, 6):
        raise unsupported("prompt_cache_options")
    if request.prompt_cache_retention == "in_memory" and able.version >= (5, 5):
        message = "Unsupported value: 'prompt_cache_retention' does not support 'in_memory' with this model."
        raise refused(message, "prompt_cache_retention", "unsupported_value")


_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _check_tools(request: Request) -> None:
    given = [] if isinstance(request.tools, UnsetType) else request.tools
    for index, document in enumerate(given):
        tool, where = _tool(document, f"tools[{index}]"), f"tools[{index}]"
        if tool is not None and not _NAME.fullmatch(tool.name):
            raise bad_pattern(f"{where}.name")
        if isinstance(tool, FunctionTool) and tool.parameters is not None:
            check_parameters(tool.name, tool.parameters, tool.strict is True, f"{where}.parameters")
    _check_choice(request, [tool.name for tool in tools(request)], [str(tool.get("type")) for tool in given])


def _tool(document: Mapping[str, Json], where: str) -> FunctionTool | CustomTool | None:
    """None for one of the provider's own."""
    if "type" not in document:
        raise missing(f"{where}.type")
    kind = str(document["type"])
    if kind in HOSTED_TOOLS:
        return None
    if kind not in ("function", "custom"):
        raise refused(f"Invalid value: '{kind}'.", f"{where}.type", "invalid_value")
    if "name" not in document:
        raise missing(f"{where}.name")
    if kind == "custom":
        return convert(document, CustomTool, where)
    return convert(document, FunctionTool, where)


def _check_choice(request: Request, names: list[str], kinds: list[str]) -> None:
    choice = request.tool_choice
    if choice == "required" and not kinds:
        raise refused("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    for name in chosen_names(request):
        if name not in names:
            raise refused(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") not in ("function", "custom", "allowed_tools", *kinds):
        raise refused(f"Tool choice '{choice.get('type')}' not found in 'tools' parameter.", "tool_choice")


def _check_format(request: Request, whole: Conversation) -> None:
    form = request.text.format if isinstance(request.text, TextConfig) else None
    if isinstance(form, ObjectFormat):
        said = [text_of(item) for item in whole.items if isinstance(item, InputMessage)]
        if not any("json" in text.lower() for text in (*said, request.instructions or "")):
            message = (
                "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
                "'json_object'."
            )
            raise refused(message, "input")
    if isinstance(form, SchemaFormat):
        if not _NAME.fullmatch(form.name):
            raise bad_pattern("text.format.name")
        check_answer_schema(form.name, form.schema, form.strict is True, "text.format.schema")
