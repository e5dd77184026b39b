"""Our vocabulary -> POST /v1/messages."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

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
_ADVISORY = frozenset({"frequency_penalty", "presence_penalty", "store", "metadata", "stream_options", "verbosity",
                       "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
                       "modalities", "service_tier"})  # fmt: skip
_TRANSLATED = frozenset({"safety_identifier", "top_k", "cache_control"})
_NO_REQUEST_WHEN_FALSE = frozenset({"logprobs", "top_logprobs", "logit_bias", "functions", "function_call"})
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only"}


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """Why this model can't express the request: one text per field, nothing when it can."""
    if request.n > 1:
        yield "n: this model gives one choice"
    if request.logprobs is not None:
        yield "logprobs: this model gives no log probabilities"
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if any(not text.strip() for text in request.stop):
        yield "stop: this model takes no stop sequence of white space alone"
    if _forces_a_tool(request) and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    known = model.efforts if model.thinking == "adaptive" else ()
    if _level(request.effort) not in (None, *known) and model.thinking != "budget":
        yield f"reasoning_effort: this model knows {', '.join(known) or 'no effort'}"
    yield from _other_obstacles(request.others)
    yield from _turn_obstacles(request.messages)
    yield from _refusals(_output_format, request.response_format)
    for index, tool in enumerate(request.tools):
        yield from _refusals(_tool, index, tool)


def _other_obstacles(others: Mapping[str, Json]) -> Iterator[str]:
    for name, value in others.items():
        if name in _NO_REQUEST_WHEN_FALSE and not value:
            continue
        if name not in _ADVISORY and name not in _TRANSLATED:
            yield f"{name}: this model's API has no such field"
    if others.get("modalities", ["text"]) != ["text"]:
        yield "modalities: this model answers in text alone"
    tier = str(others.get("service_tier", "auto"))
    if tier not in _SERVICE_TIERS:
        yield f"service_tier: this model has no tier {tier[:40]!r}; it can be auto or default"


def _turn_obstacles(messages: Sequence[Message]) -> Iterator[str]:
    first = next((message for message in messages if not _is_system(message)), None)
    if first is None or first.role == "assistant":
        yield "messages: the first turn after the system messages must be the user's for this model"
    if messages and messages[-1].role == "assistant":
        yield "messages: this model doesn't continue a last message of the assistant"
    for index, message in enumerate(messages):
        for place, part in enumerate(message.parts):
            if not isinstance(part, Text):
                yield from _refusals(_blocks, f"messages[{index}].content[{place}]", part)


def _refusals(convert: Callable[..., object], *values: object) -> Iterator[str]:
    try:
        convert(*values)
    except BadRequest as error:
        yield f"{error.param}: {error.message}"


# --- what we send --------------------------------------------------------------------------------------

