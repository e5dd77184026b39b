"""Tools and the choice among them, in this API's words."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from router.dialects import as_function
from router.dialects.anthropic.blocks import given, mark
from router.dialects.anthropic.schema import enforceable
from router.types import ChatRequest, Tool, ToolChoice

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


def tool(index: int, given_tool: Tool) -> dict[str, Any]:
    """Raises BadRequest for a strict one whose schema can't be enforced."""
    function = as_function(given_tool)
    schema: dict[str, Any] = {"properties": {}, **(function.parameters or {}), "type": "object"}
    if function.strict:
        schema = enforceable(f"tools[{index}].function.parameters", {"additionalProperties": False, **schema})
    return given(
        name=function.name,
        description=function.description or None,
        input_schema=schema,
        strict=function.strict or None,
        cache_control=mark(function.cache),
    )


def tool_choice(request: ChatRequest) -> dict[str, Any] | None:
    alone = request.parallel_tool_calls is False
    choice = request.tool_choice or (ToolChoice("auto") if alone else None)
    if not request.tools or choice is None:
        return None
    single = True if alone and choice.mode != "none" else None
    return given(type=_CHOICES[choice.mode], name=choice.name, disable_parallel_tool_use=single)


def forces_a_tool(request: ChatRequest) -> bool:
    choice = request.tool_choice
    return bool(request.tools) and choice is not None and choice.mode in ("required", "named")


def tool_obstacles(tools: Sequence[Tool]) -> Iterator[str]:
    """What of the tools this API has no word for."""
    names = set()
    for index, each in enumerate(tools):
        path = f"tools[{index}].{each.kind}"
        if not _NAME.fullmatch(each.name):
            yield f"{path}.name: it has 1 to 128 letters, digits, _ or - for this model"
        if each.name in names:
            yield f"{path}.name: this model takes no two tools of the name {each.name[:64]!r}"
        if each.grammar is not None:
            yield f"{path}.format: this model can't be held to a grammar"
        names.add(each.name)
