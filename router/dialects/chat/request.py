"""What a caller of chat completions sends -> our vocabulary."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from router.bodies import flag, missing, number, read_object, typed, whole, wrong
from router.types import (
    Audio,
    ChatRequest,
    Effort,
    File,
    Image,
    Message,
    Part,
    Refusal,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
)

_ROLES = get_args(Role)
_EFFORTS = get_args(Effort)
_MAX_STOPS = 4
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

# --- what a caller sends -------------------------------------------------------------------------------


def decode_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises BadRequest with `param` for anything OpenAI itself would refuse."""
    fields = read_object(body)
    messages = _messages(fields.pop("messages", None))
    _check_tool_turns(messages)
    stream = typed(fields, "stream", bool) or False
    stream_options = typed(fields, "stream_options", dict)
    if stream_options is not None and not stream:
        raise wrong("stream_options", "stream_options goes with stream: true only")
    tools, tool_choice = _tool_choice(fields.pop("tool_choice", None), _tools(fields.pop("tools", None)))
    parallel = typed(fields, "parallel_tool_calls", bool)
    if parallel is not None and not tools:
        raise wrong("parallel_tool_calls", "parallel_tool_calls goes with tools only")
    most, most_old = (whole(fields, name, 1) for name in ("max_completion_tokens", "max_tokens"))
    return ChatRequest(
        model=_model(fields.pop("model", None)),
        messages=messages,
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=parallel,
        response_format=_response_format(fields.pop("response_format", None)),
        max_tokens=most_old if most is None else most,
        temperature=number(fields, "temperature", 0, 2),
        top_p=number(fields, "top_p", 0, 1),
        stop=_stop(fields.pop("stop", None)),
        seed=typed(fields, "seed", int),
        effort=_effort(fields.pop("reasoning_effort", None)),
        n=whole(fields, "n", 1, 128) or 1,
        user=typed(fields, "user", str),
        stream=stream,
        include_usage=flag("stream_options.include_usage", (stream_options or {}).get("include_usage")) or False,
        logprobs=_logprobs(fields),
        others=_others(fields),
        raw=body,
    )


def _logprobs(fields: dict[str, Any]) -> int | None:
    wanted, alternatives = typed(fields, "logprobs", bool), whole(fields, "top_logprobs", 0, 20)
    if alternatives is not None and not wanted:
        raise wrong("top_logprobs", "top_logprobs goes with logprobs: true only")
    return (alternatives or 0) if wanted else None


_OTHER_KINDS = {"store": bool, "logit_bias": dict, "metadata": dict, "modalities": list,
                "functions": list, "service_tier": str, "verbosity": str}  # fmt: skip


