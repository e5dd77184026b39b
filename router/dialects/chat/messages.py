"""The messages of a chat completions request -> our vocabulary, each complaint with the path to its place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from router.bodies import filled, member, missing, one_of, optional_one_of, optional_text, text, wrong
from router.dialects.chat.reasoning import read_reasoning
from router.types import Audio, CacheTtl, File, Image, Message, Part, Refusal, Role, Seal, Text, ToolCall, ToolKind

_ROLES = (*get_args(Role), "function")
_KINDS = get_args(ToolKind)
_DETAILS = ("auto", "low", "high", "original")
_PARTS: Mapping[str, tuple[str, ...]] = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "tool": ("text", "image_url"),  # OpenAI takes text alone; others take images too, and clients send them
}


def read_messages(value: object) -> tuple[Message, ...]:
    """`messages` of the body."""
    listed = filled("messages", value)
    messages = tuple(_message(index, listed) for index in range(len(listed)))
    _check_tool_turns(messages)
    return messages


def native_parts(listed: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What these messages, which have been read, hold that no other wire format can say: audio that a model said."""
    return tuple(f"messages[{index}].audio" for index, message in enumerate(listed) if message.get("audio"))


def _message(index: int, listed: Sequence[Any]) -> Message:
    path = f"messages[{index}]"
    message = member(path, listed[index])
    role: Any = one_of(f"{path}.role", message.get("role"), _ROLES)
    name = optional_text(f"{path}.name", message.get("name"))
    match role:
        case "assistant":
            return _assistant(index, message, name)
        case "tool":
            return _tool_result(path, message)
        case "function":
            return _function_result(index, listed)
        case _:
            return Message(role, _content(path, role, message), name=name)


def _tool_result(path: str, message: Mapping[str, Any]) -> Message:
    call_id = text(f"{path}.tool_call_id", message.get("tool_call_id"))
    if not call_id:
        raise missing(f"{path}.tool_call_id")
    return Message("tool", _content(path, "tool", message), tool_call_id=call_id)


def _assistant(index: int, message: Mapping[str, Any], name: str | None) -> Message:
    path = f"messages[{index}]"
    calls = _tool_calls(f"{path}.tool_calls", message.get("tool_calls"))
    if message.get("function_call") is not None:
        calls = (*calls, _old_call(index, message["function_call"]))
    refusal = optional_text(f"{path}.refusal", message.get("refusal"))
    said = (Refusal(refusal),) if refusal else ()
    spoken = message.get("content") not in (None, [])
    content = _content(path, "assistant", message) if spoken else ()
    if not (spoken or said or calls or message.get("audio")):
        raise missing(f"{path}.content")
    return Message("assistant", (*read_reasoning(path, message), *content, *said), calls, name=name)


# --- the old form: one call in a turn, answered by the message behind it ------------------------------------------


def _old_call(index: int, value: object) -> ToolCall:
    """The old form has no ids, so a call is called after the place of its message."""
    path = f"messages[{index}].function_call"
    call = member(path, value)
    name = text(f"{path}.name", call.get("name"))
    return ToolCall(f"call_fn_{index}", name, text(f"{path}.arguments", call.get("arguments")))


def _function_result(index: int, listed: Sequence[Any]) -> Message:
    path = f"messages[{index}]"
    message = listed[index]
    text(f"{path}.name", message.get("name"))
    before = listed[index - 1] if index else {}
    if before.get("function_call") is None:
        raise wrong(path, f"{path} answers no function_call: the message before it has none")
    content = () if message.get("content") is None else _content(path, "function", message)
    return Message("tool", content, tool_call_id=f"call_fn_{index - 1}")


# --- content ------------------------------------------------------------------------------------------------------


def _content(path: str, role: str, message: Mapping[str, Any]) -> tuple[Part, ...]:
    where, value = f"{path}.content", message.get("content")
    if isinstance(value, str):
        parts: tuple[Part, ...] = (Text(value),)
    elif isinstance(value, dict | bool | int | float):
        raise wrong(where, f"{where} is a string or an array of parts", "invalid_type")
    else:
        parts = tuple(_part(f"{where}[{at}]", role, item) for at, item in enumerate(filled(where, value)))
    mark = cache_mark(path, message)  # on the message it means its end
    return parts if mark is None else (*parts[:-1], _marked(parts[-1], mark))


def _marked(part: Part, mark: CacheTtl) -> Part:
    return replace(part, cache=mark) if isinstance(part, Text | Image | File) else part


