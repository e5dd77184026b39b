"""What a caller of the Messages API sends -> our vocabulary."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from router.bodies import missing, number, read_object, typed, whole, wrong
from router.dialects.messages import fields
from router.dialects.messages.turns import read_messages, read_system
from router.types import ChatRequest, Effort, Json, ResponseFormat, Tool, ToolChoice

# Fields that only advise, or ask for what costs nothing to miss; Anthropic gets them with the rest of the body.
_ADVISORY = frozenset({"cache_control", "context_management", "diagnostics", "fallbacks", "fallback_credit_token",
                       "inference_geo", "speed"})  # fmt: skip
_KNOWN_OUTPUT = frozenset({"effort", "format", "task_budget"})  # the last one advises
_EFFORTS: tuple[Effort, ...] = tuple(effort for effort in get_args(Effort) if effort not in ("none", "minimal"))
_DISPLAYS = (None, "summarized", "omitted")
_SERVICE_TIERS = {"auto": "auto", "standard_only": "default"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MAX_USER = 64  # characters that OpenAI takes; Claude Code sends some 150


def decode_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises BadRequest with `param` for anything Anthropic itself would refuse."""
    found = read_object(body)
    max_tokens = whole(found, "max_tokens", 0)
    if max_tokens is None:
        raise missing("max_tokens")
    return _request(body, found, max_tokens)


def decode_count_request(body: bytes) -> ChatRequest:
    """The same for a request to count tokens, which limits no answer."""
    found = read_object(body)
    found.pop("max_tokens", None)
    return _request(body, found, None)


def _request(body: bytes, found: dict[str, Any], max_tokens: int | None) -> ChatRequest:
    model = fields.text("model", found.pop("model", None) or None)
    system = read_system(found.pop("system", None))
    messages, in_messages = read_messages(found.pop("messages", None))
    listed = _listed_tools(found.pop("tools", None))
    tools = tuple(_tool(f"tools[{index}]", tool) for index, tool in enumerate(listed) if _is_custom(tool))
    choice, alone = _tool_choice(found.pop("tool_choice", None), listed)
    output = typed(found, "output_config", dict) or {}
    effort, show_reasoning = _thinking(found.pop("thinking", None), output)
    old_format = found.pop("output_format", None)
    return ChatRequest(
        model=model,
        messages=(*system, *messages),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=False if alone else None,
        response_format=_response_format(output.get("format") or old_format),
        max_tokens=max_tokens,
        temperature=number(found, "temperature", 0, 1),
        top_p=number(found, "top_p", 0, 1),
        stop=_stop_sequences(typed(found, "stop_sequences", list) or []),
        effort=effort,
        user=_user(typed(found, "metadata", dict) or {}),
        stream=typed(found, "stream", bool) or False,
        include_usage=True,
        show_reasoning=show_reasoning,
        others=_others(found),
        wire="messages",
        raw=body,
        only_native=(*in_messages, *_native_names(listed, max_tokens, output, found)),
    )


def _native_names(
    tools: Sequence[Mapping[str, Json]], max_tokens: int | None, output: Mapping[str, Json], rest: Mapping[str, Json]
) -> Iterator[str]:
    """What no other wire format can say, `rest` being the fields that we don't know. Empty ones ask for nothing."""
    for index, tool in enumerate(tools):
        if not _is_custom(tool):
            yield f"tools[{index}].{str(tool['type'])[:40]}"
        elif "direct" not in (tool.get("allowed_callers") or ["direct"]):
            yield f"tools[{index}].allowed_callers"
    if max_tokens == 0:
        yield "max_tokens: 0"
    for name in output:
        if name not in _KNOWN_OUTPUT:
            yield f"output_config.{name[:40]}"
    for name, value in rest.items():
        if name not in _ADVISORY and value not in (None, False, [], {}):
            yield name[:40]


# --- tools


def _listed_tools(value: object) -> list[Mapping[str, Json]]:
    listed = fields.given("tools", value, list) or []
    tools = [fields.members(f"tools[{index}]", tool) for index, tool in enumerate(listed)]
    names: set[str] = set()
    for index, tool in enumerate(tools):
        fields.given(f"tools[{index}].type", tool.get("type"), str)
        name = str(tool.get("name") or [index])  # sets of tools have none
        if name in names:
            raise wrong(f"tools[{index}].name", f"tools[{index}].name is {name[:80]!r}, as another tool's is")
        names.add(name)
    return tools


def _is_custom(tool: Mapping[str, Json]) -> bool:
    """Whether the caller defines it; the others are Anthropic's own, by their type."""
    return tool.get("type") in (None, "custom")


