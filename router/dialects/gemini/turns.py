"""Messages -> systemInstruction and contents: turns, calls and their results, media, thought signatures."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from router.dialects import as_function_call, mended
from router.errors import BadRequest
from router.types import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall

TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")

# --- what can't be said --------------------------------------------------------------------------------


def message_obstacles(messages: Sequence[Message]) -> Iterator[str]:
    yield from _opening_obstacles(messages)
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not all(TOOL_NAME.fullmatch(call.name) for call in message.tool_calls):
            yield f"{where}.tool_calls: a name starts with a letter or an underscore for this model"
        if message.role in ("system", "developer") and not all(isinstance(part, Text) for part in message.parts):
            yield f"{where}: instructions are text only for this model"
        else:
            yield from _media_obstacles(where, message.parts)


def _opening_obstacles(messages: Sequence[Message]) -> Iterator[str]:
    """A call must come after a turn of the user, and one without any text is none."""
    for message in messages:
        if message.role == "user" and any(map(_is_said, message.parts)):
            return
        if message.tool_calls:
            yield "messages: the first tool call comes after something that the user says, for this model"
            return


def _media_obstacles(where: str, parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case File(data=None, url=None):
                yield f"{where}: file_id is an id of another provider"
            case Image() | Audio() | File() if _mime_type(part) not in _MIME_TYPES:
                kind = {Image: "image_url", Audio: "input_audio", File: "file"}[type(part)]
                yield f"{where}: {kind} is {_mime_type(part)[:40] or 'of unknown type'}, which this model can't read"


# --- turns ---------------------------------------------------------------------------------------------


def conversation(messages: Sequence[Message], model_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parts of systemInstruction, and contents. A system message after the first turn rides in the next user's.

    Raises BadRequest with `param`.
    """
    instruction: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for index, message, results in _steps(messages):
        answers = _results(index, message, results)
        parts = _parts(index, message)
        if message.role == "assistant":
            _add_model_turn(contents, [*parts, *_calls(index, message, model_id)])
        elif message.role == "user":
            _add_user_turn(contents, [*notes, *parts])
            notes = []
        elif contents:
            notes += [{"text": f"<system>\n{part['text']}\n</system>"} for part in parts]
        else:
            instruction += parts
        _add_user_turn(contents, answers)
    _add_user_turn(contents, notes)
    if not contents:  # the API wants a user turn, where OpenAI answers to instructions alone
        _add_user_turn(contents, instruction)
        instruction = []
    if not contents:
        raise BadRequest("messages have no text but empty ones; this model needs some", param="messages")
    _sign(contents)
    return instruction, contents


def _steps(messages: Sequence[Message]) -> list[tuple[int, Message, list[Message]]]:
    """Each message with its index and the tool messages that follow it."""
    steps: list[tuple[int, Message, list[Message]]] = []
    for index, message in enumerate(messages):
        if message.role != "tool":
            steps.append((index, message, []))
        elif steps:
            steps[-1][2].append(message)
        else:
            raise _unasked(index)
    return steps


def _unasked(index: int) -> BadRequest:
    param = f"messages[{index}].tool_call_id"
    return BadRequest(f"{param} answers no open tool call of the assistant message before it", param=param)


def _add_user_turn(contents: list[dict[str, Any]], parts: list[dict[str, Any]]) -> None:
    if parts:
        contents.append({"role": "user", "parts": parts})


def _add_model_turn(contents: list[dict[str, Any]], parts: list[dict[str, Any]]) -> None:
    """A call must come right after a user turn, so neighbouring model turns become one."""
    if contents and contents[-1]["role"] == "model":
        contents[-1]["parts"] += parts
    elif parts:
        contents.append({"role": "model", "parts": parts})


# --- calls and results ---------------------------------------------------------------------------------


def _calls(index: int, message: Message, model_id: str) -> list[dict[str, Any]]:
    return [
        _call(f"messages[{index}].tool_calls[{place}]", as_function_call(call), model_id)
        for place, call in enumerate(message.tool_calls)
    ]


def _call(where: str, call: ToolCall, model_id: str) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": _arguments(where, call), "id": call.id}}
    if call.seal is not None and call.seal.wire == "gemini" and call.seal.model in ("", model_id):
        part["thoughtSignature"] = call.seal.value
    return part


def _arguments(where: str, call: ToolCall) -> dict[str, Any]:
    arguments = _object(call.arguments or "{}")
    if arguments is None:
        param = f"{where}.function.arguments"
        raise BadRequest(f"{param} is not the JSON text of an object, which this model needs", param=param)
    return arguments


