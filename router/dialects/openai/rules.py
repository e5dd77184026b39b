"""What both of OpenAI's APIs ask of a request, chat completions and responses, and what is done about it. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects.openai import strict_schema
from router.types import ChatRequest, Effort, File

_NULL = b"null"


def headers(model: Model) -> tuple[tuple[str, str], ...]:
    """The headers of a POST, with the provider's key where it has one."""
    key = model.provider.api_key
    authorization = (("authorization", f"Bearer {key}"),) if key else ()
    return (("content-type", "application/json"), *authorization)


def raw_fields(body: bytes) -> dict[str, Any]:
    """The caller's top-level fields, undecoded where there is no null: clients write unset options as null, which are
    left out. Messages, items and tools are looked at by those who know what is in them."""
    found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: _without_nulls(name, value) for name, value in found.items() if bytes(value) != _NULL}


_LOOKED_AT = ("messages", "input", "tools")


def _without_nulls(name: str, value: msgspec.Raw) -> Any:
    return value if name in _LOOKED_AT or _NULL not in bytes(value) else _filled(msgspec.json.decode(value))


def _filled(value: Any) -> Any:
    """A value without unset members. A schema means its nulls."""
    if isinstance(value, dict):
        return {name: item if name == "schema" else _filled(item) for name, item in value.items() if item is not None}
    return [_filled(item) for item in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """A field decoded, where it isn't yet."""
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


# --- what a model can't be asked


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """What this model can't be asked on either API, by the names of chat completions."""
    if request.effort not in (None, *model.efforts) and (model.efforts or request.effort != "none"):
        yield f"reasoning_effort: this model knows {', '.join(model.efforts) or 'no effort'}"
    if request.tool_choice and request.tool_choice.mode in ("required", "named") and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    if request.logprobs is not None and not (model.logprobs and takes_sampling(request, model)):
        yield "logprobs: this model doesn't give them" + (" unless its effort is none" if model.logprobs else "")
    for name, schema in strict_schemas(request, model):
        if problem := strict_schema.problem(schema):
            yield f"{name}: strict mode {problem}"


def long_names(request: ChatRequest) -> Iterator[str]:
    """The tools of another API's caller that have longer names than OpenAI takes."""
    for index, tool in enumerate(request.tools):
        if len(tool.name) > _LONGEST_NAME:
            yield f"tools[{index}].function.name: this model takes {_LONGEST_NAME} characters at most"


_LONGEST_NAME = 64


def effort(request: ChatRequest, model: Model) -> Effort | None:
    """The caller's before the model's own; None leaves it to the provider."""
    return request.effort or model.effort


def takes_sampling(request: ChatRequest, model: Model) -> bool:
    """Whether temperature and top_p may be said; where not, they are advice and left out."""
    return model.sampling or effort(request, model) == "none"


# --- schemas


def strict_schemas(request: ChatRequest, model: Model) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas that the provider is to keep to the letter, by the name of the field they stand in."""
    format_ = request.response_format
    if format_.strict and format_.schema is not None and model.json_schema:
        yield "response_format", format_.schema
    for index, tool in enumerate(request.tools):
        if tool.strict and tool.parameters is not None:
            yield f"tools[{index}].function.parameters", tool.parameters


def leaves_schemas_open(fields: Mapping[str, Any], request: ChatRequest, model: Model) -> bool:
    """Whether one of the strict schemas has to be closed before OpenAI takes it, of a tool that may not be called too,
    which the request doesn't know."""
    return any(strict_schema.is_open(schema) for _, schema in strict_schemas(request, model)) or is_narrowed(fields)


def is_narrowed(fields: Mapping[str, Any]) -> bool:
    """Whether these fields of the caller's allow only some of the tools."""
    choice = plain(fields.get("tool_choice"))
    return isinstance(choice, dict) and choice.get("type") == "allowed_tools"


def closed(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A function or a format with the schema called `name` closed, where it is strict."""
    if not document.get("strict") or name not in document:
        return {**document}
    return {**document, name: strict_schema.closed(document[name])}


def told_schema(request: ChatRequest, model: Model) -> str | None:
    """The words for a model that can't be held to the schema asked for; the answer is checked before it leaves."""
    if request.response_format.kind != "json_schema" or model.json_schema:
        return None
    schema = msgspec.json.encode(request.response_format.schema).decode()
    return f"Answer with JSON that fits this JSON Schema and nothing else: no words around it, no code fence.\n{schema}"


# --- values


def short_id(id_: str, longest: int) -> str:
    """An id that OpenAI takes for a call and its result: other providers and gateways make longer ones."""
    return id_ if len(id_) <= longest else "call_" + hashlib.sha256(id_.encode()).hexdigest()[:32]


def filename(file: File) -> str | None:
    """OpenAI wants one with inline data, other providers' callers give none."""
    if file.filename is not None or file.data is None:
        return file.filename
    return "file.pdf" if file.data.startswith("data:application/pdf") else "file.txt"


def arguments(text: str) -> str:
    """The arguments of a function's call in the history: some providers leave out those of none."""
    return text if text.strip() else "{}"


def tokens(counts: object, name: str) -> int:
    """A count of a usage, 0 where it is missing or none."""
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
