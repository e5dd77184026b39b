"""Our vocabulary -> POST models/{id}:generateContent."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec

from router.catalog import Model
from router.dialects import WireRequest
from router.errors import BadRequest
from router.types import (
    Audio,
    ChatRequest,
    Effort,
    File,
    Image,
    Json,
    Message,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
)

# --- what this dialect can't say -----------------------------------------------------------------------

# Fields of a caller that only advise; this API has no word for them.
_ADVISORY = frozenset({"store", "metadata", "safety_identifier", "verbosity", "prediction",
                       "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})  # fmt: skip
_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_SERVICE_TIERS = {"auto": None, "default": None, "flex": "flex", "priority": "priority"}
# Fields that can be said with these values alone: most of them ask for nothing.
_VALUES: dict[str, tuple[Json, ...]] = {
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "service_tier": tuple(_SERVICE_TIERS),
}
_MAX_STOPS = 5
_SEED_LIMIT = 1 << 31
_TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """Why this model can't express the request: one text per field, nothing when it can."""
    if request.n > 1:
        yield "n: one choice only"
    if request.parallel_tool_calls is False and request.tools:
        yield "parallel_tool_calls: this model can't be kept to one call at a time"
    if request.logprobs is not None:
        yield "logprobs: this model's API can't be asked for it"
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if len(request.stop) > _MAX_STOPS:
        yield f"stop: at most {_MAX_STOPS} sequences"
    if request.seed is not None and not -_SEED_LIMIT <= request.seed < _SEED_LIMIT:
        yield "seed: 32 bits only"
    if request.tool_choice and request.tool_choice.mode in ("required", "named") and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    if request.effort not in (None, "none") and not _has_levels(model):
        yield "reasoning_effort: this model has no levels of thinking"
    yield from _other_obstacles(request.others)
    yield from _name_obstacles(request)
    for index, message in enumerate(request.messages):
        yield from _media_obstacles(f"messages[{index}]", message.parts)


def _other_obstacles(others: Mapping[str, Json]) -> Iterator[str]:
    for name, value in others.items():
        if name in _ADVISORY or (name in _PENALTIES and type(value) in (int, float)):
            continue
        if value not in _VALUES.get(name, ()):
            yield f"{name}: this model's API can't be asked for it"


def _name_obstacles(request: ChatRequest) -> Iterator[str]:
    for index, tool in enumerate(request.tools):
        if not _TOOL_NAME.fullmatch(tool.name):
            yield f"tools[{index}].function.name: it starts with a letter or an underscore for this model"
    for index, message in enumerate(request.messages):
        if not all(_TOOL_NAME.fullmatch(call.name) for call in message.tool_calls):
            yield f"messages[{index}].tool_calls: a name starts with a letter or an underscore for this model"


