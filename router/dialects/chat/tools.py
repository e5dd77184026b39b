"""The tools of a chat completions request, and the choice among them -> our vocabulary; the old `functions` too."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from router.bodies import filled, flag, member, one_of, optional_text, text, wrong
from router.dialects.chat.messages import cache_mark
from router.types import Json, Tool, ToolChoice, ToolKind

Chosen = tuple[tuple[Tool, ...], ToolChoice | None]  # the tools that may be called, and how the model chooses

_KINDS = get_args(ToolKind)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_name(path: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise wrong(path, f"{path} is {name[:80]!r}; it has 1 to 64 letters, digits, _ or -")
    return name


def read_tools(listed: object, choice: object) -> Chosen:
    """`tools` and `tool_choice` of the body."""
    if listed is None:
        tools: tuple[Tool, ...] = ()
    else:
        tools = tuple(_tool(f"tools[{index}]", item) for index, item in enumerate(filled("tools", listed)))
    if choice is None:
        return tools, None
    if not tools:
        raise wrong("tool_choice", "tool_choice goes with tools only")
    match choice:
        case "auto" | "none" | "required":
            return tools, ToolChoice(choice)
        case {"type": "function" | "custom"}:
            return tools, ToolChoice("named", _named_tool("tool_choice", choice, tools).name)
        case {"type": "allowed_tools", **rest}:
            return _allowed_tools(rest.get("allowed_tools"), tools)
    wanted = "auto, none, required, or an object of type function, custom or allowed_tools"
    raise wrong("tool_choice", f"tool_choice can be {wanted}")


def read_functions(listed: object, choice: object) -> Chosen:
    """`functions` and `function_call` of the body, the old form of the same."""
    tools = tuple(
        _function(f"functions[{index}]", member(f"functions[{index}]", item))
        for index, item in enumerate(filled("functions", listed))
    )
    match choice:
        case None:
            return tools, None
        case "auto" | "none":
            return tools, ToolChoice(choice)
        case {"name": name}:
            return tools, ToolChoice("named", _known("function_call", "function", name, tools).name)
    raise wrong("function_call", "function_call can be auto, none, or an object with the name of a function")


def _tool(path: str, value: object) -> Tool:
    tool = member(path, value)
    kind = one_of(f"{path}.type", tool.get("type"), _KINDS)
    where = f"{path}.{kind}"
    spec = member(where, tool.get(kind))
    if tool.get("cache_control") is not None:
        spec = {**spec, "cache_control": tool["cache_control"]}
    return _function(where, spec) if kind == "function" else _custom(where, spec)


def _function(path: str, spec: Mapping[str, Any]) -> Tool:
    parameters = spec.get("parameters")
    return Tool(
        check_name(f"{path}.name", text(f"{path}.name", spec.get("name"))),
        optional_text(f"{path}.description", spec.get("description")),
        None if parameters is None else member(f"{path}.parameters", parameters),
        flag(f"{path}.strict", spec.get("strict")),
        cache=cache_mark(path, spec),
    )


def _custom(path: str, spec: Mapping[str, Any]) -> Tool:
    return Tool(
        check_name(f"{path}.name", text(f"{path}.name", spec.get("name"))),
        optional_text(f"{path}.description", spec.get("description")),
        kind="custom",
        grammar=_grammar(f"{path}.format", spec.get("format")),
        cache=cache_mark(path, spec),
    )


def _grammar(path: str, value: object) -> Mapping[str, Json] | None:
    if value is None:
        return None
    format_ = member(path, value)
    if one_of(f"{path}.type", format_.get("type"), ("text", "grammar")) == "text":
        return None
    grammar = member(f"{path}.grammar", format_.get("grammar"))
    return {
        "syntax": one_of(f"{path}.grammar.syntax", grammar.get("syntax"), ("lark", "regex")),
        "definition": text(f"{path}.grammar.definition", grammar.get("definition")),
    }


def _named_tool(path: str, value: object, tools: tuple[Tool, ...]) -> Tool:
    choice = member(path, value)
    kind: ToolKind = one_of(f"{path}.type", choice.get("type"), _KINDS)
    return _known(
        path, kind, text(f"{path}.{kind}.name", member(f"{path}.{kind}", choice.get(kind)).get("name")), tools
    )


def _known(path: str, kind: ToolKind, name: object, tools: tuple[Tool, ...]) -> Tool:
    found = next((tool for tool in tools if (tool.kind, tool.name) == (kind, name)), None)
    if found is None:
        raise wrong(path, f"{path} names the {kind} {str(name)[:64]!r}, which the request doesn't define")
    return found


def _allowed_tools(value: object, tools: tuple[Tool, ...]) -> Chosen:
    """The vocabulary has the allowed tools alone; a provider of this dialect gets the caller's own fields anyway."""
    path = "tool_choice.allowed_tools"
    allowed = member(path, value)
    listed = filled(f"{path}.tools", allowed.get("tools"))
    named = [_named_tool(f"{path}.tools[{index}]", item, tools) for index, item in enumerate(listed)]
    mode: Any = one_of(f"{path}.mode", allowed.get("mode"), ("auto", "required"))
    return tuple(tool for tool in tools if tool in named), ToolChoice(mode)
