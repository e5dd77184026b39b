"""What a caller of Responses sends -> our vocabulary."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import msgspec

from router.bodies import (
    filled,
    flag,
    member,
    missing,
    number,
    one_of,
    optional_one_of,
    optional_text,
    read_object,
    text,
    typed,
    whole,
    wrong,
)
from router.dialects.responses.items import (
    Item,
    as_messages,
    kept_in,
    listed,
    read,
    read_history,
    references_in,
    with_references,
)
from router.dialects.responses.namespaces import joined
from router.types import ChatRequest, Effort, Json, Message, ResponseFormat, Text, Tool, ToolChoice

_EFFORTS = get_args(Effort)
_VERBOSITIES = ("low", "medium", "high")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")

# By the same names in chat completions.
_OTHERS = {
    "store": bool, "metadata": dict, "service_tier": str, "prompt_cache_key": str, "prompt_cache_options": dict,
    "prompt_cache_retention": str, "safety_identifier": str, "moderation": dict,
}  # fmt: skip
# What other providers can leave out without answering another question: hints, limits on OpenAI's own tools, and what
# is to happen when a conversation grows too long, which they refuse.
_ADVISORY = {
    "max_tool_calls": int, "truncation": str, "context_management": list, "stream_options": dict, "image": dict,
    "background_options": dict, "client_metadata": dict,
}  # fmt: skip


def decode_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises BadRequest with `param` for anything OpenAI itself would refuse.

    Of a request that continues an answer, `messages` are the caller's own until `continued` puts it behind the others.
    """
    fields = read_object(body)
    native: list[str] = []
    _check_unsupported(fields)
    previous = typed(fields, "previous_response_id", str)
    references = dict.fromkeys(references_in(fields.get("input")))
    kept = dict.fromkeys(kept_in(fields.get("input")))
    messages = _messages(fields, previous, native)
    tools, tool_choice = _tools_and_choice(fields, native)
    parallel = typed(fields, "parallel_tool_calls", bool)
    format_, verbosity = _text(typed(fields, "text", dict) or {})
    effort, shown = _reasoning(typed(fields, "reasoning", dict) or {}, native)
    others = {name: typed(fields, name, kind) for name, kind in _OTHERS.items()} | {"verbosity": verbosity}
    for name, kind in _ADVISORY.items():
        typed(fields, name, kind)
    return ChatRequest(
        model=_model(fields),
        references=references,
        kept=kept,
        messages=messages,
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=parallel if tools else None,
        response_format=format_,
        max_tokens=whole(fields, "max_output_tokens", 1),
        temperature=number(fields, "temperature", 0, 2),
        top_p=number(fields, "top_p", 0, 1),
        effort=effort,
        user=typed(fields, "user", str),
        stream=typed(fields, "stream", bool) or False,
        logprobs=_logprobs(fields),
        show_reasoning=shown,
        others={name: value for name, value in others.items() if value is not None},
        wire="responses",
        raw=body,
        only_native=(*native, *(name for name, value in fields.items() if value is not None)),
        previous=previous,
    )


_UNREADABLE = "previous_response_id"  # how `read_history` names what it can't read


def continued(request: ChatRequest, conversation: Sequence[Json], held_by: str | None) -> ChatRequest:
    """The request behind the conversation that it continues. Raises BadRequest when the two don't fit.

    The instructions of earlier turns don't hold for this one.
    """
    fields, native = msgspec.json.decode(request.raw), list(request.only_native)
    own = with_references(_input_items(fields.get("input")), request.references)
    pieces = [*read_history(conversation, native), *read(own, [])]
    messages = (*_instructions(fields.get("instructions")), *as_messages(pieces, complete=True))
    bound = held_by is not None and _UNREADABLE in native  # its own tools' items, say: nobody else can go on from them
    return replace(
        request,
        messages=messages,
        history=tuple(conversation),
        held_by=held_by,
        bound_to=held_by if bound else None,
        only_native=tuple(name for name in native if not (bound and name == _UNREADABLE)),
    )