def _media_obstacles(where: str, parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case File(data=None):
                yield f"{where}: file_id is an id of another provider"
            case Image() | Audio() | File() if _mime_type(part) not in _MIME_TYPES:
                kind = {Image: "image_url", Audio: "input_audio", File: "file"}[type(part)]
                yield f"{where}: {kind} is {_mime_type(part)[:40] or 'of unknown type'}, which this model can't read"


# --- what we send --------------------------------------------------------------------------------------


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The POST for this model, whole or streamed as the request says. Raises BadRequest with `param`."""
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    headers = [("content-type", "application/json")]
    if model.provider.api_key:
        headers.append(("x-goog-api-key", model.provider.api_key))  # never ?key=, which lands in logs
    try:
        body = msgspec.json.encode(_body(request, model))
    except RecursionError:
        raise BadRequest("the request is nested too deeply for this model") from None
    except UnicodeEncodeError:
        raise BadRequest("the request has half of a surrogate pair in a text") from None
    return WireRequest(f"/models/{model.id}:{method}", tuple(headers), body)


def _body(request: ChatRequest, model: Model) -> dict[str, Any]:
    instruction, contents = _conversation(request.messages)
    declarations = [_declaration(tool) for tool in request.tools]
    return _given(
        contents=contents,
        systemInstruction={"parts": instruction} if instruction else None,
        tools=[{"functionDeclarations": declarations}] if declarations else None,
        toolConfig=_tool_config(request.tool_choice) if declarations and request.tool_choice else None,
        generationConfig=_generation_config(request, model) or None,
        serviceTier=_SERVICE_TIERS.get(request.others.get("service_tier", "auto")),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _generation_config(request: ChatRequest, model: Model) -> dict[str, Any]:
    limit = model.max_output_tokens
    return _given(
        maxOutputTokens=None if request.max_tokens is None else min(request.max_tokens, limit),
        stopSequences=list(request.stop) or None,
        seed=request.seed,
        thinkingConfig=_thinking(request.effort or model.effort, model),
        **(_sampling(request) if model.sampling else {}),
        **_output_format(request.response_format),
    )


def _sampling(request: ChatRequest) -> dict[str, Any]:
    return {
        "temperature": request.temperature,
        "topP": request.top_p,
        # A penalty of 0 is none, and some models refuse the field whatever it says.
        "presencePenalty": request.others.get("presence_penalty") or None,
        "frequencyPenalty": request.others.get("frequency_penalty") or None,
    }


_EFFORTS = get_args(Effort)  # weakest first


def _has_levels(model: Model) -> bool:
    return model.thinking == "level" and bool(model.efforts)


def _thinking(effort: Effort | None, model: Model) -> dict[str, Any] | None:
    """The nearest level that the model knows, the weaker of two; thinking can't be switched off."""
    if effort is None or not _has_levels(model):
        return None
    wanted = _EFFORTS.index(effort)
    ranks = [_EFFORTS.index(level) for level in model.efforts]
    nearest = min(ranks, key=lambda rank: (abs(rank - wanted), rank))
    return {"thinkingLevel": _EFFORTS[nearest].upper(), "includeThoughts": True}


# --- turns


def _conversation(messages: Sequence[Message]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parts of systemInstruction, and contents. A system message after the first turn rides in the next user's."""
    instruction: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for index, message, results in _steps(messages):
        answers = _results(index, message, results)
        parts = _parts(index, message)
        if message.role == "assistant":
            _add_model_turn(contents, [*parts, *_calls(index, message)])
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


def _calls(index: int, message: Message) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"name": call.name, "args": _arguments(f"messages[{index}].tool_calls[{place}]", call),
                          "id": call.id}}
        for place, call in enumerate(message.tool_calls)
    ]  # fmt: skip


def _arguments(where: str, call: ToolCall) -> dict[str, Any]:
    arguments = _object(call.arguments or "{}")
    if arguments is None:
        param = f"{where}.function.arguments"
        raise BadRequest(f"{param} is not the JSON text of an object, which this model needs", param=param)
    return arguments


def _results(index: int, message: Message, results: Sequence[Message]) -> list[dict[str, Any]]:
    """One functionResponse for each call of `message`, in the order of the calls."""
    answers: dict[str | None, Message] = {}
    ids = {call.id for call in message.tool_calls}
    for place, result in enumerate(results, index + 1):
        if result.tool_call_id not in ids or result.tool_call_id in answers:
            raise _unasked(place)
        answers[result.tool_call_id] = result
    for place, call in enumerate(message.tool_calls):
        if call.id not in answers:
            param = f"messages[{index}].tool_calls[{place}]"
            raise BadRequest(f"{param} has no tool message that answers it", param=param)
    return [
        {"functionResponse": {"name": call.name, "id": call.id, "response": _result(answers[call.id].text)}}
        for call in message.tool_calls
    ]


def _result(text: str) -> dict[str, Any]:
    """A result that is a JSON object goes as it is, whatever else as text: a number keeps its digits so."""
    result = None if '"$ref"' in text else _object(text)  # a $ref inside `response` is a 400 on some paths
    return {"result": text} if result is None else result


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_NO_SIGNATURE = "skip_thought_signature_validator"


