"""The system prompt and the messages of a caller of the Messages API -> the vocabulary's messages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

import msgspec

from router.bodies import missing, wrong
from router.dialects.messages import fields
from router.errors import BadRequest
from router.types import CacheTtl, File, Image, Message, Part, Reasoning, Seal, Text, ToolCall

_ROLES = ("user", "assistant", "system")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")

Place = Literal["user", "assistant", "system", "tool_result"]

# Where a type of block may stand. A type that is not here, only Anthropic knows.
_PLACES: Mapping[str, tuple[Place, ...]] = {
    "text": ("user", "assistant", "system", "tool_result"),
    "image": ("user", "assistant", "tool_result"),
    "document": ("user", "assistant", "tool_result"),
    "tool_result": ("user",),
    "tool_use": ("assistant",),
    "thinking": ("assistant",),
    "redacted_thinking": ("assistant",),
}


@dataclass(frozen=True, slots=True)
class _Block:
    path: str
    type: str
    members: Mapping[str, Any]

    def text(self, name: str) -> str:
        return fields.text(f"{self.path}.{name}", self.members.get(name))

    def title(self, name: str) -> str | None:
        return fields.given(f"{self.path}.{name}", self.members.get(name), str) or None

    @property
    def cache(self) -> CacheTtl | None:
        return fields.cache(f"{self.path}.cache_control", self.members.get("cache_control"))


@dataclass(frozen=True, slots=True)
class _Said:
    """One message as it came."""

    path: str
    role: Place
    blocks: tuple[_Block, ...]


def read_system(value: object) -> tuple[Message, ...]:
    """The system prompt, one message a block, as each is a paragraph of its own."""
    return () if value is None or value == "" else tuple(_system_messages(_blocks("system", "system", value)))


def read_messages(value: object) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The messages, and the names of what in them only Anthropic knows.

    Messages of one role in a row are one turn, as the API has it. A turn of the user that answers tool calls becomes
    tool messages, and behind them what else it says.
    """
    if value is None:
        raise missing("messages")
    listed: list[object] = fields.given("messages", value, list)
    if not listed:
        raise wrong("messages", "messages is empty; it has at least one message", "empty_array")
    said = [_said(f"messages[{index}]", item) for index, item in enumerate(listed)]
    messages = tuple(_conversation(said))
    return messages, tuple(name for one in said for name in _native_names(one.role, one.blocks))


def _said(path: str, value: object) -> _Said:
    message = fields.members(path, value)
    role = message.get("role")
    if role not in _ROLES:
        raise wrong(f"{path}.role", f"{path}.role is {str(role)[:40]!r}; it can be {', '.join(_ROLES)}")
    blocks = _blocks(f"{path}.content", role, message.get("content"))
    if not blocks and role != "assistant":
        raise wrong(f"{path}.content", f"{path}.content is empty; a {role} message has content", "empty_array")
    return _Said(path, role, blocks)


def _blocks(path: str, place: Place, value: object) -> tuple[_Block, ...]:
    """A string stands for one block of text, an empty one for none."""
    if value is None:
        raise missing(path)
    if isinstance(value, str):
        if value:
            _check_text(path, place, value)
        return (_Block(path, "text", {"text": value}),) if value else ()
    if not isinstance(value, list):
        raise wrong(path, f"{path} is a string or an array of blocks", "invalid_type")
    return tuple(_block(f"{path}[{index}]", place, item) for index, item in enumerate(value))


def _block(path: str, place: Place, value: object) -> _Block:
    members = fields.members(path, value)
    block = _Block(path, fields.text(f"{path}.type", members.get("type")), members)
    if block.type in _PLACES and place not in _PLACES[block.type]:
        raise wrong(f"{path}.type", f"{path}.type is {block.type}, which a {place} has no blocks of")
    if block.type == "text":
        _check_text(f"{path}.text", place, block.text("text"))
    return block


def _check_text(path: str, place: Place, text: str) -> None:
    """Blank text is refused where callers write it; what models and tools said is taken as it was."""
    if place in ("user", "system") and not text.strip():
        raise wrong(path, f"{path} is blank; it has more than white space")


# --- turns


def _conversation(said: Sequence[_Said]) -> Iterator[Message]:
    calls: tuple[ToolCall, ...] = ()  # of the turn before
    for role, group in groupby(said, key=lambda one: one.role):
        turn = list(group)
        blocks = [block for one in turn for block in one.blocks]
        if role == "user":
            yield from _tool_messages(turn[0].path, blocks, calls)
            yield from _user_messages(turn)
            calls = ()
            continue
        if calls:
            raise _unanswered(turn[0].path, calls)
        if role == "system":
            yield from _system_messages(blocks)
            continue
        answer = _assistant_message(blocks)
        calls = answer.tool_calls
        if answer.parts or calls:
            yield answer
    if calls:
        raise _unanswered("messages", calls)


def _unanswered(path: str, calls: Sequence[ToolCall]) -> BadRequest:
    return wrong(path, f"tool_use {calls[0].id[:64]!r} has no tool_result in the turn right after it")


def _system_messages(blocks: Iterable[_Block]) -> Iterator[Message]:
    for block in blocks:
        if block.type != "text":
            raise wrong(f"{block.path}.type", f"{block.path}.type is {block.type[:40]!r}; it can be text")
        yield Message("system", tuple(_parts(block)))


def _user_messages(turn: Iterable[_Said]) -> Iterator[Message]:
    for said in turn:
        parts = tuple(part for block in said.blocks for part in _parts(block))
        if parts:
            yield Message("user", parts)


