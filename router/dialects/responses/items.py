"""The items of a conversation in Responses -> messages of our vocabulary, and as the API lists them back."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router.bodies import member, missing, one_of, optional_text, text, wrong
from router.dialects.responses import seals
from router.dialects.responses.namespaces import joined
from router.errors import BadRequest
from router.types import (
    Audio,
    CacheTtl,
    File,
    Image,
    Json,
    Message,
    Part,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
)

Item = dict[str, Any]
Piece = Message | Reasoning | ToolCall  # what one item says

# --- items -> pieces -----------------------------------------------------------------------------------


def read(items: Sequence[Json], native: list[str]) -> list[Piece]:
    """What the items of `input` say. What no other wire format can is named in `native` and left out."""
    return [piece for index, item in enumerate(items) for piece in _pieces(f"input[{index}]", item, native)]


def read_history(items: Sequence[Json], native: list[str]) -> list[Piece]:
    """The same for what came before, of which the caller knows the id alone."""
    pieces: list[Piece] = []
    foreign: list[str] = []
    for item in items:
        try:
            pieces += _pieces("previous_response_id", item, foreign)
        except BadRequest:  # a provider's own item of a form that we don't know
            foreign.append("previous_response_id")
    if foreign:
        native.append("previous_response_id")
    return pieces


def references_in(items: Json) -> list[str]:
    """The ids of items that are named by them alone."""
    return [item["id"] for item in items if _is_reference(item)] if isinstance(items, list) else []


def kept_in(items: Json) -> list[str]:
    """The ids of the items, where there is reasoning among them that is known by its id alone."""
    if not isinstance(items, list):
        return []
    known = [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    by_id = any(item.get("type") == "reasoning" and not item.get("encrypted_content") for item in known)
    return [item["id"] for item in known] if by_id else []


def with_references(items: Sequence[Json], known: Mapping[str, Json]) -> list[Json]:
    """The items, each that is named by its id alone in full where it is known."""
    return [known.get(item["id"]) or item if _is_reference(item) else item for item in items]


def _is_reference(item: Json) -> bool:
    """`type` may be left out."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return False
    return item.get("type") == "item_reference" or (item.get("type") is None and "role" not in item)


def _pieces(path: str, value: Json, native: list[str]) -> Iterator[Piece]:
    item = member(path, value)
    match item.get("type") or ("message" if "role" in item else None):
        case "message":
            yield _message(path, item, native)
        case "reasoning":
            yield _reasoning(path, item)
        case "function_call" | "custom_tool_call" as kind:
            _check_caller(path, item, native)
            yield _call(path, kind, item)
        case "function_call_output" | "custom_tool_call_output":
            _check_caller(path, item, native)
            call_id = text(f"{path}.call_id", item.get("call_id"))
            yield Message("tool", _content(f"{path}.output", "tool", item.get("output"), native), tool_call_id=call_id)
        case None if "id" not in item:
            raise missing(f"{path}.type")
        case kind if kind is None or isinstance(kind, str):  # a reference to an item, or a tool of OpenAI's own
            native.append(f"{path}.type")
        case _:
            raise wrong(f"{path}.type", f"{path}.type is a string", "invalid_type")


def _check_caller(path: str, item: Item, native: list[str]) -> None:
    """OpenAI's own programs call tools too."""
    if item.get("caller") is not None and member(f"{path}.caller", item["caller"]).get("type") != "direct":
        native.append(f"{path}.caller")


def _call(path: str, kind: str, item: Item) -> ToolCall:
    call_id, name = (text(f"{path}.{key}", item.get(key)) for key in ("call_id", "name"))
    name = joined(optional_text(f"{path}.namespace", item.get("namespace")), name)
    if kind == "function_call":
        return ToolCall(call_id, name, text(f"{path}.arguments", item.get("arguments")))
    return ToolCall(call_id, name, text(f"{path}.input", item.get("input")), "custom")


def _reasoning(path: str, item: Item) -> Reasoning:
    sealed = optional_text(f"{path}.encrypted_content", item.get("encrypted_content"))
    if sealed is not None and seals.is_ours(sealed):
        try:
            return seals.unwrap(sealed)
        except ValueError:
            where = f"{path}.encrypted_content"
            raise wrong(where, f"{where} is not as it was given out", "invalid_encrypted_content") from None
    said = item.get("summary") or item.get("content") or []
    if not isinstance(said, list):
        raise wrong(f"{path}.summary", f"{path}.summary is an array", "invalid_type")
    words = "".join(text(f"{path}.summary[{n}].text", member(f"{path}.summary[{n}]", part).get("text"))
                    for n, part in enumerate(said))  # fmt: skip
    return Reasoning(words, None if sealed is None else Seal(sealed, "responses"))


_ROLES = ("user", "assistant", "system", "developer")
_KINDS = {"assistant": ("output_text", "refusal"), "tool": ("input_text", "input_image", "input_file")}
_INPUT_KINDS = ("input_text", "input_image", "input_file", "input_audio")


def _message(path: str, item: Item, native: list[str]) -> Message:
    role = one_of(f"{path}.role", item.get("role"), _ROLES)
    return Message(role, _content(f"{path}.content", role, item.get("content"), native))


def _content(path: str, role: str, value: Json, native: list[str]) -> tuple[Part, ...]:
    if value is None:
        raise missing(path)
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise wrong(path, f"{path} is a string or an array of parts", "invalid_type")
    parts = (_part(f"{path}[{index}]", role, part, native) for index, part in enumerate(value))
    return tuple(part for part in parts if part is not None)