def _part(path: str, role: str, value: object) -> Part:
    part = member(path, value)
    kind = one_of(f"{path}.type", part.get("type"), _PARTS.get(role, ("text",)))
    cache = cache_mark(path, part)
    match kind:
        case "refusal":
            return Refusal(text(f"{path}.refusal", part.get("refusal")))
        case "image_url":
            return _image(f"{path}.image_url", part.get("image_url"), cache)
        case "input_audio":
            audio = member(f"{path}.input_audio", part.get("input_audio"))
            format_ = one_of(f"{path}.input_audio.format", audio.get("format"), ("wav", "mp3"))
            return Audio(text(f"{path}.input_audio.data", audio.get("data")), format_)
        case "file":
            return _file(f"{path}.file", part.get("file"), cache)
        case _:
            return Text(text(f"{path}.text", part.get("text")), cache)


def _image(path: str, value: object, cache: CacheTtl | None) -> Image:
    image = member(path, value)
    url = text(f"{path}.url", image.get("url"))
    if not url.startswith(("https://", "http://", "data:image/")):
        raise wrong(f"{path}.url", f"{path}.url is an https URL or a data:image/...;base64 URL")
    return Image(url, optional_one_of(f"{path}.detail", image.get("detail"), _DETAILS), cache)


def _file(path: str, value: object, cache: CacheTtl | None) -> File:
    file = member(path, value)
    data, file_id, name = (
        optional_text(f"{path}.{key}", file.get(key)) for key in ("file_data", "file_id", "filename")
    )
    if data is None and file_id is None:
        raise wrong(path, f"{path} has file_data or file_id", "missing_required_parameter")
    if data is not None and not data.startswith("data:"):
        raise wrong(f"{path}.file_data", f"{path}.file_data is a data:...;base64 URL")
    return File(data, file_id, name, cache=cache)


def cache_mark(path: str, holder: Mapping[str, Any]) -> CacheTtl | None:
    """How long a prompt prefix that ends at `holder` is worth caching: by Anthropic's mark, which many clients set, or
    by OpenAI's, which promises half an hour at least."""
    control, breakpoint_ = holder.get("cache_control"), holder.get("prompt_cache_breakpoint")
    if control is not None:
        where = f"{path}.cache_control"
        one_of(f"{where}.type", member(where, control).get("type"), ("ephemeral",))
        ttl: CacheTtl | None = optional_one_of(f"{where}.ttl", control.get("ttl"), get_args(CacheTtl))
        return ttl or "5m"
    if breakpoint_ is not None:
        where = f"{path}.prompt_cache_breakpoint"
        one_of(f"{where}.mode", member(where, breakpoint_).get("mode"), ("explicit",))
        optional_one_of(f"{where}.ttl", breakpoint_.get("ttl"), ("30m", "12h"))
        return "1h"
    return None


# --- calls --------------------------------------------------------------------------------------------------------


def _tool_calls(path: str, value: object) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    return tuple(_tool_call(f"{path}[{at}]", item) for at, item in enumerate(filled(path, value)))


def _tool_call(path: str, value: object) -> ToolCall:
    call = member(path, value)
    kind: ToolKind = optional_one_of(f"{path}.type", call.get("type"), _KINDS) or "function"
    named = member(f"{path}.{kind}", call.get(kind))
    given = "arguments" if kind == "function" else "input"
    return ToolCall(
        text(f"{path}.id", call.get("id")),
        text(f"{path}.{kind}.name", named.get("name")),
        text(f"{path}.{kind}.{given}", named.get(given)),
        kind,
        _seal(path, call),
    )


def _seal(path: str, call: Mapping[str, Any]) -> Seal | None:
    """Gemini's signature, as Google's own endpoint of this wire format carries it, or LiteLLM."""
    for keys in (("extra_content", "google"), ("provider_specific_fields",)):
        where, holder = path, call
        for key in keys:
            where = f"{where}.{key}"
            holder = member(where, holder.get(key) or {})
        if signature := optional_text(f"{where}.thought_signature", holder.get("thought_signature")):
            return Seal(signature, "gemini")
    return None


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
            text_ = f"before messages[{index}], tool call {min(open_ids)[:64]!r} has no answer"
            raise wrong(f"messages[{index}]", text_)
        open_ids = {call.id for call in message.tool_calls}
    if open_ids:
        raise wrong("messages", f"tool call {min(open_ids)[:64]!r} has no tool message that answers it")