def _others(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the vocabulary has no word for, OpenAI's own ones checked."""
    others = {name: value for name, value in fields.items() if value is not None}
    if others:
        unchecked = dict(others)
        for name in ("frequency_penalty", "presence_penalty"):
            number(unchecked, name, -2, 2)
        for name, kind in _OTHER_KINDS.items():
            typed(unchecked, name, kind)
    return others


def _model(value: object) -> str:
    if value is None or value == "":
        raise missing("model")
    if not isinstance(value, str):
        raise wrong("model", "model is a string", "invalid_type")
    return value


def _effort(value: Any) -> Effort | None:
    if value is None:
        return None
    if value not in _EFFORTS:
        raise wrong("reasoning_effort", f"reasoning_effort can be {', '.join(_EFFORTS)}")
    effort: Effort = value
    return effort


def _stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise wrong("stop", "stop is a string or an array of strings", "invalid_type")
    if len(stops) > _MAX_STOPS:
        raise wrong("stop", f"stop has {len(stops)} sequences; it can have at most {_MAX_STOPS}")
    return tuple(stops)


def _messages(value: object) -> tuple[Message, ...]:
    if value is None:
        raise missing("messages")
    if not isinstance(value, list):
        raise wrong("messages", "messages is an array", "invalid_type")
    if not value:
        raise wrong("messages", "messages is empty; it has at least one message", "empty_array")
    return tuple(_message(f"messages[{index}]", item) for index, item in enumerate(value))


def _message(path: str, value: object) -> Message:
    if not isinstance(value, dict):
        raise wrong(path, f"{path} is an object with role and content", "invalid_type")
    role: Any = value.get("role")
    if role not in _ROLES:
        raise wrong(f"{path}.role", f"{path}.role is {str(role)[:40]!r}; it can be {', '.join(_ROLES)}")
    if value.get("function_call") is not None:
        where = f"{path}.function_call"
        raise wrong(where, f"{where} is the old form; use tool_calls and tool messages", "unsupported_value")
    calls = _tool_calls(f"{path}.tool_calls", value.get("tool_calls")) if role == "assistant" else ()
    parts = _content(f"{path}.content", role, value.get("content"))
    refusal = value.get("refusal")
    if role == "assistant" and isinstance(refusal, str) and refusal:
        parts = (*parts, Refusal(refusal))
    if not parts and not calls and value.get("content") is None and not (role == "assistant" and value.get("audio")):
        raise wrong(
            f"{path}.content", f"{path}.content is missing; a {role} message has content", "missing_required_parameter"
        )
    call_id = value.get("tool_call_id")
    if role == "tool" and (not isinstance(call_id, str) or not call_id):
        raise wrong(
            f"{path}.tool_call_id", f"{path}.tool_call_id names the call that it answers", "missing_required_parameter"
        )
    name = value.get("name")
    if name is not None and not isinstance(name, str):
        raise wrong(f"{path}.name", f"{path}.name is a string", "invalid_type")
    return Message(role, parts, calls, call_id if role == "tool" else None, name)


def _content(path: str, role: str, value: object) -> tuple[Part, ...]:
    if value is None:
        if role in ("assistant", "tool"):
            return ()
        raise wrong(path, f"{path} is missing; a {role} message has content", "missing_required_parameter")
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise wrong(path, f"{path} is a string or an array of parts", "invalid_type")
    return tuple(_part(f"{path}[{index}]", role, item) for index, item in enumerate(value))


def _part(path: str, role: str, value: object) -> Part:
    if not isinstance(value, dict):
        raise wrong(path, f"{path} is an object with type", "invalid_type")
    kind = value.get("type")
    if kind == "text":
        return Text(_text(f"{path}.text", value.get("text")))
    if kind == "refusal" and role == "assistant":
        return Refusal(_text(f"{path}.refusal", value.get("refusal")))
    if role == "user":
        match kind:
            case "image_url":
                return _image(f"{path}.image_url", value.get("image_url"))
            case "input_audio":
                audio = _member(f"{path}.input_audio", value.get("input_audio"))
                return Audio(
                    _text(f"{path}.input_audio.data", audio.get("data")),
                    _text(f"{path}.input_audio.format", audio.get("format")),
                )
            case "file":
                return _file(f"{path}.file", value.get("file"))
    allowed = {"user": "text, image_url, input_audio, file", "assistant": "text, refusal"}.get(role, "text")
    raise wrong(f"{path}.type", f"{path}.type is {str(kind)[:40]!r}; in a {role} message it can be {allowed}")


def _member(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(path, f"{path} is an object", "invalid_type")
    return value


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise wrong(path, f"{path} is a string", "invalid_type")
    return value


def _image(path: str, value: object) -> Image:
    image = _member(path, value)
    url = _text(f"{path}.url", image.get("url"))
    if not url.startswith(("https://", "http://", "data:image/")):
        raise wrong(f"{path}.url", f"{path}.url is an https URL or a data:image/...;base64 URL")
    detail = image.get("detail")
    return Image(url, None if detail is None else _text(f"{path}.detail", detail))


def _file(path: str, value: object) -> File:
    file = _member(path, value)
    data, file_id, name = (
        None if file.get(key) is None else _text(f"{path}.{key}", file[key])
        for key in ("file_data", "file_id", "filename")
    )
    if data is None and file_id is None:
        raise wrong(path, f"{path} has file_data or file_id", "missing_required_parameter")
    return File(data, file_id, name)


def _tool_calls(path: str, value: object) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise wrong(path, f"{path} is an array of at least one call")
    return tuple(_tool_call(f"{path}[{index}]", item) for index, item in enumerate(value))


def _tool_call(path: str, value: object) -> ToolCall:
    call = _member(path, value)
    if call.get("type", "function") != "function":
        raise wrong(f"{path}.type", f"{path}.type is {str(call.get('type'))[:40]!r}; it can be function")
    function = _member(f"{path}.function", call.get("function"))
    return ToolCall(
        _text(f"{path}.id", call.get("id")),
        _text(f"{path}.function.name", function.get("name")),
        _text(f"{path}.function.arguments", function.get("arguments")),
    )


def _check_tool_turns(messages: Sequence[Message]) -> None:
    """Each turn with tool calls is followed by one tool message per call, as OpenAI enforces it."""
    open_ids: set[str] = set()
    for index, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in open_ids:
                path = f"messages[{index}].tool_call_id"
                raise wrong(path, f"{path} answers no open tool call of the assistant message before it")
            open_ids.remove(message.tool_call_id)
            continue
        if open_ids:
            raise wrong(
                f"messages[{index}]", f"before messages[{index}], tool call {min(open_ids)[:64]!r} has no answer"
            )
        open_ids = {call.id for call in message.tool_calls}
    if open_ids:
        raise wrong("messages", f"tool call {min(open_ids)[:64]!r} has no tool message that answers it")


def _tools(value: object) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise wrong("tools", "tools is an array of at least one tool; leave it out for none", "empty_array")
    return tuple(_tool(f"tools[{index}]", item) for index, item in enumerate(value))


def _tool(path: str, value: object) -> Tool:
    tool = _member(path, value)
    if tool.get("type") != "function":
        raise wrong(
            f"{path}.type", f"{path}.type is {str(tool.get('type'))[:40]!r}; it can be function", "unsupported_value"
        )
    function = _member(f"{path}.function", tool.get("function"))
    name = _text(f"{path}.function.name", function.get("name"))
    _check_name(f"{path}.function.name", name)
    description, parameters, strict = (function.get(key) for key in ("description", "parameters", "strict"))
    return Tool(
        name,
        None if description is None else _text(f"{path}.function.description", description),
        None if parameters is None else _member(f"{path}.function.parameters", parameters),
        flag(f"{path}.function.strict", strict),
    )


def _check_name(path: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise wrong(path, f"{path} is {name[:80]!r}; it has 1 to 64 letters, digits, _ or -")


def _tool_choice(value: object, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that may be called, and how the model chooses among them."""
    if value is None:
        return tools, None
    if not tools:
        raise wrong("tool_choice", "tool_choice goes with tools only")
    match value:
        case "auto" | "none" | "required":
            return tools, ToolChoice(value)
        case {"type": "function"}:
            return tools, ToolChoice("named", _named_tool("tool_choice", value, tools))
        case {"type": "allowed_tools", "allowed_tools": allowed}:
            return _allowed_tools(_member("tool_choice.allowed_tools", allowed), tools)
    raise wrong(
        "tool_choice", "tool_choice can be auto, none, required, or an object of type function or allowed_tools"
    )


def _named_tool(path: str, value: object, tools: tuple[Tool, ...]) -> str:
    function = _member(f"{path}.function", _member(path, value).get("function"))
    name = _text(f"{path}.function.name", function.get("name"))
    if name not in [tool.name for tool in tools]:
        raise wrong(path, f"{path} names {name[:64]!r}, which is not among tools")
    return name


def _allowed_tools(allowed: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The vocabulary has the allowed tools alone; a provider of this dialect gets the caller's own fields anyway."""
    path = "tool_choice.allowed_tools"
    mode, listed = allowed.get("mode"), allowed.get("tools")
    if not isinstance(listed, list) or not listed:
        raise wrong(f"{path}.tools", f"{path}.tools is an array of at least one tool", "invalid_type")
    names = {_named_tool(f"{path}.tools[{index}]", item, tools) for index, item in enumerate(listed)}
    match mode:
        case "auto" | "required":
            return tuple(tool for tool in tools if tool.name in names), ToolChoice(mode)
    raise wrong(f"{path}.mode", f"{path}.mode can be auto or required")


def _response_format(value: object) -> ResponseFormat:
    if value is None:
        return ResponseFormat()
    format_ = _member("response_format", value)
    match format_.get("type"):
        case "text":
            return ResponseFormat()
        case "json_object":
            return ResponseFormat("json_object")
        case "json_schema":
            spec = _member("response_format.json_schema", format_.get("json_schema"))
            return _schema_format("response_format.json_schema", spec)
        case other:
            where = "response_format.type"
            raise wrong(where, f"{where} is {str(other)[:40]!r}; it can be text, json_object, json_schema")


def _schema_format(path: str, spec: dict[str, Any]) -> ResponseFormat:
    name = _text(f"{path}.name", spec.get("name"))
    _check_name(f"{path}.name", name)
    description = spec.get("description")
    return ResponseFormat(
        "json_schema",
        name,
        None if description is None else _text(f"{path}.description", description),
        _member(f"{path}.schema", spec.get("schema")),
        flag(f"{path}.strict", spec.get("strict")),
    )
