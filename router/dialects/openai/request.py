"""Our vocabulary -> POST chat/completions, for OpenAI and every server compatible with it.

A request that came in this dialect keeps the caller's own fields; only what the model needs is changed.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects import WireRequest
from router.types import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
)

# --- what we send to a provider ------------------------------------------------------------------------


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """What this model can't be asked, although its dialect has a word for it."""
    effort = request.effort or model.effort
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if not model.takes_tools_on_chat(request):
        yield "reasoning_effort: this model takes no function tools together with an effort"
    if request.effort not in (None, *model.efforts) and (model.efforts or request.effort != "none"):
        yield f"reasoning_effort: this model knows {', '.join(model.efforts) or 'no effort'}"
    if request.tool_choice and request.tool_choice.mode in ("required", "named") and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    for name, schema in _strict_schemas(request):
        if problem := _unclosable(schema):
            yield f"{name}: strict mode {problem}"
    for name in _untaken(_ASKED_FOR, model, effort):
        if request.others.get(name) or (name == "logprobs" and request.logprobs is not None):
            yield f"{name}: this model doesn't take it"


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The body for this model: the caller's own fields where it spoke this dialect, else built from the vocabulary."""
    fields = _raw_fields(request) if request.raw else _built_fields(request)
    fields["model"] = model.id
    for name in ("max_tokens", "max_completion_tokens"):
        fields.pop(name, None)
    if request.max_tokens is not None:
        fields[model.max_tokens_field] = request.max_tokens
    if model.effort is not None and request.effort is None:
        fields["reasoning_effort"] = model.effort
    elif request.effort is not None and not model.efforts:
        fields.pop("reasoning_effort", None)  # "none", which such a model does anyway
    for name in _untaken(_ADVISORY, model, request.effort or model.effort):
        fields.pop(name, None)
    _close_strict_schemas(request, fields)
    if request.stream:
        fields["stream_options"] = {**(_plain(fields.get("stream_options")) or {}), "include_usage": True}
    headers = [("content-type", "application/json")]
    if model.provider.api_key:
        headers.append(("authorization", f"Bearer {model.provider.api_key}"))
    return WireRequest("/chat/completions", tuple(headers), msgspec.json.encode(fields))


