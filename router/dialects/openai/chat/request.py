"""Our vocabulary -> POST chat/completions, for OpenAI and every server compatible with it.

A request that came in this wire format keeps the caller's own fields; only what the model needs is changed.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects import WireRequest
from router.dialects.openai import rules
from router.dialects.openai.chat.messages import as_sent, message_document, tool_as_sent, with_text_results, with_told
from router.types import ChatRequest, File, ResponseFormat, Tool, ToolChoice

# --- what this dialect can't say -----------------------------------------------------------------------


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """What this model can't be asked, although its dialect has a word for it, and what the dialect has none for."""
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if request.n > 1 and not model.choices:
        yield "n: this model gives one choice"
    if not model.takes_tools_on_chat(request):
        yield "reasoning_effort: this model takes no function tools together with an effort"
    yield from rules.obstacles(request, model)
    if request.wire != "chat":
        yield from rules.long_names(request)
    if request.others.get("logit_bias") and not model.sampling:
        yield "logit_bias: this model doesn't take it"
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, File) and part.url is not None:
                yield f"messages[{index}].content[{place}]: this model takes files inline, none by its URL"


# --- what we send --------------------------------------------------------------------------------------


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The body for this model: the caller's own fields where it spoke this dialect, else built from the vocabulary."""
    fields = _raw_fields(request) if request.wire == "chat" and request.raw else _built_fields(request)
    fields["model"] = model.id
    _fit_limit(fields, request, model)
    _fit_effort(fields, request, model)
    _fit_tools(fields, request, model)
    _fit_schemas(fields, request, model)
    if request.stream:
        fields["stream_options"] = {**(rules.plain(fields.get("stream_options")) or {}), "include_usage": True}
    return WireRequest("/chat/completions", rules.headers(model), msgspec.json.encode(fields))


def _fit_limit(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        fields.pop(name, None)
    if request.max_tokens is not None:
        fields[model.max_tokens_field] = request.max_tokens


def _fit_effort(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    """The effort, and the sampling that goes with it or doesn't."""
    if model.effort is not None and request.effort is None:
        fields["reasoning_effort"] = model.effort
    elif not model.efforts:
        fields.pop("reasoning_effort", None)  # "none", which such a model does anyway
    left_out = () if model.sampling else ("presence_penalty", "frequency_penalty", "logit_bias")  # the last one is {}
    if not rules.takes_sampling(request, model):
        left_out = ("temperature", "top_p", *left_out)
    for name in left_out:
        fields.pop(name, None)


def _fit_tools(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    """Functions that are offered but not allowed rule out an effort like the others: such a model gets the rest."""
    functions = replace(request, tools=(Tool("function"),))
    if not rules.is_narrowed(fields) or model.takes_tools_on_chat(functions):
        return
    names = {tool.name for tool in request.tools}
    fields["tools"] = [tool for tool in rules.plain(fields["tools"]) if tool[tool["type"]]["name"] in names]
    fields["tool_choice"] = rules.plain(fields["tool_choice"])["allowed_tools"]["mode"]


def _fit_schemas(fields: dict[str, Any], request: ChatRequest, model: Model) -> None:
    if (told := rules.told_schema(request, model)) is not None:
        fields.pop("response_format", None)
        fields["messages"] = with_told(rules.plain(fields["messages"]), told)
    if not rules.leaves_schemas_open(fields, request, model):
        return
    if tools := rules.plain(fields.get("tools")):
        fields["tools"] = [_closed(tool, "function", "parameters") for tool in tools]
    if format_ := rules.plain(fields.get("response_format")):
        fields["response_format"] = _closed(format_, "json_schema", "schema")


def _closed(document: dict[str, Any], member: str, name: str) -> dict[str, Any]:
    return {**document, member: rules.closed(document[member], name)} if member in document else document


# --- the caller's own fields


def _raw_fields(request: ChatRequest) -> dict[str, Any]:
    """The caller's fields, undecoded but where there may be something in them that the provider wouldn't take."""
    fields = rules.raw_fields(request.raw)
    messages = bytes(fields["messages"])
    answered = any(message.role == "assistant" for message in request.messages)
    if answered or b"null" in messages or b'"cache_control"' in messages:
        fields["messages"] = with_text_results([as_sent(message) for message in msgspec.json.decode(messages)])
    tools = bytes(fields.get("tools", b""))
    if b"null" in tools or b'"cache_control"' in tools:
        fields["tools"] = [tool_as_sent(tool) for tool in msgspec.json.decode(tools)]
    fields.pop("cache_control", None)
    return fields


# --- built from the vocabulary

_OF_OTHER_APIS = frozenset({"top_k", "cache_control"})
_OF_ONE_PROVIDER = frozenset({"store", "metadata"})  # what a caller of another API has stored, we store


def _built_fields(request: ChatRequest) -> dict[str, Any]:
    unsaid = _OF_OTHER_APIS if request.wire == "chat" else _OF_OTHER_APIS | _OF_ONE_PROVIDER
    fields: dict[str, Any] = {name: value for name, value in request.others.items() if name not in unsaid}
    fields["messages"] = with_text_results([message_document(message) for message in request.messages])
    if request.tools:
        fields["tools"] = [_tool_document(tool) for tool in request.tools]
        fields["tool_choice"] = _choice_document(request.tool_choice, request.tools)
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format.kind != "text":
        fields["response_format"] = _format_document(request.response_format)
    optional = {
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
    return {name: value for name, value in {**fields, **optional}.items() if value is not None}


def _choice_document(choice: ToolChoice | None, tools: tuple[Tool, ...]) -> Any:
    if choice is None or choice.mode != "named":
        return choice and choice.mode
    kind = next((tool.kind for tool in tools if tool.name == choice.name), "function")
    return {"type": kind, kind: {"name": choice.name}}


def _tool_document(tool: Tool) -> dict[str, Any]:
    optional: dict[str, Any] = {"description": tool.description}
    if tool.kind == "custom":
        optional["format"] = {"type": "grammar", "grammar": tool.grammar} if tool.grammar else None
    else:
        optional |= {"parameters": tool.parameters, "strict": tool.strict}
    document = {"name": tool.name} | {key: value for key, value in optional.items() if value is not None}
    return {"type": tool.kind, tool.kind: document}


def _format_document(format_: ResponseFormat) -> dict[str, Any]:
    if format_.kind == "json_object":
        return {"type": "json_object"}
    optional: dict[str, Any] = {"description": format_.description, "strict": format_.strict}
    spec: dict[str, Any] = {"name": format_.name, "schema": format_.schema}
    spec |= {key: value for key, value in optional.items() if value is not None}
    return {"type": "json_schema", "json_schema": spec}