def _results(index: int, message: Message, results: Sequence[Message]) -> list[dict[str, Any]]:
    """One functionResponse for each call of `message`, in the order of the calls, then the media that fit in none."""
    answers: dict[str | None, tuple[int, Message]] = {}
    ids = {call.id for call in message.tool_calls}
    for place, result in enumerate(results, index + 1):
        if result.tool_call_id not in ids or result.tool_call_id in answers:
            raise _unasked(place)
        answers[result.tool_call_id] = (place, result)
    for place, call in enumerate(message.tool_calls):
        if call.id not in answers:
            param = f"messages[{index}].tool_calls[{place}]"
            raise BadRequest(f"{param} has no tool message that answers it", param=param)
    responses, beside = [], []
    for call in message.tool_calls:
        response, media = _response(call, *answers[call.id])
        responses.append(response)
        beside += media
    return [*responses, *beside]


# What a functionResponse holds of media, from Gemini 3 on; what is at a URL it doesn't.
_RESULT_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})


def _response(call: ToolCall, index: int, result: Message) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    media = [part for part in _parts(index, result) if "text" not in part]
    inside: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    for part in media:
        fits = part.get("inlineData", {}).get("mimeType") in _RESULT_TYPES
        (inside if fits else beside).append(part)
    response: dict[str, Any] = {"name": call.name, "id": call.id, "response": _result(result)}
    if inside:
        response["parts"] = inside
    return {"functionResponse": response}, beside


def _result(message: Message) -> dict[str, Any]:
    """A result that is a JSON object goes as it is, whatever else as text: a number keeps its digits so."""
    text = message.text
    if message.failed:
        return {"error": text}
    result = None if '"$ref"' in text else _object(text)  # a $ref inside `response` is a 400 on some paths
    return {"result": text} if result is None else result


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(mended(text.encode()))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_NO_SIGNATURE = "skip_thought_signature_validator"


def _sign(contents: list[dict[str, Any]]) -> None:
    """Give the first call of each step of the current turn, all that follows the last user text, a thoughtSignature.

    Without one the request is a 400. Where it is of another model, or lost, there is the value that Google documents
    for such history; it costs some quality.
    """
    for content in reversed(contents):
        if content["role"] == "user" and any("text" in part for part in content["parts"]):
            return
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None:
            first.setdefault("thoughtSignature", _NO_SIGNATURE)


# --- parts ---------------------------------------------------------------------------------------------

_EXTENSIONS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
               "heic": "image/heic", "heif": "image/heif", "gif": "image/gif", "pdf": "application/pdf",
               "txt": "text/plain", "md": "text/markdown", "html": "text/html", "csv": "text/csv",
               "xml": "text/xml"}  # fmt: skip
_MIME_TYPES = frozenset(_EXTENSIONS.values()) - {"image/gif"} | {"audio/wav", "audio/mp3"}
_ALIASES = {"image/jpg": "image/jpeg"}


def _mime_type(part: Image | Audio | File) -> str:
    """What the part says of its own type, a URL by its extension; empty when it says nothing."""
    match part:
        case Audio():
            return f"audio/{part.format}"
        case Image(url=url) | File(data=str(url)) if url.startswith("data:"):
            said = url[5:].partition(",")[0].partition(";")[0].lower()
            return _ALIASES.get(said, said)
        case Image(url=str(url)) | File(data=None, url=str(url)):
            name = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
            return _EXTENSIONS.get(name.rpartition(".")[2].lower(), "")
    return ""


def _parts(index: int, message: Message) -> list[dict[str, Any]]:
    """The parts of a turn but for empty texts, which are refused, and reasoning, which isn't read again."""
    return [
        _part(f"messages[{index}].content[{place}]", part) for place, part in enumerate(message.parts) if _is_said(part)
    ]


def _is_said(part: Part) -> bool:
    return not isinstance(part, Reasoning) and not (isinstance(part, Text | Refusal) and not part.text)


def _part(where: str, part: Part) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"text": part.text}
        case Audio():
            return _inline(_mime_type(part), part.data)
        case Image(url=url) | File(data=str(url)) if url.startswith("data:"):
            head, _, data = url.partition(",")
            if not head.endswith(";base64") or not data:
                raise BadRequest(f"{where} is not a data:<type>;base64,<data> URL", param=where)
            return _inline(_mime_type(part), data)
        case Image(url=str(url)) | File(data=None, url=str(url)):
            return {"fileData": {"mimeType": _mime_type(part), "fileUri": url}}
    raise BadRequest(f"{where} is a file of another provider", param=where)


def _inline(mime_type: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": data}}
