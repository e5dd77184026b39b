"""The items of a Responses conversation: read, found again by id, and held to OpenAI's rules. Pure."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec import UnsetType

from router.simulated.memory import Memory
from router.simulated.openai_responses_shapes import (
    HOSTED_ITEMS,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HostedItem,
    InputFile,
    InputImage,
    InputMessage,
    InputPart,
    InputText,
    Item,
    ItemReference,
    OutputMessage,
    OutputText,
    Reasoning,
)
from router.simulated.openai_wire import check_length, empty_array, missing, refused, shape
from router.simulated.wire import Misshapen, Refused, misshapen

Json = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What went before and what came now, as sent and as read."""

    documents: tuple[dict[str, Json], ...]
    items: tuple[Item, ...]


def conversation(said: str | list[dict[str, Json]], before: Sequence[dict[str, Json]], memory: Memory) -> Conversation:
    """The input behind the items `before` it. Raises Refused as OpenAI would."""
    given = [{"type": "message", "role": "user", "content": said}] if isinstance(said, str) else said
    own = [_own(document, f"input[{index}]", memory) for index, document in enumerate(given)]
    _check_reasoning_followed([item for _, item in own])
    items = [*(_read_item(document, "input") for document in before), *(item for _, item in own)]
    _check_pairs(items)
    return Conversation((*before, *(document for document, _ in own)), tuple(items))


def encrypted_reasoning(item_id: str) -> str:
    """What only the item of this id may carry."""
    content = item_id.encode() + b"." + hashlib.sha256(b"simulated reasoning " + item_id.encode()).digest() * 8
    return _SEAL + base64.urlsafe_b64encode(content).decode()


def convert(document: Json, type_: type[T], where: str) -> T:
    """`document` as a `type_`. Raises Refused with the path behind `where`."""
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        fault = misshapen(str(error))
        path = f"{where}.{fault.path}" if fault.path else where
        raise shape(Misshapen(path, fault.problem, fault.found, fault.wanted)) from None


def text_of(item: Item) -> str:
    """The text of a message or of a tool's output."""
    match item:
        case InputMessage() | OutputMessage():
            parts: Sequence[object] | str = item.content
        case FunctionCallOutput() | CustomToolCallOutput():
            parts = item.output
        case _:
            return ""
    if isinstance(parts, str):
        return parts
    return "".join(part.text for part in parts if isinstance(part, InputText | OutputText))


def attached(item: Item) -> int:
    """Bytes of the attachments of an item: they are not counted as text."""
    if not isinstance(item, InputMessage) or isinstance(item.content, str):
        return 0
    return sum(_attachment(part) for part in item.content)


def _attachment(part: InputPart) -> int:
    match part:
        case InputImage():
            return len(part.image_url or "")
        case InputFile(file_data=str(data)):
            return len(data)
        case _:
            return 0


_ROLES = ("assistant", "system", "developer", "user")


def _read_item(document: dict[str, Json], where: str) -> Item:
    implied = "item_reference" if "role" not in document and "id" in document else "message"
    match kind := str(document.get("type") or implied):
        case "message":
            return _read_message(document, where)
        case "function_call":
            return convert(document, FunctionCall, where)
        case "function_call_output":
            return convert(document, FunctionCallOutput, where)
        case "custom_tool_call":
            return convert(document, CustomToolCall, where)
        case "custom_tool_call_output":
            return convert(document, CustomToolCallOutput, where)
        case "reasoning":
            return convert(document, Reasoning, where)
        case "item_reference":
            return convert(document, ItemReference, where)
        case _ if kind in HOSTED_ITEMS:
            return HostedItem(kind)
        case _:
            raise refused(f"Invalid value: '{kind}'.", f"{where}.type", "invalid_value")


def _read_message(document: dict[str, Json], where: str) -> InputMessage | OutputMessage:
    if "role" not in document:
        raise missing(f"{where}.role")
    if document["role"] not in _ROLES:
        known = "'assistant', 'system', 'developer', and 'user'"
        message = f"Invalid value: '{document['role']}'. Supported values are: {known}."
        raise refused(message, f"{where}.role", "invalid_value")
    if document["role"] == "assistant":
        return convert(document, OutputMessage, where)
    return convert(document, InputMessage, where)


def _own(document: dict[str, Json], where: str, memory: Memory) -> tuple[dict[str, Json], Item]:
    """An item of the input, checked; in the place of a reference the item that it leads to."""
    item = _read_item(document, where)
    if not isinstance(item, ItemReference):
        _check_item(item, where, memory)
        return document, item
    stored = memory.item(item.id)
    if stored is None:
        raise _not_stored(item.id)
    return stored, _read_item(stored, where)


def _not_stored(item_id: str) -> Refused:
    message = (
        f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. Try again with "
        "`store` set to true, or remove this item from your input."
    )
    return Refused(message, status=404, kind="invalid_request_error", param="input")


