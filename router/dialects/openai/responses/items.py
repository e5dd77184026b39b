"""The input items of a Responses request: built from the vocabulary, or a caller's own made fit to be sent again."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from router.dialects import WRAPPED
from router.dialects.openai import rules
from router.types import Audio, File, Image, Json, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolKind

_LONGEST_ID = 64  # of a call; OpenAI refuses longer ones

Item = dict[str, Any]

# --- built from the vocabulary


def items_of(messages: Sequence[Message], model_id: str) -> list[Item]:
    """The conversation as items. Only reasoning that this model sealed goes back."""
    kinds: dict[str, ToolKind] = {}  # of the calls so far: a later turn may use their ids again
    items: list[Item] = []
    for message in messages:
        kinds |= {call.id: call.kind for call in message.tool_calls}
        items += _items(message, kinds, model_id)
    return items


def _items(message: Message, kinds: Mapping[str, ToolKind], model_id: str) -> Iterator[Item]:
    match message.role:
        case "assistant":
            yield from _assistant_items(message, model_id)
        case "tool":
            yield _output(message, kinds.get(message.tool_call_id or "", "function"))
        case _:
            yield {"type": "message", "role": message.role, "content": _content(message.parts)}


def _content(parts: Sequence[Part]) -> str | list[Item]:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_input_part(part) for part in parts] or ""


def _input_part(part: Part) -> Item:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image():
            return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}
        case File():
            named = {"file_data": part.data, "file_id": part.file_id, "file_url": part.url}
            named["filename"] = rules.filename(part)
            return {"type": "input_file", **{key: value for key, value in named.items() if value is not None}}
        case Audio() | Refusal() | Reasoning():
            raise TypeError("it is no part of an input message here")


def _assistant_items(message: Message, model_id: str) -> Iterator[Item]:
    said = [_output_part(part) for part in message.parts if isinstance(part, Text | Refusal)]
    spoken = [part for part in said if any(part.get(name) for name in ("text", "refusal"))]
    if spoken or message.tool_calls:  # OpenAI refuses reasoning that nothing follows
        yield from (_reasoning(part) for part in message.parts if _is_sealed(part, model_id))
    if spoken or not message.tool_calls:
        yield {"type": "message", "role": "assistant", "content": spoken or ""}
    yield from (_call(call) for call in message.tool_calls)


def _output_part(part: Text | Refusal) -> Item:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": []}


_DATE = re.compile(r"-\d{4}-\d\d-\d\d$")


def _is_sealed(part: Part, model_id: str) -> bool:
    """Whether this model sealed it; an answer names the dated version of the model that was asked."""
    seal = part.seal if isinstance(part, Reasoning) else None
    if seal is None or seal.wire != "responses":
        return False
    return seal.model == "" or _DATE.sub("", seal.model) == _DATE.sub("", model_id)


def _reasoning(part: Part) -> Item:
    if not isinstance(part, Reasoning) or part.seal is None:
        raise TypeError("only sealed reasoning goes back")
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return {"type": "reasoning", "summary": summary, "encrypted_content": part.seal.value}


def _call(call: ToolCall) -> Item:
    named = {"call_id": rules.short_id(call.id, _LONGEST_ID), "name": call.name}
    if call.kind == "custom":
        return {"type": "custom_tool_call", **named, "input": call.arguments}
    return {"type": "function_call", **named, "arguments": rules.arguments(call.arguments)}


def _output(message: Message, kind: ToolKind) -> Item:
    type_ = "function_call_output" if kind == "function" else "custom_tool_call_output"
    call_id = rules.short_id(message.tool_call_id or "", _LONGEST_ID)
    return {"type": type_, "call_id": call_id, "output": _content(message.parts)}


# --- the caller's own

# Items that we hand out too, with ids of ours: OpenAI takes them without, and asks for the whole turn of ids it knows.
_HANDED_OUT = frozenset({"message", "function_call", "custom_tool_call"})
_RETURNED = frozenset({"function_call_output", "custom_tool_call_output"})


def user_item(text: str) -> Item:
    """An input that is a text, as the item it stands for."""
    return {"type": "message", "role": "user", "content": text}


def as_sent(items: Sequence[Json], kept: Collection[str] = ()) -> list[Json]:
    """Items, of the caller or of a stored conversation, that OpenAI takes whoever answered before.

    OpenAI's own tools' are left as they are: nobody else makes them, and some go by their ids. So are those `kept` by
    the provider that is asked.
    """
    return [sent for item in items if (sent := _item_as_sent(item, kept)) is not None]


def _item_as_sent(item: Item, kept: Collection[str]) -> Item | None:
    if item.get("id") in kept:
        return _without_nulls(item)
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind == "reasoning":
        return _without_nulls(item) if _is_native(item.get("encrypted_content")) else None
    if kind not in _HANDED_OUT | _RETURNED:
        return item
    sent = _without_nulls(item)
    sent.pop("id", None)
    if "call_id" in sent:
        sent["call_id"] = rules.short_id(sent["call_id"], _LONGEST_ID)
    if kind == "function_call":
        sent["arguments"] = rules.arguments(sent["arguments"])
    if isinstance(sent.get("content"), list):
        sent["content"] = [_without_nulls(part) for part in sent["content"]]
    return sent


def _is_native(cipher: Json) -> bool:
    return isinstance(cipher, str) and bool(cipher) and not cipher.startswith(WRAPPED)


def _without_nulls(document: Item) -> Item:
    return {name: value for name, value in document.items() if value is not None}