def _part(path: str, role: str, value: Json, native: list[str]) -> Part | None:
    part = member(path, value)
    match one_of(f"{path}.type", part.get("type"), _KINDS.get(role, _INPUT_KINDS)):
        case "input_image":
            return _image(path, part, native)
        case "input_file":
            return _file(path, part)
        case "input_audio":
            audio = member(f"{path}.input_audio", part.get("input_audio"))
            data, format_ = (text(f"{path}.input_audio.{key}", audio.get(key)) for key in ("data", "format"))
            return Audio(data, format_)
        case "refusal":
            return Refusal(text(f"{path}.refusal", part.get("refusal")))
    return Text(text(f"{path}.text", part.get("text")), _cache(path, part))


def _image(path: str, part: Item, native: list[str]) -> Image | None:
    url, file_id, detail = (optional_text(f"{path}.{key}", part.get(key)) for key in ("image_url", "file_id", "detail"))
    if url is None and file_id is None:
        raise missing(f"{path}.image_url")
    if url is None:
        native.append(f"{path}.file_id")
        return None
    if not url.startswith(("https://", "http://", "data:image/")):
        raise wrong(f"{path}.image_url", f"{path}.image_url is an https URL or a data:image/...;base64 URL")
    return Image(url, detail, _cache(path, part))


def _file(path: str, part: Item) -> File:
    data, file_id, name, url = (
        optional_text(f"{path}.{key}", part.get(key)) for key in ("file_data", "file_id", "filename", "file_url")
    )
    if data is None and file_id is None and url is None:
        raise wrong(path, f"{path} has file_data, file_url or file_id", "missing_required_parameter")
    return File(data, file_id, name, url, _cache(path, part))


def _cache(path: str, part: Item) -> CacheTtl | None:
    """OpenAI keeps a marked prefix for half an hour at least."""
    mark = part.get("prompt_cache_breakpoint")
    if mark is None:
        return None
    where = f"{path}.prompt_cache_breakpoint"
    one_of(f"{where}.mode", member(where, mark).get("mode"), ("explicit",))
    return "1h"


# --- pieces -> messages --------------------------------------------------------------------------------


def as_messages(pieces: Sequence[Piece], *, complete: bool) -> tuple[Message, ...]:
    """One message for each turn: an assistant's takes in what it thought, said and called, and outputs follow it.

    In a `complete` conversation each call has its output and each output its call. Raises BadRequest.
    """
    outputs: defaultdict[str, deque[Message]] = defaultdict(deque)
    for piece in pieces:
        if isinstance(piece, Message) and piece.tool_call_id is not None:
            outputs[piece.tool_call_id].append(piece)
    messages: list[Message] = []
    for turn in _turns(pieces):
        messages.append(turn)
        for call in turn.tool_calls:
            if outputs[call.id]:
                messages.append(outputs[call.id].popleft())
            elif complete:
                raise wrong("input", f"No tool output found for {_word(call)} {call.id[:80]}.")
    left = [output for waiting in outputs.values() for output in waiting]
    if complete and left:
        raise wrong(
            "input", f"No tool call found for function call output with call_id {str(left[0].tool_call_id)[:80]}."
        )
    return (*left, *messages)


def _word(call: ToolCall) -> str:
    return "function call" if call.kind == "function" else "custom tool call"


def _turns(pieces: Sequence[Piece]) -> Iterator[Message]:
    """The turns without outputs."""
    said: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Message) and piece.role != "assistant":
            yield from _assistant_turn(said)
            said = []
            if piece.role != "tool":
                yield piece
        else:
            said.append(piece)
    yield from _assistant_turn(said)


def _assistant_turn(said: Sequence[Piece]) -> Iterator[Message]:
    thoughts = [piece for piece in said if isinstance(piece, Reasoning)]
    parts = [part for piece in said if isinstance(piece, Message) for part in piece.parts]
    calls = tuple(piece for piece in said if isinstance(piece, ToolCall))
    if parts or calls:  # a thought alone was cut off before it led to anything
        yield Message("assistant", (*thoughts, *parts), calls)


# --- items as they are listed --------------------------------------------------------------------------

_PREFIXES = {
    "message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco",
    "custom_tool_call": "ctc", "custom_tool_call_output": "ctco",
}  # fmt: skip
_WITH_STATUS = ("message", "function_call", "function_call_output")


def listed(said: Json, unique: str) -> list[Item]:
    """The `input` of a request as the API lists it: in full form, each with an id, made of `unique` if it has none."""
    items = [{"role": "user", "content": said}] if isinstance(said, str) else said or []
    return [_listed(item, f"{unique}_{index}") for index, item in enumerate(items)]


def _listed(item: Item, unique: str) -> Item:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    named = {"id": f"{_PREFIXES.get(kind, 'item')}_{unique}"}
    status = {"status": "completed"} if kind in _WITH_STATUS else {}
    full = {**named, "type": kind, **status, **{name: value for name, value in item.items() if value is not None}}
    if kind == "message" and isinstance(full.get("content"), str):
        full["content"] = [_text_part(item["role"], full["content"])]
    return full


def _text_part(role: str, words: str) -> Item:
    if role == "assistant":
        return {"type": "output_text", "text": words, "annotations": []}
    return {"type": "input_text", "text": words}