def _check_item(item: Item, where: str, memory: Memory) -> None:
    match item:
        case InputMessage() | OutputMessage():
            _check_id(item.id, "msg", where)
            _check_content(item, where)
        case FunctionCall():
            _check_id(item.id, "fc", where)
            _check_call_id(item.call_id, where)
        case CustomToolCall():
            _check_id(item.id, "ctc", where)
            _check_call_id(item.call_id, where)
        case FunctionCallOutput() | CustomToolCallOutput():
            _check_call_id(item.call_id, where)
        case Reasoning():
            _check_id(item.id, "rs", where)
            _check_reasoning(item, memory)


_ID = re.compile(r"[a-zA-Z0-9_-]+")


def _check_id(item_id: str | UnsetType, prefix: str, where: str) -> None:
    if isinstance(item_id, UnsetType):
        return
    check_length(f"{where}.id", item_id, 64)
    if not item_id.startswith(prefix):
        message = f"Invalid '{where}.id': '{item_id}'. Expected an ID that begins with '{prefix}'."
        raise refused(message, f"{where}.id", "invalid_value")
    if not _ID.fullmatch(item_id):
        message = (
            f"Invalid '{where}.id': '{item_id}'. Expected an ID that contains letters, numbers, underscores, or "
            "dashes, but this value contained additional characters."
        )
        raise refused(message, f"{where}.id", "invalid_value")


def _check_call_id(call_id: str, where: str) -> None:
    if not call_id:
        message = f"Invalid '{where}.call_id': empty string. Expected a string with minimum length 1."
        raise refused(message, f"{where}.call_id", "empty_string")
    check_length(f"{where}.call_id", call_id, 64)


def _check_content(item: InputMessage | OutputMessage, where: str) -> None:
    if item.content == []:
        raise empty_array(f"{where}.content")
    for place, part in enumerate(() if isinstance(item.content, str) else item.content):
        name = f"{where}.content[{place}]"
        match part:
            case InputImage(image_url=None, file_id=None):
                raise missing(f"{name}.image_url")
            case InputImage(image_url=str(url)) if not url.startswith(("https://", "http://", "data:image/")):
                message = f"Invalid '{name}.image_url'. Expected a valid URL, but got a value with an invalid format."
                raise refused(message, f"{name}.image_url", "invalid_value")
            case InputFile(file_data=UnsetType(), file_id=None, file_url=UnsetType()):
                raise missing(f"{name}.file_id")


def _check_reasoning(item: Reasoning, memory: Memory) -> None:
    """It is either stored under its id or carries, encrypted, what this server gave it."""
    item_id = "" if isinstance(item.id, UnsetType) else item.id
    if item.encrypted_content is None:
        if memory.item(item_id) is None:
            raise _not_stored(item_id)
        return
    sealed_for = _opened(item.encrypted_content)
    if sealed_for is None or (item_id and sealed_for != item_id):
        why = "could not be decrypted or parsed." if sealed_for is None else "item_id did not match the target item id."
        message = f"The encrypted content for item {item_id} could not be verified. Reason: Encrypted content {why}"
        raise refused(message, None, "invalid_encrypted_content")


_SEAL = "gAAAAAB"


def _opened(content: str) -> str | None:
    """The id of the item that this was made for, None when it wasn't made here."""
    try:
        inner = base64.urlsafe_b64decode(content.removeprefix(_SEAL))
        item_id = inner.partition(b".")[0].decode()
    except (binascii.Error, ValueError):
        return None
    return item_id if encrypted_reasoning(item_id) == content else None


def _check_reasoning_followed(items: list[Item]) -> None:
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        belongs = isinstance(following, OutputMessage | FunctionCall | CustomToolCall | Reasoning | HostedItem)
        if isinstance(item, Reasoning) and not belongs:
            name = "" if isinstance(item.id, UnsetType) else item.id
            message = f"Item '{name}' of type 'reasoning' was provided without its required following item."
            raise refused(message, "input")


def _check_pairs(items: list[Item]) -> None:
    """Every call is answered, and answered after it was made, by an output of its kind."""
    waiting: dict[str, str] = {}
    for item in items:
        match item:
            case FunctionCall():
                waiting[item.call_id] = "function call"
            case CustomToolCall():
                waiting[item.call_id] = "custom tool call"
            case FunctionCallOutput() | CustomToolCallOutput():
                noun = "function call" if isinstance(item, FunctionCallOutput) else "custom tool call"
                if waiting.pop(item.call_id, None) != noun:
                    raise refused(f"No tool call found for {noun} output with call_id {item.call_id}.", "input")
    for call_id, noun in waiting.items():
        raise refused(f"No tool output found for {noun} {call_id}.", "input")
