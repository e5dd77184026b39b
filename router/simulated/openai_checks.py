"""What OpenAI's chat completions refuse beyond the shape of a request, in OpenAI's words. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from router.simulated.openai_shapes import (
    AllowedChoice,
    Assistant,
    AudioPart,
    CustomChoice,
    Effort,
    FilePart,
    Function,
    FunctionChoice,
    FunctionTool,
    ImagePart,
    Message,
    ObjectFormat,
    Request,
    SchemaFormat,
    TextPart,
    ToolMessage,
    User,
)
from router.simulated.schemas import malformed
from router.simulated.wire import Refused

Json = Any


def check(request: Request) -> None:
    """Raises Refused as OpenAI would."""
    _check_model(request.model)
    _check_ranges(request)
    _check_messages(request.messages)
    _check_tools(request)
    _check_format(request)
    if request.stream_options is not None and not request.stream:
        raise refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if reasons(request.model):
        _check_reasoning_model(request)
    elif request.reasoning_effort is not None:
        raise refused("Unrecognized request argument supplied: reasoning_effort", None)


def refused(message: str, param: str | None, code: str | None = None) -> Refused:
    return Refused(message, kind="invalid_request_error", param=param, code=code)


def reasons(model: str) -> bool:
    return _GENERATION.match(model) is not None


def tool_names(request: Request) -> list[str]:
    if isinstance(request.tools, UnsetType):
        return []
    return [tool.function.name if isinstance(tool, FunctionTool) else tool.custom.name for tool in request.tools]


def chosen_names(choice: object) -> list[str]:
    """The tools that a tool_choice names."""
    match choice:
        case FunctionChoice():
            return [choice.function.name]
        case CustomChoice():
            return [choice.custom.name]
        case AllowedChoice():
            return [name for tool in choice.allowed_tools.tools for name in chosen_names(tool)]
        case _:
            return []


_GPT = re.compile(
    r"gpt-(oss-.+|4o(-mini)?|4\.1(-mini|-nano)?|[5-9](\.\d+)?(-(mini|nano|pro|sol|terra|luna|astra))?)(-20\d\d-\d\d-\d\d)?"
)
_GENERATION = re.compile(r"gpt-(?P<major>[5-9])(?:\.(?P<minor>\d+))?")
_OURS = re.compile(r"auto\b|simulated/|claude|gemini|gpt-")  # names that no OpenAI-compatible server would know


def _check_model(model: str) -> None:
    if not model:
        raise refused("you must provide a model parameter", None)
    if _OURS.match(model) and not _GPT.fullmatch(model):
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refused(message, status=404, kind="invalid_request_error", code="model_not_found")
    if _GENERATION.match(model) and "-pro" in model:
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise Refused(message, status=404, kind="invalid_request_error", param="model")


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("frequency_penalty", -2, 2),
    ("presence_penalty", -2, 2),
    ("n", 1, 128),
    ("top_logprobs", 0, 20),
    ("max_tokens", 1, 2**31),
    ("max_completion_tokens", 1, 2**31),
)


def _check_ranges(request: Request) -> None:
    for name, low, high in _RANGES:
        value = getattr(request, name)
        if value is None or low <= value <= high:
            continue
        kind = "integer" if isinstance(value, int) else "decimal"
        side, bound = ("below_min", low) if value < low else ("above_max", high)
        word = "minimum" if value < low else "maximum"
        relation = ">=" if value < low else "<="
        message = (
            f"Invalid '{name}': {kind} {side.split('_', maxsplit=1)[0]} {word} value. "
            f"Expected a value {relation} {bound}, but got {value} instead."
        )
        raise refused(message, name, f"{kind}_{side}_value")
    if isinstance(request.stop, list) and len(request.stop) > 4:
        raise refused("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop",
                      "array_above_max_length")  # fmt: skip
    if request.safety_identifier is not None:
        _check_length("safety_identifier", request.safety_identifier, 128)
    if request.top_logprobs is not None and not request.logprobs:
        raise refused("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    metadata = request.metadata or {}
    if len(metadata) > 16:
        raise refused("Invalid 'metadata': too many properties. Expected an object with at most 16 properties.",
                      "metadata", "object_above_max_properties")  # fmt: skip
    for key, value in metadata.items():
        _check_length("metadata", key, 64)
        _check_length(f"metadata.{key}", value, 512)


def _check_length(name: str, text: str, longest: int) -> None:
    if len(text) > longest:
        message = (
            f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(text)} instead."
        )
        raise refused(message, name, "string_above_max_length")


def _empty_array(name: str) -> Refused:
    message = f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return refused(message, name, "empty_array")


def _check_messages(messages: list[Message]) -> None:
    if not messages:
        raise _empty_array("messages")
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in open_ids:
                raise refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"messages.[{index}].role",
                )
            open_ids.remove(message.tool_call_id)
            continue
        _check_answered(open_ids, index)
        _check_parts(message, index)
        if isinstance(message, Assistant):
            open_ids = _check_assistant(message, index)
    _check_answered(open_ids, len(messages))


def _check_answered(open_ids: list[str], index: int) -> None:
    if open_ids:
        raise refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_ids)}",
            f"messages.[{index}].role",
        )


def _check_assistant(message: Assistant, index: int) -> list[str]:
    """The ids of its tool calls."""
    calls = [] if isinstance(message.tool_calls, UnsetType) else message.tool_calls
    if message.tool_calls == []:
        raise _empty_array(f"messages[{index}].tool_calls")
    spoken = message.refusal is not None or message.audio is not None or message.function_call is not None
    if message.content is None and not calls and not spoken:
        raise refused("Invalid value for 'content': expected a string, got null.", f"messages.[{index}].content")
    for place, call in enumerate(calls):
        _check_length(f"messages[{index}].tool_calls[{place}].id", call.id, 40)
    return [call.id for call in calls]


def _check_parts(message: Message, index: int) -> None:
    if message.content == []:
        raise _empty_array(f"messages[{index}].content")
    if not isinstance(message, User) or isinstance(message.content, str):
        return
    for place, part in enumerate(message.content):
        where = f"messages[{index}].content[{place}]"
        if isinstance(part, AudioPart):
            raise refused("Invalid content type. input_audio is not supported by this model.", where, "invalid_value")
        if isinstance(part, ImagePart) and not part.image_url.url.startswith(("https://", "http://", "data:image/")):
            message_text = f"Invalid '{where}.image_url.url'. Expected a valid URL or a data URL of an image."
            raise refused(message_text, f"{where}.image_url.url", "invalid_value")
        if isinstance(part, FilePart) and part.file.file_data is UNSET and part.file.file_id is UNSET:
            raise refused(f"Missing required parameter: '{where}.file.file_id'.", f"{where}.file.file_id",
                          "missing_required_parameter")  # fmt: skip


_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _check_tools(request: Request) -> None:
    if isinstance(request.tools, UnsetType):
        for name in ("tool_choice", "parallel_tool_calls"):
            if getattr(request, name) is not UNSET:
                message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                raise refused(message, name)
        return
    if not request.tools:
        raise _empty_array("tools")
    names = tool_names(request)
    for index, name in enumerate(names):
        if not _TOOL_NAME.fullmatch(name):
            where = f"tools[{index}].function.name"
            message = f"Invalid '{where}': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'."
            raise refused(message, where, "invalid_value")
    for index, tool in enumerate(request.tools):
        if isinstance(tool, FunctionTool) and isinstance(tool.function.parameters, Mapping):
            _check_parameters(tool.function, index)
    for name in chosen_names(request.tool_choice):
        if name not in names:
            raise refused(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")


def _check_parameters(function: Function, index: int) -> None:
    schema = function.parameters
    where, name = f"tools[{index}].function.parameters", function.name
    if not isinstance(schema, Mapping):
        return
    if schema and schema.get("type", "object") != "object":
        got = schema["type"]
        message = (
            f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got {got!r}."
        )
        raise refused(message, where, "invalid_function_parameters")
    if fault := malformed(schema):
        message = f"Invalid schema for function '{name}': '{fault}' is not valid."
        raise refused(message, where, "invalid_function_parameters")
    if function.strict and (fault := next(_strict_faults(schema, ()), None)):
        raise refused(f"Invalid schema for function '{name}': {fault}", where, "invalid_function_parameters")


def _check_format(request: Request) -> None:
    form = request.response_format
    if isinstance(form, ObjectFormat) and not any("json" in text_of(message).lower() for message in request.messages):
        raise refused(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    if not isinstance(form, SchemaFormat):
        return
    named = form.json_schema
    if not _TOOL_NAME.fullmatch(named.name):
        message = (
            "Invalid 'response_format.json_schema.name': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'."
        )
        raise refused(message, "response_format.json_schema.name", "invalid_value")
    if isinstance(named.schema, UnsetType):
        where = "response_format.json_schema.schema"
        raise refused(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    if fault := malformed(named.schema):
        message = f"Invalid schema for response_format '{named.name}': '{fault}' is not valid."
        raise refused(message, "response_format", "invalid_json_schema")
    if named.strict and (fault := next(_strict_faults(named.schema, ()), None)):
        message = f"Invalid schema for response_format '{named.name}': {fault}"
        raise refused(message, "response_format", "invalid_json_schema")


def text_of(message: Message) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


def _strict_faults(schema: Json, context: tuple[str, ...]) -> Iterator[str]:
    """Why strict mode refuses this schema: every object is closed and has all its properties required."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _strict_faults(item, (*context, str(index)))
    if not isinstance(schema, Mapping):
        return
    named = schema.get("type")
    if named == "object" or (isinstance(named, list) and "object" in named) or "properties" in schema:
        properties = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False:
            yield f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        if missing := sorted(set(properties) - set(schema.get("required") or ())):
            yield (
                f"In context={context}, 'required' is required to be supplied and to be an array including every key "
                f"in properties. Missing '{missing[0]}'."
            )
        for key, item in properties.items():
            yield from _strict_faults(item, (*context, "properties", key))
    for key in ("items", "anyOf"):
        yield from _strict_faults(schema.get(key), (*context, key))
    for key in ("$defs", "definitions"):
        for name, item in (schema.get(key) or {}).items():
            yield from _strict_faults(item, (*context, key, name))