_JSON_OBJECT = "Answer with one JSON object and nothing else: no words around it, no code fence."
_MAX_TOKENS_WHOLE = 32_000  # longer answers outlast the time that an HTTP answer without a stream may take


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The POST for this model. Raises BadRequest with `param`."""
    headers = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
    if model.provider.api_key:
        headers.append(("x-api-key", model.provider.api_key))
    return WireRequest("/v1/messages", tuple(headers), msgspec.json.encode(_body(request, model)))


def _body(request: ChatRequest, model: Model) -> dict[str, Any]:
    max_tokens = _max_tokens(request, model)
    thinking = _thinking(request, model, max_tokens)
    return _given(
        model=model.id,
        max_tokens=max_tokens,
        system=_system(request),
        messages=_turns(request.messages),
        tools=[_tool(index, tool) for index, tool in enumerate(request.tools)] or None,
        tool_choice=_tool_choice(request),
        stop_sequences=list(request.stop) or None,
        **({} if thinking else _sampling(request, model)),  # with thinking on, the API takes no temperature
        thinking=thinking,
        output_config=_output_config(request, model),
        metadata=_metadata(request),
        service_tier=_SERVICE_TIERS.get(str(request.others.get("service_tier"))),
        cache_control=request.others.get("cache_control"),
        stream=request.stream,
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _max_tokens(request: ChatRequest, model: Model) -> int:
    most = model.max_output_tokens
    default = most if request.stream else _MAX_TOKENS_WHOLE
    return min(default if request.max_tokens is None else request.max_tokens, most)


def _sampling(request: ChatRequest, model: Model) -> dict[str, float | None]:
    if not model.sampling:
        return {}
    top_k = request.others.get("top_k")
    if request.temperature is not None:  # the API takes one of temperature and top_p
        return {"temperature": min(request.temperature, 1.0), "top_k": top_k}
    return {"top_p": request.top_p, "top_k": top_k}


def _metadata(request: ChatRequest) -> dict[str, str] | None:
    user = request.others.get("safety_identifier") or request.user
    return {"user_id": hashlib.sha256(str(user).encode()).hexdigest()} if user else None


# --- effort

_BUDGETS: dict[Effort | None, int] = {"low": 1024, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
_LEAST_BUDGET = 1024


def _level(effort: Effort | None) -> Effort | None:
    if effort in (None, "none"):
        return None
    return "low" if effort == "minimal" else effort


def _thinking(request: ChatRequest, model: Model, max_tokens: int) -> dict[str, Any] | None:
    level = _level(request.effort or model.effort)
    if level is None or _forces_a_tool(request):  # thinking and a forced tool together are a 400
        return None
    if model.thinking == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    # Half the tokens at most, so that some are left for the answer; budgets must be under max_tokens.
    budget = min(_BUDGETS[level], max_tokens // 2)
    if model.thinking != "budget" or budget < _LEAST_BUDGET or _in_tool_loop(request.messages):
        return None
    return {"type": "enabled", "budget_tokens": budget}


def _in_tool_loop(messages: Sequence[Message]) -> bool:
    """Whether the last assistant turn called tools: with a budget, it is a 400 without its thinking block, which the
    vocabulary doesn't carry (pydantic-ai issue 2075)."""
    last = next((message for message in reversed(messages) if message.role == "assistant"), None)
    return last is not None and bool(last.tool_calls)


def _output_config(request: ChatRequest, model: Model) -> dict[str, Any] | None:
    level = _level(request.effort or model.effort) if model.thinking == "adaptive" else None
    return _given(effort=level, format=_output_format(request.response_format)) or None


# --- tools


def _forces_a_tool(request: ChatRequest) -> bool:
    choice = request.tool_choice
    return bool(request.tools) and choice is not None and choice.mode in ("required", "named")


def _tool(index: int, tool: Tool) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {}, **(tool.parameters or {}), "type": "object"}
    if tool.strict:
        schema = _enforceable(f"tools[{index}].function.parameters", {"additionalProperties": False, **schema})
    return _given(name=tool.name, description=tool.description or None, input_schema=schema, strict=tool.strict or None)


_CHOICES = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


def _tool_choice(request: ChatRequest) -> dict[str, Any] | None:
    alone = request.parallel_tool_calls is False
    choice = request.tool_choice or (ToolChoice("auto") if alone else None)
    if not request.tools or choice is None:
        return None
    single = True if alone and choice.mode != "none" else None
    return _given(type=_CHOICES[choice.mode], name=choice.name, disable_parallel_tool_use=single)


# --- schemas: this API enforces a part of JSON Schema; the rest becomes words, as in Anthropic's own SDK

_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_MEANINGLESS = frozenset({"$schema", "$id", "$comment"})  # to the model


class _Unenforceable(ValueError):
    """What of a schema this API can't enforce."""


def _output_format(format_: ResponseFormat) -> dict[str, Any] | None:
    if format_.kind != "json_schema":
        return None
    described = {"description": format_.description} if format_.description else {}
    schema = {**described, **(format_.schema or {})}
    return {"type": "json_schema", "schema": _enforceable("response_format.json_schema.schema", schema)}


def _enforceable(param: str, schema: Mapping[str, Json]) -> dict[str, Any]:
    try:
        converted = _converted(schema)
        uses = {name: set(_references(item)) for name, item in converted.get("$defs", {}).items()}
        TopologicalSorter(uses).prepare()
    except _Unenforceable as error:
        raise BadRequest(f"this model can't enforce {error}", param=param) from None
    except (CycleError, RecursionError):
        raise BadRequest("this model can't enforce a recursive schema", param=param) from None
    return converted


