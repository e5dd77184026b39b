"""Our vocabulary -> POST responses.

A request that came in this wire format keeps the caller's own fields; only what the model and the turns that others
answered need is changed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects import WireRequest
from router.dialects.openai import rules
from router.dialects.openai.responses.items import as_sent, items_of, user_item
from router.types import Audio, ChatRequest, Json, ResponseFormat, Tool, ToolChoice

# --- what this dialect can't say -----------------------------------------------------------------------

_SAME_NAME = frozenset({"metadata", "moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
                        "safety_identifier", "service_tier"})  # fmt: skip
_ADVISORY = frozenset({"store", "prediction", "top_k", "cache_control"})
_PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})  # advice to a model that doesn't take sampling


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """What this model can't be asked, by the names of chat completions."""
    yield from rules.obstacles(request, model)
    if not _is_native(request, model):
        yield from _unsaid(request, model)


def _unsaid(request: ChatRequest, model: Model) -> Iterator[str]:
    """What other APIs have a word for and this one has none."""
    yield from rules.long_names(request)
    if request.n > 1:
        yield "n: this model's API gives one choice"
    if request.stop:
        yield "stop: this model's API takes no stop sequences"
    known = _SAME_NAME | _ADVISORY | {"verbosity"} | (_PENALTIES if not model.sampling else frozenset())
    for name, value in request.others.items():
        if name not in known and value and (name, value) != ("modalities", ["text"]):
            yield f"{name}: this model's API has no such field"
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, Audio):
                yield f"messages[{index}].content[{place}]: this model's API takes no audio"


def _is_native(request: ChatRequest, model: Model) -> bool:
    """Whether the caller's own fields can go out: items that they name by id have to be this provider's."""
    if request.references and None not in request.references.values() and request.held_by != model.provider.name:
        return False
    return request.wire == "responses" and bool(request.raw)


# --- what we send --------------------------------------------------------------------------------------


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The body for this model: the caller's own fields where it spoke this dialect, else built from the vocabulary."""
    fields = _raw_fields(request, model) if _is_native(request, model) else _built_fields(request, model)
    fields["model"] = model.id
    _fit_reasoning(fields, request, model)
    _fit_schemas(fields, request, model)
    return WireRequest("/responses", rules.headers(model), msgspec.json.encode(fields))


_CIPHERS = "reasoning.encrypted_content"


def _fit_reasoning(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    """The effort, and what goes with it or doesn't."""
    if not model.efforts:
        fields.pop("reasoning", None)
        if kept := [name for name in rules.plain(fields.pop("include", None)) or () if name != _CIPHERS]:
            fields["include"] = kept
    elif model.effort is not None and request.effort is None:
        fields["reasoning"] = {**(rules.plain(fields.get("reasoning")) or {}), "effort": model.effort}
    if not rules.takes_sampling(request, model):
        for name in ("temperature", "top_p"):
            fields.pop(name, None)


def _fit_schemas(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    text = rules.plain(fields.get("text")) or {}
    if (told := rules.told_schema(request, model)) is not None:
        fields["text"] = text = {name: value for name, value in text.items() if name != "format"}
        said = rules.plain(fields.get("instructions"))
        fields["instructions"] = f"{said}\n\n{told}" if said else told
    if not rules.leaves_schemas_open(fields, request, model):
        return
    if tools := rules.plain(fields.get("tools")):
        fields["tools"] = [rules.closed(tool, "parameters") for tool in tools]
    if text.get("format"):
        fields["text"] = {**text, "format": rules.closed(text["format"], "schema")}


# --- the caller's own fields


def _raw_fields(request: ChatRequest, model: Model) -> dict[str, Any]:
    """The caller's fields; what it continues comes from our side where this provider doesn't keep it."""
    fields = rules.raw_fields(request.raw)
    fields.pop("client_metadata", None)  # Codex sends it; no specification knows it
    kept = {item_id for item_id, provider in request.kept.items() if provider == model.provider.name}
    if request.previous is not None and model.provider.name not in (request.held_by, request.bound_to):
        del fields["previous_response_id"]
        fields["input"] = [*as_sent(_history(request)), *as_sent(_own_items(fields), kept)]
    elif _is_to_look_at(bytes(fields.get("input", b""))):
        fields["input"] = as_sent(_own_items(fields), kept)
    return fields


def _history(request: ChatRequest) -> list[Json]:
    """The turns before, without the reasoning that another provider of this dialect has sealed."""
    foreign = request.held_by is not None
    return [item for item in request.history if not (foreign and item.get("type") == "reasoning")]


def _is_to_look_at(given: bytes) -> bool:
    """An input that is a text, or holds nothing that may have to go, is sent byte by byte."""
    return given.startswith(b"[") and any(mark in given for mark in (b'"id"', b'"call_id"', b'"reasoning"', b"null"))


def _own_items(fields: dict[str, Any]) -> list[Json]:
    found: Json = rules.plain(fields.get("input")) or []
    return [user_item(found)] if isinstance(found, str) else found


# --- built from the vocabulary

_LEAST_TOKENS = 16  # OpenAI refuses a lower limit here, which chat completions takes


def _built_fields(request: ChatRequest, model: Model) -> dict[str, Any]:
    include = [_CIPHERS, *(["message.output_text.logprobs"] if request.logprobs is not None else [])]
    fields: dict[str, Any] = {name: value for name, value in request.others.items() if name in _SAME_NAME}
    items = [*_json_hint(request), *items_of(request.messages, model.id)]
    fields |= {"input": items, "include": include, "store": False}
    if request.tools:
        fields["tools"] = [_tool_document(tool) for tool in request.tools]
        fields["tool_choice"] = _choice_document(request.tool_choice, request.tools)
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    optional = {
        "reasoning": _given(effort=request.effort, summary="auto" if request.show_reasoning else None) or None,
        "text": _given(format=_format_document(request.response_format), verbosity=request.others.get("verbosity"))
        or None,
        "max_output_tokens": None if request.max_tokens is None else max(request.max_tokens, _LEAST_TOKENS),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.logprobs,
        "user": request.user,
        "stream": request.stream or None,
    }
    return _given(**fields, **optional)


def _json_hint(request: ChatRequest) -> list[Json]:
    """The word that OpenAI wants to read where any JSON is asked for: here in what is put in, in chat anywhere."""
    said = (message.text for message in request.messages if message.role not in ("assistant", "tool"))
    if request.response_format.kind != "json_object" or any("json" in text.lower() for text in said):
        return []
    return [{"type": "message", "role": "developer", "content": "Answer with a JSON object."}]


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _choice_document(choice: ToolChoice | None, tools: tuple[Tool, ...]) -> Any:
    if choice is None or choice.mode != "named":
        return choice and choice.mode
    kind = next((tool.kind for tool in tools if tool.name == choice.name), "function")
    return {"type": kind, "name": choice.name}


def _tool_document(tool: Tool) -> dict[str, Any]:
    """A function is strict here unless it says no, where chat completions has it the other way round."""
    if tool.kind == "custom":
        grammar = {"type": "grammar", **tool.grammar} if tool.grammar else None
        return _given(type="custom", name=tool.name, description=tool.description, format=grammar)
    parameters = _NO_PARAMETERS if tool.parameters is None else tool.parameters
    return _given(
        type="function", name=tool.name, description=tool.description, parameters=parameters, strict=bool(tool.strict)
    )


_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


def _format_document(format_: ResponseFormat) -> dict[str, Any] | None:
    if format_.kind == "text":
        return None
    return _given(
        type=format_.kind,
        name=format_.name,
        description=format_.description,
        schema=format_.schema,
        strict=format_.strict,
    )