def referred(request: ChatRequest, items: Mapping[str, Json], held_by: str | None) -> ChatRequest:
    """The request with the items that its input names by their ids; `held_by` keeps them too."""
    fields = msgspec.json.decode(request.raw)
    fields["input"] = with_references(fields["input"], items)
    found = decode_request(msgspec.json.encode(fields))
    return replace(found, raw=request.raw, headers=request.headers, references=items, held_by=held_by)


def own_items(request: ChatRequest) -> list[Item]:
    """The caller's input as items in full form, each with an id."""
    unique = hashlib.sha256(request.raw).hexdigest()[:32]
    said = msgspec.json.decode(request.raw).get("input")
    return listed(said if said is None or isinstance(said, str) else with_references(said, request.references), unique)


def _check_unsupported(fields: dict[str, Any]) -> None:
    if fields.get("stream_options") is not None and not fields.get("stream"):
        raise wrong("stream_options", "stream_options goes with stream: true only")
    if typed(fields, "background", bool):
        raise wrong("background", "this proxy runs no responses in the background", "unsupported_parameter")
    if fields.pop("conversation", None) is not None:
        text_ = "this proxy keeps no conversations; send previous_response_id or the whole input"
        raise wrong("conversation", text_, "unsupported_parameter")


def _model(fields: dict[str, Any]) -> str:
    return text("model", fields.pop("model", None) or None)


# --- the conversation


def _messages(fields: dict[str, Any], previous: str | None, native: list[str]) -> tuple[Message, ...]:
    given = fields.pop("input", None)
    elsewhere = previous is not None or fields.get("prompt") is not None
    if given is None and not elsewhere:
        raise missing("input")
    if given == [] and not elsewhere:
        raise wrong("input", "input is empty; it has at least one item", "empty_array")
    pieces = read(_input_items(given), native)
    complete = not elsewhere and not references_in(given)
    return (*_instructions(fields.pop("instructions", None)), *as_messages(pieces, complete=complete))


def _input_items(given: Json) -> list[Json]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if given is not None and not isinstance(given, list):
        raise wrong("input", "input is a string or an array of items", "invalid_type")
    return given or []


def _instructions(value: Json) -> tuple[Message, ...]:
    words = optional_text("instructions", value)
    return (Message("system", (Text(words),)),) if words else ()


# --- tools


def _tools_and_choice(fields: dict[str, Any], native: list[str]) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that may be called, and how the model chooses among them; of OpenAI's own ones, nothing."""
    given = typed(fields, "tools", list) or []
    tools = tuple(tool for index, value in enumerate(given) for tool in _read_tools(f"tools[{index}]", value, native))
    choice = fields.pop("tool_choice", None)
    match choice:
        case None | "auto" | "none" if not tools:
            return (), None
        case None:
            return tools, None
        case _ if not given:
            raise wrong("tool_choice", f"tool_choice {str(choice)[:40]!r} goes with tools only")
        case "auto" | "none" | "required":
            return tools, ToolChoice(choice) if tools else None
        case {"type": "function" | "custom" as kind}:
            return tools, ToolChoice("named", _named("tool_choice", choice, kind, tools))
        case {"type": "allowed_tools"}:
            return _allowed(choice, tools, native)
        case {"type": str()}:
            native.append("tool_choice")
            return tools, None
    raise wrong("tool_choice", "tool_choice is auto, none, required, or an object with type")


# Of a tool, what has no counterpart elsewhere.
_NATIVE_MEMBERS = ("defer_loading", "allowed_callers", "async")


def _read_tools(path: str, value: Json, native: list[str], namespace: str | None = None) -> Iterator[Tool]:
    """What `value` offers: a tool, or those of a namespace."""
    tool = member(path, value)
    kind = text(f"{path}.type", tool.get("type"))
    if kind in ("function", "custom"):
        native += [f"{path}.{name}" for name in _NATIVE_MEMBERS if tool.get(name)]
        yield _tool(path, kind, tool, namespace)
    elif kind == "namespace" and namespace is None:
        name = _tool_name(path, tool)
        for index, inner in enumerate(filled(f"{path}.tools", tool.get("tools"))):
            yield from _read_tools(f"{path}.tools[{index}]", inner, native, name)
    else:
        native.append(f"{path}.type")