def _tool(path: str, tool: Mapping[str, Json]) -> Tool:
    name = fields.text(f"{path}.name", tool.get("name"))
    if not _NAME.fullmatch(name):
        raise wrong(f"{path}.name", f"{path}.name is {name[:140]!r}; it has 1 to 128 letters, digits, _ or -")
    where = f"{path}.input_schema"
    schema = fields.members(where, tool.get("input_schema"))
    if schema.get("type") != "object":
        raise wrong(f"{where}.type", f"{where}.type is {str(schema.get('type'))[:40]!r}; it can be object")
    return Tool(
        name,
        fields.given(f"{path}.description", tool.get("description"), str),
        schema,
        fields.given(f"{path}.strict", tool.get("strict"), bool),
        cache=fields.cache(f"{path}.cache_control", tool.get("cache_control")),
    )


def _tool_choice(value: object, tools: Sequence[Mapping[str, Json]]) -> tuple[ToolChoice | None, bool]:
    """How the model chooses, and whether it may call one tool at most."""
    if value is None:
        return None, False
    if not tools:
        raise wrong("tool_choice", "tool_choice goes with tools only")
    choice = fields.members("tool_choice", value)
    where = "tool_choice.disable_parallel_tool_use"
    alone = fields.given(where, choice.get("disable_parallel_tool_use"), bool) or False
    match choice.get("type"):
        case "auto":
            return ToolChoice("auto"), alone
        case "any":
            return ToolChoice("required"), alone
        case "none":
            return ToolChoice("none"), False
        case "tool":
            return ToolChoice("named", _named(choice.get("name"), tools)), alone
        case other:
            text = f"tool_choice.type is {str(other)[:40]!r}; it can be auto, any, tool, none"
            raise wrong("tool_choice.type", text)


def _named(value: object, tools: Sequence[Mapping[str, Json]]) -> str:
    name = fields.text("tool_choice.name", value)
    if name not in [tool.get("name") for tool in tools]:
        raise wrong("tool_choice.name", f"tool_choice.name is {name[:80]!r}, which is not among tools")
    return name


# --- the rest


def _thinking(value: object, output: Mapping[str, Json]) -> tuple[Effort | None, bool]:
    """How hard to think, and whether to show it. Adaptive thinking leaves the first to the model."""
    effort = output.get("effort")
    if effort is not None and effort not in _EFFORTS:
        where = "output_config.effort"
        raise wrong(where, f"{where} is {str(effort)[:40]!r}; it can be {', '.join(_EFFORTS)}")
    if value is None:
        return effort, False
    thinking = fields.members("thinking", value)
    display = thinking.get("display")
    if display not in _DISPLAYS:
        text = f"thinking.display is {str(display)[:40]!r}; it can be summarized, omitted"
        raise wrong("thinking.display", text)
    match thinking.get("type"):
        case "disabled" | "between_tools":
            return "none", False
        case "adaptive":
            return effort, display == "summarized"
        case "enabled":
            return effort or _by_budget(thinking.get("budget_tokens")), display != "omitted"
        case other:
            text = f"thinking.type is {str(other)[:40]!r}; it can be adaptive, enabled, disabled, between_tools"
            raise wrong("thinking.type", text)


def _by_budget(value: object) -> Effort:
    where = "thinking.budget_tokens"
    budget = whole({where: value}, where, 1024)
    if budget is None:
        raise missing(where)
    if budget <= 2048:
        return "low"
    return "medium" if budget <= 10_000 else "high" if budget <= 24_000 else "xhigh"


def _response_format(value: object) -> ResponseFormat:
    where = "output_config.format"
    if value is None:
        return ResponseFormat()
    format_ = fields.members(where, value)
    if format_.get("type") != "json_schema":
        raise wrong(f"{where}.type", f"{where}.type is {str(format_.get('type'))[:40]!r}; it can be json_schema")
    schema = fields.members(f"{where}.schema", format_.get("schema"))
    return ResponseFormat("json_schema", "output", None, schema, strict=True)


def _stop_sequences(listed: list[object]) -> tuple[str, ...]:
    sequences = tuple(fields.text(f"stop_sequences[{index}]", item) for index, item in enumerate(listed))
    if not all(sequence.strip() for sequence in sequences):
        raise wrong("stop_sequences", "stop_sequences has a blank one; each has more than white space")
    return sequences


def _user(metadata: Mapping[str, Json]) -> str | None:
    user: str | None = fields.given("metadata.user_id", metadata.get("user_id"), str)
    return hashlib.sha256(user.encode()).hexdigest() if user and len(user) > _MAX_USER else user


def _others(found: dict[str, Any]) -> dict[str, Json]:
    tier = typed(found, "service_tier", str)
    if tier is not None and tier not in _SERVICE_TIERS:
        raise wrong("service_tier", f"service_tier is {tier[:40]!r}; it can be {', '.join(_SERVICE_TIERS)}")
    others = {"top_k": whole(found, "top_k", 0), "service_tier": _SERVICE_TIERS.get(str(tier))}
    return {name: value for name, value in others.items() if value is not None}
