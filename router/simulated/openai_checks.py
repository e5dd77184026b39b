"""What OpenAI's chat completions refuse beyond the shape of a request, in OpenAI's words. Pure."""

import re

from msgspec import UNSET, UnsetType

from router.simulated.openai_models import Abilities, abilities, check_model
from router.simulated.openai_shapes import (
    AllowedChoice,
    Assistant,
    AudioPart,
    CustomChoice,
    FilePart,
    FunctionChoice,
    FunctionTool,
    ImagePart,
    Message,
    Named,
    ObjectFormat,
    Request,
    SchemaFormat,
    TextPart,
    ToolMessage,
    User,
)
from router.simulated.openai_wire import (
    bad_pattern,
    check_answer_schema,
    check_length,
    check_metadata,
    check_parameters,
    check_range,
    empty_array,
    long_array,
    missing,
    refused,
    unsupported,
)
from router.simulated.wire import Refused


def check(request: Request) -> None:
    """Raises Refused as OpenAI would."""
    check_model(request.model, "chat/completions")
    able = abilities(request.model)
    _check_values(request)
    _check_messages(request.messages)
    _check_tools(request)
    _check_functions(request)
    _check_format(request)
    _check_cache(request, able)
    if request.stream_options is not None and not request.stream:
        raise refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if able.reasons:
        _check_reasoning_model(request, able)
    elif request.reasoning_effort is not None:
        raise refused("Unrecognized request argument supplied: reasoning_effort", None)


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


def _check_values(request: Request) -> None:
    for name, low, high in _RANGES:
        check_range(name, getattr(request, name), low, high)
    if isinstance(request.stop, list) and len(request.stop) > 4:
        raise long_array("stop", 4)
    if request.safety_identifier is not None:
        check_length("safety_identifier", request.safety_identifier, 128)
    if request.top_logprobs is not None and not request.logprobs:
        raise refused("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if request.audio is not None or "audio" in (request.modalities or ()):
        message = "Unsupported value: 'modalities' does not support 'audio' with this model."
        raise refused(message, "modalities", "unsupported_value")
    check_metadata(request.metadata)


def _check_cache(request: Request, able: Abilities) -> None:
    """Cache options came with gpt-5.6; from gpt-5.5 on a cache is always kept for 24 hours."""
    if not isinstance(request.prompt_cache_options, UnsetType) and able.version < (5, 6):
        raise unsupported("prompt_cache_options")
    if request.prompt_cache_retention == "in_memory" and able.version >= (5, 5):
        message = "Unsupported value: 'prompt_cache_retention' does not support 'in_memory' with this model."
        raise refused(message, "prompt_cache_retention", "unsupported_value")


def _check_messages(messages: list[Message]) -> None:
    if not messages:
        raise empty_array("messages")
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
        raise empty_array(f"messages[{index}].tool_calls")
    spoken = message.refusal is not None or message.audio is not None or message.function_call is not None
    if message.content is None and not calls and not spoken:
        raise refused("Invalid value for 'content': expected a string, got null.", f"messages.[{index}].content")
    for place, call in enumerate(calls):
        check_length(f"messages[{index}].tool_calls[{place}].id", call.id, 40)
    return [call.id for call in calls]


def _check_parts(message: Message, index: int) -> None:
    if message.content == []:
        raise empty_array(f"messages[{index}].content")
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
            raise missing(f"{where}.file.file_id")


_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _check_tools(request: Request) -> None:
    if isinstance(request.tools, UnsetType):
        for name in ("tool_choice", "parallel_tool_calls"):
            if getattr(request, name) is not UNSET:
                raise _only_with(name, "tools")
        return
    if not request.tools:
        raise empty_array("tools")
    names = tool_names(request)
    for index, name in enumerate(names):
        if not _TOOL_NAME.fullmatch(name):
            raise bad_pattern(f"tools[{index}].function.name")
    for index, tool in enumerate(request.tools):
        if isinstance(tool, FunctionTool) and not isinstance(tool.function.parameters, UnsetType):
            function, where = tool.function, f"tools[{index}].function.parameters"
            check_parameters(function.name, tool.function.parameters, function.strict is True, where)
    for name in chosen_names(request.tool_choice):
        if name not in names:
            raise refused(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")


def _only_with(name: str, other: str) -> Refused:
    return refused(f"Invalid value for '{name}': '{name}' is only allowed when '{other}' are specified.", name)


def _check_functions(request: Request) -> None:
    """The form that tools had before they were called so."""
    if isinstance(request.functions, UnsetType):
        if request.function_call is not UNSET:
            raise _only_with("function_call", "functions")
        return
    if not isinstance(request.tools, UnsetType):
        raise refused("'functions' and 'tools' cannot both be specified; use 'tools'.", "functions")
    if not request.functions:
        raise empty_array("functions")
    for index, function in enumerate(request.functions):
        if not _TOOL_NAME.fullmatch(function.name):
            raise bad_pattern(f"functions[{index}].name")
        if not isinstance(function.parameters, UnsetType):
            check_parameters(function.name, function.parameters, False, f"functions[{index}].parameters")
    names = [function.name for function in request.functions]
    if isinstance(request.function_call, Named) and request.function_call.name not in names:
        raise refused(f"Function '{request.function_call.name}' not found in 'functions'.", "function_call")


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
        raise bad_pattern("response_format.json_schema.name")
    if isinstance(named.schema, UnsetType):
        raise missing("response_format.json_schema.schema")
    check_answer_schema(named.name, named.schema, named.strict is True, "response_format")


def text_of(message: Message) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


_NEVER = ("stop", "frequency_penalty", "presence_penalty", "logit_bias")


def _check_reasoning_model(request: Request, able: Abilities) -> None:
    if request.max_tokens is not None:
        raise unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in _NEVER:
        if getattr(request, name) is not None:
            raise unsupported(name)
    effort = request.reasoning_effort or able.default_effort
    if request.reasoning_effort is not None and effort not in able.efforts("chat/completions"):
        levels = ", ".join(f"'{level}'" for level in able.efforts("chat/completions"))
        message = (
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
            f"Supported values are: {levels}."
        )
        raise refused(message, "reasoning_effort", "unsupported_value")
    if effort != "none":
        _check_thinking(request)
    _check_tools_with_effort(request, able)


def _check_thinking(request: Request) -> None:
    if request.temperature is not None and request.temperature != 1:
        message = (
            f"Unsupported value: 'temperature' does not support {request.temperature} with this model. "
            "Only the default (1) value is supported."
        )
        raise refused(message, "temperature", "unsupported_value")
    if request.top_p is not None:
        raise unsupported("top_p")
    if request.logprobs:
        raise unsupported("logprobs")


def _check_tools_with_effort(request: Request, able: Abilities) -> None:
    """From gpt-5.4 function tools exclude an effort, from gpt-5.6 also the default one."""
    tools = [] if isinstance(request.tools, UnsetType) else request.tools
    if isinstance(request.functions, UnsetType) and not any(isinstance(tool, FunctionTool) for tool in tools):
        return
    explicit = request.reasoning_effort not in (None, "none")
    if (explicit and able.version >= (5, 4)) or (request.reasoning_effort is None and able.version >= (5, 6)):
        message = (
            f"Function tools with reasoning_effort are not supported for {request.model} in /v1/chat/completions. "
            "Please use /v1/responses instead."
        )
        raise refused(message, "reasoning_effort")
