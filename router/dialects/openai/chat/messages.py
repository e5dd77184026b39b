"""The messages of a chat completions request: built from the vocabulary, or the caller's made fit for a provider."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from router.dialects.openai import rules
from router.types import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall

_LONGEST_ID = 40  # of a tool call; OpenAI refuses longer ones

# --- the caller's own

# What clients send back of our answers, of other gateways' and of their own bookkeeping, and OpenAI refuses.
_ECHOED = frozenset({"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "annotations", "parsed",
                     "images", "provider_specific_fields", "extra_content", "cache_control"})  # fmt: skip
_ECHOED_IN_CALLS = frozenset({"index", "parsed_arguments", "extra_content", "provider_specific_fields"})
_CACHE_MARK = "cache_control"  # a hint to another provider's cache


def as_sent(message: dict[str, Any]) -> dict[str, Any]:
    """A caller's message without nulls, echoes, and hints to another provider's cache."""
    sent = {name: _filled(value) for name, value in message.items() if name not in _ECHOED and value is not None}
    if "content" in message:
        sent["content"] = _filled(message["content"])  # null, where the model said nothing else
    if "tool_calls" in sent:
        sent["tool_calls"] = [_call_as_sent(call) for call in sent["tool_calls"]]
    if "tool_call_id" in sent:
        sent["tool_call_id"] = rules.short_id(sent["tool_call_id"], _LONGEST_ID)
    return sent


def _call_as_sent(call: dict[str, Any]) -> dict[str, Any]:
    sent = {"type": "function", **_without(call, _ECHOED_IN_CALLS)}
    sent["id"] = rules.short_id(sent["id"], _LONGEST_ID)
    if "function" in sent:
        sent["function"] = _without(sent["function"], _ECHOED_IN_CALLS)
        sent["function"]["arguments"] = rules.arguments(sent["function"]["arguments"])
    return sent


def tool_as_sent(tool: dict[str, Any]) -> dict[str, Any]:
    """A caller's tool without nulls and hints to another provider's cache. Its schema stays as it is."""
    return {name: _given(value) if name in ("function", "custom") else value for name, value in _given(tool).items()}


def _given(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None and name != _CACHE_MARK}


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return {name: _filled(item) for name, item in _given(value).items()} if isinstance(value, dict) else value


def _without(document: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


# --- built from the vocabulary


def message_document(message: Message) -> dict[str, Any]:
    """The message without its reasoning, of which this API takes nothing back."""
    document: dict[str, Any] = {"role": message.role, "content": _content_document(message)}
    if refusal := "".join(part.text for part in message.parts if isinstance(part, Refusal)):
        document["refusal"] = refusal
    if message.tool_calls:
        document["tool_calls"] = [_call_document(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        document["tool_call_id"] = rules.short_id(message.tool_call_id, _LONGEST_ID)
    elif message.name is not None:
        document["name"] = message.name
    return document


def _content_document(message: Message) -> str | list[dict[str, Any]] | None:
    parts = [part for part in message.parts if not isinstance(part, Refusal | Reasoning)]
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    if parts:
        return [_part_document(part) for part in parts]
    says_otherwise = message.tool_calls or any(isinstance(part, Refusal) for part in message.parts)
    return None if message.role == "assistant" and says_otherwise else ""


def _part_document(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
            return {"type": "image_url", "image_url": image}
        case Audio():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        case File():
            named = {"file_data": part.data, "file_id": part.file_id, "filename": rules.filename(part)}
            return {"type": "file", "file": {key: value for key, value in named.items() if value is not None}}
        case Refusal() | Reasoning():
            raise TypeError("it is no part of a message's content here")


def _call_document(call: ToolCall) -> dict[str, Any]:
    id_ = rules.short_id(call.id, _LONGEST_ID)
    if call.kind == "custom":
        return {"id": id_, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    function = {"name": call.name, "arguments": rules.arguments(call.arguments)}
    return {"id": id_, "type": "function", "function": function}


# --- both

_ELSEWHERE = "(What the tool returned is in the next user message.)"


def with_text_results(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with tools' results of text alone, as this API takes no other; the rest follows as the user's."""
    written: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for message in messages:
        if moved and message["role"] != "tool":
            written.append({"role": "user", "content": moved})
            moved = []
        media = _media(message)
        moved += _introduced(message, media)
        written.append(_text_alone(message) if media else message)
    return [*written, {"role": "user", "content": moved}] if moved else written


def _introduced(message: Mapping[str, Any], media: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a tool returned, told as the user."""
    return media and [{"type": "text", "text": f"(Returned by tool call {message['tool_call_id']}:)"}, *media]


def _text_alone(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "content": [part for part in message["content"] if part["type"] == "text"] or _ELSEWHERE}


def _media(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    if message["role"] != "tool" or not isinstance(content, list):
        return []
    return [part for part in content if part["type"] != "text"]


def with_told(messages: Sequence[dict[str, Any]], told: str) -> list[dict[str, Any]]:
    """The messages with these words at the end of the leading system message, of which some servers take only one."""
    first, *others = messages
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": told}, *messages]
    content = first["content"]
    if isinstance(content, str):
        return [{**first, "content": f"{content}\n\n{told}"}, *others]
    return [{**first, "content": [*content, {"type": "text", "text": told}]}, *others]