def default_effort(model: str) -> Effort:
    """gpt-5.4 does not think unless asked; its successors do."""
    return "none" if model.startswith("gpt-5.4") else "medium"


def _efforts(model: str) -> tuple[str, ...]:
    levels: tuple[str, ...] = ("none", "low", "medium", "high", "xhigh")
    if model.startswith("gpt-6-astra"):
        return (*levels[1:], "max")
    return levels[1:] if model.startswith("gpt-6.1-sol") else levels


_NEVER = ("stop", "frequency_penalty", "presence_penalty", "logit_bias")


def _check_reasoning_model(request: Request) -> None:
    model, effort = request.model, request.reasoning_effort or default_effort(request.model)
    if request.max_tokens is not None:
        raise _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in _NEVER:
        if getattr(request, name) is not None:
            raise _unsupported(name)
    if request.reasoning_effort is not None and effort not in _efforts(model):
        levels = ", ".join(f"'{level}'" for level in _efforts(model))
        message = (
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
            f"Supported values are: {levels}."
        )
        raise refused(message, "reasoning_effort", "unsupported_value")
    if effort != "none":
        _check_thinking(request)
    _check_tools_with_effort(request)


def _unsupported(name: str, instead: str = "") -> Refused:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    return refused(message, name, "unsupported_parameter")


def _check_thinking(request: Request) -> None:
    if request.temperature is not None and request.temperature != 1:
        message = (
            f"Unsupported value: 'temperature' does not support {request.temperature} with this model. "
            "Only the default (1) value is supported."
        )
        raise refused(message, "temperature", "unsupported_value")
    if request.top_p is not None:
        raise _unsupported("top_p")
    if request.logprobs:
        raise _unsupported("logprobs")


def _check_tools_with_effort(request: Request) -> None:
    """From gpt-5.4 function tools exclude an effort, from gpt-5.6 also the default one."""
    generation = _GENERATION.match(request.model)
    if generation is None or isinstance(request.tools, UnsetType):
        return
    if not any(isinstance(tool, FunctionTool) for tool in request.tools):
        return
    version = (int(generation["major"]), int(generation["minor"] or 0))
    explicit = request.reasoning_effort not in (None, "none")
    if (explicit and version >= (5, 4)) or (request.reasoning_effort is None and version >= (5, 6)):
        message = (
            f"Function tools with reasoning_effort are not supported for {request.model} in /v1/chat/completions. "
            "Please use /v1/responses instead."
        )
        raise refused(message, "reasoning_effort")