def _converted(schema: Json) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise _Unenforceable("a schema with a part of no type")
    rest = {key: value for key, value in schema.items() if key not in _MEANINGLESS}
    converted: dict[str, Any] = {}
    definitions = {**_members(rest, "definitions"), **_members(rest, "$defs")}
    if definitions:
        converted["$defs"] = definitions
    if "$ref" in rest:
        return converted | {"$ref": "#/$defs/" + _definition(rest["$ref"])}
    converted |= _shape(rest)
    converted |= {key: str(rest.pop(key)) for key in ("title", "description") if key in rest}
    if rest:
        words = ", ".join(f"{key}: {msgspec.json.encode(value).decode()}" for key, value in rest.items())
        converted["description"] = f"{converted.get('description', '')}\n\n{{{words}}}".lstrip()
    return converted


def _shape(rest: dict[str, Any]) -> dict[str, Any]:
    """What the API enforces, taken out of `rest`."""
    shape: dict[str, Any] = {key: rest.pop(key) for key in ("enum", "const") if key in rest and _is_plain(rest[key])}
    implied = "object" if "properties" in rest else "array" if "items" in rest else None
    type_ = rest.pop("type", implied)
    variants = next((key for key in ("anyOf", "oneOf", "allOf") if isinstance(rest.get(key), list)), None)
    if variants == "allOf" and len(rest["allOf"]) > 1:  # closed objects exclude each other
        raise _Unenforceable("a schema with allOf of several")
    if variants:
        shape["anyOf"] = [_converted(item) for item in rest.pop(variants)]
    if shape:
        return shape | (_object(rest) if type_ == "object" else {})
    if type_ is None:
        raise _Unenforceable("a schema with a part of no type")
    types = type_ if isinstance(type_, list) else [type_]
    shape["type"] = type_
    if "object" in types:
        shape |= _object(rest)
    if "array" in types:
        shape |= _array(rest)
    if "string" in types and str(rest.get("format")) in _FORMATS:
        shape["format"] = rest.pop("format")
    return shape


def _object(rest: dict[str, Any]) -> dict[str, Any]:
    extra = rest.pop("additionalProperties", True)
    if isinstance(extra, Mapping) or "patternProperties" in rest or (extra and not rest.get("properties")):
        raise _Unenforceable("an object whose property names are free")
    return _given(
        properties=_members(rest, "properties"), additionalProperties=False, required=rest.pop("required", None)
    )


def _array(rest: dict[str, Any]) -> dict[str, Any]:
    least = rest.pop("minItems") if rest.get("minItems") in (0, 1) else None
    return _given(items=_converted(rest.pop("items")) if "items" in rest else None, minItems=least)


def _members(rest: dict[str, Any], key: str) -> dict[str, Any]:
    members = rest.pop(key, {})
    if not isinstance(members, Mapping):
        raise _Unenforceable(f"a schema whose {key} is no object")
    return {name: _converted(item) for name, item in members.items()}


def _is_plain(value: Json) -> bool:
    return all(not isinstance(item, dict | list) for item in (value if isinstance(value, list) else [value]))


def _definition(target: Json) -> str:
    match = re.fullmatch(r"#/(?:\$defs|definitions)/([^/]+)", str(target))
    if match is None:
        raise _Unenforceable(f"a schema with $ref {str(target)[:80]!r}, which is not among its $defs")
    return match[1]


def _references(converted: Json) -> Iterator[str]:
    if isinstance(converted, dict):
        if isinstance(converted.get("$ref"), str):
            yield _definition(converted["$ref"])
        converted = list(converted.values())
    if isinstance(converted, list):
        for item in converted:
            yield from _references(item)


# --- turns

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,]*)*;base64,")
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(slots=True)
class _Turn:
    """`index` is that of its first message."""

    role: Literal["user", "assistant"]
    index: int
    content: list[dict[str, Any]]


def _is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


def _system(request: ChatRequest) -> str | None:
    texts = [message.text for message in request.messages[: _leading(request.messages)] if message.text.strip()]
    if request.response_format.kind == "json_object":
        texts.append(_JSON_OBJECT)
    return "\n\n".join(texts) or None


def _leading(messages: Sequence[Message]) -> int:
    return next((index for index, message in enumerate(messages) if not _is_system(message)), len(messages))


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    conversation = _Conversation()
    for index in range(_leading(messages), len(messages)):
        conversation.add(index, messages[index])
    return conversation.turns()