def _tool(path: str, kind: str, tool: Item, namespace: str | None) -> Tool:
    name = joined(namespace, _tool_name(path, tool))
    description = optional_text(f"{path}.description", tool.get("description"))
    if kind == "custom":
        return Tool(name, description, kind="custom", grammar=_grammar(f"{path}.format", tool.get("format")))
    parameters = tool.get("parameters")
    parameters = None if parameters is None else member(f"{path}.parameters", parameters)
    return Tool(name, description, parameters, flag(f"{path}.strict", tool.get("strict")))


def _tool_name(path: str, tool: Item) -> str:
    name = text(f"{path}.name", tool.get("name"))
    if not _NAME.fullmatch(name):
        raise wrong(f"{path}.name", f"{path}.name is {name[:150]!r}; it has 1 to 128 letters, digits, _ or -")
    return name


def _grammar(path: str, value: Json) -> Mapping[str, Json] | None:
    if value is None:
        return None
    format_ = member(path, value)
    if one_of(f"{path}.type", format_.get("type"), ("text", "grammar")) == "text":
        return None
    return {key: text(f"{path}.{key}", format_.get(key)) for key in ("syntax", "definition")}


def _named(path: str, choice: Item, kind: str, tools: Sequence[Tool]) -> str:
    name = text(f"{path}.name", choice.get("name"))
    name = joined(optional_text(f"{path}.namespace", choice.get("namespace")), name)
    if (kind, name) not in [(tool.kind, tool.name) for tool in tools]:
        raise wrong(path, f"{path} names the {kind} {name[:64]!r}, which is not among tools")
    return name


def _allowed(choice: Item, tools: Sequence[Tool], native: list[str]) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The vocabulary has the allowed tools alone; a provider of this wire format gets the caller's own fields."""
    mode = one_of("tool_choice.mode", choice.get("mode"), ("auto", "required"))
    names = set()
    for index, value in enumerate(filled("tool_choice.tools", choice.get("tools"))):
        path = f"tool_choice.tools[{index}]"
        kind = text(f"{path}.type", member(path, value).get("type"))
        if kind in ("function", "custom"):
            names.add(_named(path, value, kind, tools))
        else:
            native.append(f"{path}.type")
    allowed = tuple(tool for tool in tools if tool.name in names)
    return allowed, ToolChoice(mode) if allowed else None


# --- text, reasoning


def _text(config: Item) -> tuple[ResponseFormat, str | None]:
    """The form of the answer, and how much it is to say."""
    verbosity = optional_one_of("text.verbosity", config.get("verbosity"), _VERBOSITIES)
    value = config.get("format")
    if value is None:
        return ResponseFormat(), verbosity
    format_ = member("text.format", value)
    match one_of("text.format.type", format_.get("type"), ("text", "json_object", "json_schema")):
        case "json_object":
            return ResponseFormat("json_object"), verbosity
        case "json_schema":
            return _schema_format(format_), verbosity
    return ResponseFormat(), verbosity


def _schema_format(format_: Item) -> ResponseFormat:
    name = text("text.format.name", format_.get("name"))
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise wrong("text.format.name", f"text.format.name is {name[:80]!r}; it has 1 to 64 letters, digits, _ or -")
    return ResponseFormat(
        "json_schema",
        name,
        optional_text("text.format.description", format_.get("description")),
        member("text.format.schema", format_.get("schema")),
        flag("text.format.strict", format_.get("strict")),
    )


def _reasoning(config: Item, native: list[str]) -> tuple[Effort | None, bool]:
    """How hard to think, and whether the caller wants to see it."""
    effort = optional_one_of("reasoning.effort", config.get("effort"), _EFFORTS)
    if config.get("mode") not in (None, "standard"):
        native.append("reasoning.mode")
    return effort, config.get("summary") is not None or config.get("generate_summary") is not None


def _logprobs(fields: dict[str, Any]) -> int | None:
    include = typed(fields, "include", list) or []
    alternatives = whole(fields, "top_logprobs", 0, 20)
    return (alternatives or 0) if "message.output_text.logprobs" in include else None