def _tool_messages(path: str, blocks: Iterable[_Block], calls: Sequence[ToolCall]) -> Iterator[Message]:
    """The results among `blocks`: one for each of `calls`."""
    waiting = {call.id: call for call in calls}
    for block in blocks:
        if block.type == "tool_result":
            call_id = block.text("tool_use_id")
            if waiting.pop(call_id, None) is None:
                where = f"{block.path}.tool_use_id"
                raise wrong(where, f"{where} answers no open tool_use of the turn right before it")
            failed = fields.given(f"{block.path}.is_error", block.members.get("is_error"), bool) or False
            yield Message("tool", _result_parts(block), tool_call_id=call_id, failed=failed)
    if waiting:
        raise _unanswered(path, list(waiting.values()))


def _result_parts(block: _Block) -> tuple[Part, ...]:
    parts = [part for inner in _result_blocks(block) for part in _parts(inner)]
    return tuple(_marked(parts, block.cache))


def _result_blocks(block: _Block) -> tuple[_Block, ...]:
    content = block.members.get("content")
    return () if content is None else _blocks(f"{block.path}.content", "tool_result", content)


def _marked(parts: list[Part], cache: CacheTtl | None) -> list[Part]:
    """A mark for the cache on what holds `parts` stands on the last of them."""
    last = parts[-1] if parts else None
    if cache is not None and isinstance(last, Text | Image | File):
        parts[-1] = replace(last, cache=cache)
    return parts


def _assistant_message(blocks: Sequence[_Block]) -> Message:
    thoughts = [_thought(block) for block in blocks if block.type in ("thinking", "redacted_thinking")]
    texts = [part for block in blocks if block.type == "text" for part in _parts(block)]
    calls: dict[str, ToolCall] = {}
    for block in blocks:
        if block.type == "tool_use":
            call = _call(block)
            if call.id in calls:
                raise wrong(f"{block.path}.id", f"two tool_use blocks of one turn have the id {call.id[:64]!r}")
            calls[call.id] = call
    return Message("assistant", (*thoughts, *texts), tuple(calls.values()))


def _call(block: _Block) -> ToolCall:
    arguments = fields.members(f"{block.path}.input", block.members.get("input"))
    return ToolCall(block.text("id"), block.text("name"), msgspec.json.encode(arguments).decode())


def _thought(block: _Block) -> Reasoning:
    """A piece without a signature is another provider's, which signs nothing."""
    if block.type == "redacted_thinking":
        return Reasoning(seal=Seal(block.text("data"), "messages"), hidden=True)
    signature = block.text("signature")
    return Reasoning(block.text("thinking"), Seal(signature, "messages") if signature else None)


# --- content


def _parts(block: _Block) -> Iterator[Part]:
    """What the block says; nothing for a type that is no content or that only Anthropic knows."""
    match block.type:
        case "text":
            yield Text(block.text("text"), block.cache)
        case "image":
            yield from _image(block)
        case "document":
            yield from _marked(_document(block), block.cache)


def _source(block: _Block) -> _Block:
    path = f"{block.path}.source"
    source = fields.members(path, block.members.get("source"))
    return _Block(path, fields.text(f"{path}.type", source.get("type")), source)


def _image(block: _Block) -> Iterator[Image]:
    source = _source(block)
    match source.type:
        case "base64":
            yield Image(_data_url(source, _IMAGE_TYPES), cache=block.cache)
        case "url":
            yield Image(_web_url(source), cache=block.cache)
        case "file":
            source.text("file_id")  # checked alone: the vocabulary has no such images
        case _:
            raise _unknown_source(source, "base64, url, file")


def _document(block: _Block) -> list[Part]:
    """A document of text or blocks is text to the model: its title and context go before it."""
    source = _source(block)
    title, context = block.title("title"), block.title("context")
    match source.type:
        case "text":
            return [Text("\n\n".join(filter(None, [title, context, source.text("data")])))]
        case "content":
            head = "\n\n".join(filter(None, [title, context]))
            inner = _blocks(f"{source.path}.content", "tool_result", source.members.get("content"))
            return [*([Text(head)] if head else []), *(part for one in inner for part in _parts(one))]
        case "base64":
            file = File(data=_data_url(source, ("application/pdf",)), filename=title)
        case "url":
            file = File(url=_web_url(source), filename=title)
        case "file":
            file = File(file_id=source.text("file_id"), filename=title)
        case _:
            raise _unknown_source(source, "base64, text, content, url, file")
    return [Text(context), file] if context else [file]


def _unknown_source(source: _Block, known: str) -> BadRequest:
    return wrong(f"{source.path}.type", f"{source.path}.type is {source.type[:40]!r}; it can be {known}")


def _data_url(source: _Block, media_types: Sequence[str]) -> str:
    media_type = source.text("media_type")
    if media_type not in media_types:
        where = f"{source.path}.media_type"
        raise wrong(where, f"{where} is {media_type[:40]!r}; it can be {', '.join(media_types)}")
    return f"data:{media_type};base64,{source.text('data')}"


def _web_url(source: _Block) -> str:
    url = source.text("url")
    if not url.startswith(("https://", "http://")):
        raise wrong(f"{source.path}.url", f"{source.path}.url is an https URL")
    return url


def _native_names(place: Place, blocks: Iterable[_Block]) -> Iterator[str]:
    """What in these blocks no other wire format can say."""
    for block in blocks:
        if block.type not in _PLACES or (place == "assistant" and block.type in ("image", "document")):
            yield f"{block.path}.{block.type[:40]}"
        elif block.type == "tool_result":
            yield from _native_names("tool_result", _result_blocks(block))
        elif block.type in ("image", "document"):
            if _source(block).type == "file":
                yield f"{block.path}.source.file_id"
            citations = block.members.get("citations")
            if isinstance(citations, dict) and citations.get("enabled"):
                yield f"{block.path}.citations"