class _Conversation:
    """Messages gathered into turns. A turn with tool calls is answered, whole and first, by the user turn after it."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._open: dict[str, str] = {}  # calls of the last turn that wait for a result: the caller's id -> ours
        self._calls_at = 0
        self._ids: set[str] = set()

    def add(self, index: int, message: Message) -> None:
        path = f"messages[{index}]"
        if message.role == "tool":
            self._extend("user", index, [self._result(path, message)])
            return
        self._check_answered()
        if message.role == "assistant":
            calls = [self._call(f"{path}.tool_calls[{at}]", call) for at, call in enumerate(message.tool_calls)]
            self._extend("assistant", index, [*_content(path, message), *calls])
            self._calls_at = index
        elif message.role == "user":
            self._extend("user", index, _content(path, message))
        elif message.text.strip():
            self._extend("user", index, [_text(f"<system>\n{message.text}\n</system>")])

    def turns(self) -> list[dict[str, Any]]:
        self._check_answered()
        if not self._turns:
            raise BadRequest("messages has no turn of the user", param="messages")
        for turn in self._turns:
            if not turn.content:
                raise BadRequest("a turn of the user without any text", param=f"messages[{turn.index}].content")
        return [{"role": turn.role, "content": turn.content} for turn in self._turns]

    def _extend(self, role: Literal["user", "assistant"], index: int, blocks: list[dict[str, Any]]) -> None:
        if role == "assistant" and not blocks:
            return
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role, index, []))
        self._turns[-1].content += blocks

    def _call(self, path: str, call: ToolCall) -> dict[str, Any]:
        if call.id in self._open:
            raise BadRequest(f"two calls of one turn have the id {call.id[:64]!r}", param=f"{path}.id")
        id_ = _NOT_IN_IDS.sub("_", call.id) or "call"
        while id_ in self._ids:  # the API wants them unique in the whole conversation
            id_ += "_"
        self._ids.add(id_)
        self._open[call.id] = id_
        return {"type": "tool_use", "id": id_, "name": call.name, "input": _input(path, call.arguments)}

    def _result(self, path: str, message: Message) -> dict[str, Any]:
        id_ = self._open.pop(message.tool_call_id or "", None)
        if id_ is None:
            text = f"{str(message.tool_call_id)[:64]!r} is no open tool call of the assistant turn before it"
            raise BadRequest(text, param=f"{path}.tool_call_id")
        return _given(type="tool_result", tool_use_id=id_, content=_content(path, message) or None)

    def _check_answered(self) -> None:
        for call_id in self._open:
            text = f"tool call {call_id[:64]!r} has no tool message right after its turn"
            raise BadRequest(text, param=f"messages[{self._calls_at}].tool_calls")


def _input(path: str, arguments: str) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(arguments.strip() or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("arguments is not the JSON text of an object", param=f"{path}.function.arguments") from None


def _content(path: str, message: Message) -> list[dict[str, Any]]:
    parts = enumerate(message.parts)
    return [block for at, part in parts for block in _blocks(f"{path}.content[{at}]", part)]


def _blocks(path: str, part: Part) -> list[dict[str, Any]]:
    """No block for blank text, which the API refuses; else one."""
    match part:
        case Text(text) | Refusal(text):
            return [_text(text)] if text.strip() else []
        case Image():
            return [{"type": "image", "source": _source(f"{path}.image_url.url", part.url, _IMAGE_TYPES)}]
        case File(data=str(data)):
            source = _source(f"{path}.file.file_data", data, frozenset({"application/pdf"}))
            return [_given(type="document", source=source, title=part.filename or None)]
        case File():
            raise BadRequest("this model knows no files of another provider", param=f"{path}.file.file_id")
        case Reasoning():
            return []
        case Audio():
            raise BadRequest("this model takes no audio", param=f"{path}.input_audio")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _source(path: str, url: str, media_types: frozenset[str]) -> dict[str, str]:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    match = _DATA_URL.match(url)
    if match is None:
        raise BadRequest("it is neither an https URL nor a data URL in base64", param=path)
    media_type = match[1].lower().replace("image/jpg", "image/jpeg")
    if media_type not in media_types:
        known = ", ".join(sorted(media_types))
        raise BadRequest(f"it is {media_type}; this model takes {known}", param=path)
    return {"type": "base64", "media_type": media_type, "data": url[match.end() :]}