def _strict_schemas(request: ChatRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas that the caller wants kept to the letter, by the name of the field they stand in."""
    if request.response_format.strict and request.response_format.schema is not None:
        yield "response_format", request.response_format.schema
    for index, tool in enumerate(request.tools):
        if tool.strict and tool.parameters is not None:
            yield f"tools[{index}].function.parameters", tool.parameters


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every object schema in `schema`, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            yield from _objects(item)
    elif isinstance(schema, Mapping):
        if "properties" in schema or schema.get("type") == "object":
            yield schema
        for key, value in schema.items():
            if key in ("properties", "$defs", "definitions"):
                yield from _objects(list(value.values()) if isinstance(value, Mapping) else None)
            elif key not in ("enum", "const", "default", "examples"):
                yield from _objects(value)


def _unclosable(schema: Mapping[str, Any]) -> str | None:
    """Why strict mode can't take `schema`, even with additionalProperties: false added where nothing is said."""
    for item in _objects(schema):
        if item.get("additionalProperties", False) is not False:
            return "takes no additionalProperties"
        properties, required = item.get("properties"), item.get("required")
        for name in properties if isinstance(properties, Mapping) else ():
            if not isinstance(required, list) or name not in required:
                return f"wants every property required; {name[:64]} is not"
    return None


def _is_open(schema: Mapping[str, Any]) -> bool:
    return any("additionalProperties" not in item for item in _objects(schema))


def _closed(schema: Any) -> Any:
    """`schema` with additionalProperties: false where nothing is said of it. Answers to it fit the original."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {
        key: {name: _closed(item) for name, item in value.items()}
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping)
        else value
        if key in ("enum", "const", "default", "examples")
        else _closed(value)
        for key, value in schema.items()
    }
    if "properties" in schema or schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _close_strict_schemas(request: ChatRequest, fields: dict[str, Any]) -> None:
    """OpenAI's strict mode refuses an object that leaves additionalProperties unsaid, which callers mean as false."""
    format_ = request.response_format
    if format_.strict and format_.schema is not None and _is_open(format_.schema):
        fields["response_format"] = _format_document(replace(format_, schema=_closed(format_.schema)))
    if any(tool.strict and tool.parameters is not None and _is_open(tool.parameters) for tool in request.tools):
        tools = [replace(tool, parameters=_closed(tool.parameters)) if tool.strict else tool for tool in request.tools]
        fields["tools"] = [{"type": "function", "function": _tool_document(tool)} for tool in tools]


# What a model without sampling doesn't take: with an effort, and never. Advice is left out, the rest ruled out.
_ADVISORY = (("temperature", "top_p"), ("presence_penalty", "frequency_penalty"))
_ASKED_FOR = (("logprobs",), ("logit_bias",))


def _untaken(names: tuple[tuple[str, ...], tuple[str, ...]], model: Model, effort: str | None) -> tuple[str, ...]:
    with_effort, never = names
    if model.sampling:
        return ()
    return never if effort == "none" else (*with_effort, *never)


_NULL = msgspec.Raw(b"null")


# What clients send back of our answers and of their own bookkeeping, and OpenAI refuses in a request.
_ECHOED = frozenset({"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "annotations", "parsed",
                     "provider_specific_fields"})  # fmt: skip
_ECHOED_IN_CALLS = frozenset({"index", "parsed_arguments"})


def _raw_fields(request: ChatRequest) -> dict[str, Any]:
    """The caller's top-level fields, undecoded, null ones left out: clients write unset options as null.

    Messages are decoded only where there may be something in them that the provider wouldn't take.
    """
    found = msgspec.json.decode(request.raw, type=dict[str, msgspec.Raw])
    fields: dict[str, Any] = {name: value for name, value in found.items() if value != _NULL}
    messages = bytes(fields["messages"])
    answered = any(message.role == "assistant" for message in request.messages)
    if answered or b"null" in messages or b'"cache_control"' in messages:
        fields["messages"] = [_as_sent(message) for message in msgspec.json.decode(messages)]
    return fields


def _as_sent(message: dict[str, Any]) -> dict[str, Any]:
    """A caller's message without nulls, echoes, and hints to another provider's cache."""
    sent = {
        name: value
        for name, value in message.items()
        if name not in _ECHOED and (value is not None or name == "content")
    }
    if isinstance(sent.get("content"), list):
        sent["content"] = [_without(part, {"cache_control"}) for part in sent["content"]]
    if sent.get("tool_calls"):
        sent["tool_calls"] = [
            {name: _without(value, _ECHOED_IN_CALLS) for name, value in _without(call, _ECHOED_IN_CALLS).items()}
            for call in sent["tool_calls"]
        ]
    return sent


def _without(value: Any, names: Collection[str]) -> Any:
    return {key: item for key, item in value.items() if key not in names} if isinstance(value, dict) else value


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _built_fields(request: ChatRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {**request.others, "messages": [_message_document(m) for m in request.messages]}
    if request.tools:
        fields["tools"] = [{"type": "function", "function": _tool_document(tool)} for tool in request.tools]
    if request.tool_choice is not None:
        choice = request.tool_choice
        named = {"type": "function", "function": {"name": choice.name}}
        fields["tool_choice"] = named if choice.mode == "named" else choice.mode
    if request.response_format.kind != "text":
        fields["response_format"] = _format_document(request.response_format)
    optional = {
        "parallel_tool_calls": request.parallel_tool_calls,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "reasoning_effort": request.effort,
        "user": request.user,
        "n": request.n if request.n > 1 else None,
        "logprobs": True if request.logprobs is not None else None,
        "top_logprobs": request.logprobs or None,
        "stream": request.stream or None,
    }
    fields.update({name: value for name, value in optional.items() if value is not None})
    return fields


def _message_document(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"role": message.role}
    refusal = "".join(part.text for part in message.parts if isinstance(part, Refusal))
    parts = [part for part in message.parts if not isinstance(part, Refusal | Reasoning)]
    if len(parts) == 1 and isinstance(parts[0], Text):
        document["content"] = parts[0].text
    elif parts:
        document["content"] = [_part_document(part) for part in parts]
    elif message.role == "assistant":
        document["content"] = None
    else:
        document["content"] = ""
    if refusal:
        document["refusal"] = refusal
    if message.tool_calls:
        document["tool_calls"] = [_call_document(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        document["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        document["name"] = message.name
    return document


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
            named = {"file_data": part.data, "file_id": part.file_id, "filename": part.filename}
            return {"type": "file", "file": {key: value for key, value in named.items() if value is not None}}
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
        case Reasoning():
            raise TypeError("reasoning is no part of a chat message")


def _call_document(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_document(tool: Tool) -> dict[str, Any]:
    optional: dict[str, Any] = {
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {"name": tool.name} | {key: value for key, value in optional.items() if value is not None}


def _format_document(format_: ResponseFormat) -> dict[str, Any]:
    if format_.kind == "json_object":
        return {"type": "json_object"}
    optional: dict[str, Any] = {"description": format_.description, "strict": format_.strict}
    spec: dict[str, Any] = {"name": format_.name, "schema": format_.schema}
    spec |= {key: value for key, value in optional.items() if value is not None}
    return {"type": "json_schema", "json_schema": spec}