def _sign(contents: list[dict[str, Any]]) -> None:
    """Give the first call of each step of the current turn, all that follows the last user text, a thoughtSignature.

    Without one the request is a 400. We keep no signatures yet, so it is the value that Google documents for foreign
    history; it costs some quality. The store of signatures by tool-call id comes with sessions and will fill them in.
    """
    for content in reversed(contents):
        if content["role"] == "user" and "functionResponse" not in content["parts"][0]:
            return
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None:
            first["thoughtSignature"] = _NO_SIGNATURE


# --- parts

_EXTENSIONS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
               "heic": "image/heic", "heif": "image/heif", "gif": "image/gif"}  # fmt: skip
_MIME_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf",
                         "audio/wav", "audio/mp3", "text/plain", "text/markdown", "text/html", "text/csv",
                         "text/xml"})  # fmt: skip
_ALIASES = {"image/jpg": "image/jpeg"}


def _mime_type(part: Image | Audio | File) -> str:
    """What the part says of its own type, a URL by its extension; empty when it says nothing."""
    match part:
        case Audio():
            return f"audio/{part.format}"
        case Image(url=url) | File(data=str(url)) if url.startswith("data:"):
            said = url[5:].partition(",")[0].partition(";")[0].lower()
            return _ALIASES.get(said, said)
        case Image(url=url):
            name = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
            return _EXTENSIONS.get(name.rpartition(".")[2].lower(), "")
    return ""


def _parts(index: int, message: Message) -> list[dict[str, Any]]:
    return [_part(f"messages[{index}].content[{place}]", part) for place, part in enumerate(message.parts)
            if not isinstance(part, Reasoning) and part not in (Text(""), Refusal(""))]  # fmt: skip


def _part(where: str, part: Part) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"text": part.text}
        case Audio():
            return _inline(_mime_type(part), part.data)
        case Image(url=url) if not url.startswith("data:"):
            return {"fileData": {"mimeType": _mime_type(part), "fileUri": url}}
        case Image(url=url) | File(data=str(url)):
            head, _, data = url.partition(",")
            if not head.endswith(";base64") or not data:
                raise BadRequest(f"{where} is not a data:<type>;base64,<data> URL", param=where)
            return _inline(_mime_type(part), data)
    raise BadRequest(f"{where} is a file of another provider", param=where)


def _inline(mime_type: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": data}}


# --- tools and schemas: the *JsonSchema fields take JSON Schema; `parameters` and `responseSchema` refuse much of it


def _declaration(tool: Tool) -> dict[str, Any]:
    schema = _schema(tool.parameters) if tool.parameters else None
    return _given(name=tool.name, description=tool.description or None, parametersJsonSchema=schema)


_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def _tool_config(choice: ToolChoice) -> dict[str, Any]:
    names = [choice.name] if choice.mode == "named" else None
    return {"functionCallingConfig": _given(mode=_MODES[choice.mode], allowedFunctionNames=names)}


def _output_format(format_: ResponseFormat) -> dict[str, Any]:
    match format_.kind:
        case "text":
            return {}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema":
            described = {"description": format_.description} if format_.description else {}
            schema = _schema({**described, **(format_.schema or {})})
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}


_LITERALS = frozenset({"const", "default", "enum", "example", "examples"})


def _schema(node: Json) -> Json:
    """The same schema in words that are read: `const` and `allOf` are not, and beside a $ref there may be $-keys only.

    An allOf of one, and a $ref with a description, say the same as an anyOf of one.
    """
    if isinstance(node, list):
        return [_schema(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    schema = {key: value if key in _LITERALS else _schema(value) for key, value in node.items()}
    if isinstance(schema.get("const"), str) and "enum" not in schema:
        schema["enum"] = [schema.pop("const")]
    if "anyOf" in schema:
        return schema
    if isinstance(schema.get("$ref"), str) and not all(key.startswith("$") for key in schema):
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        schema["anyOf"] = schema.pop("allOf")
    return schema
