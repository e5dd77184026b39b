"""JSON Schema -> the words of it that Gemini reads in parametersJsonSchema and responseJsonSchema.

`parameters` and `responseSchema`, which are older, refuse much more of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

import msgspec

from router.types import Json

_NAMED = frozenset({"properties", "$defs", "definitions"})  # hold schemas by names of the caller's
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties"})
_OLD_DEFINITIONS = "#/definitions/"


def problem(schema: Json, *, loose: bool = False) -> str | None:
    """What of `schema` can't be said, None when all can. With `loose` it is a description that need not be kept to."""
    nodes = list(_within(schema))
    if not loose and any(isinstance(some := node.get("allOf"), list) and len(some) > 1 for node in nodes):
        return "this model reads no allOf of several schemas"
    if _recurses(schema, set(_references(nodes))):
        return "this model reads recursion in optional properties only"
    return None


def translated(node: Json, *, loose: bool = False) -> Json:
    """The same schema in words that are read: `const` and `allOf` are not, and beside a $ref there may be $-keys only.

    An allOf of one, and a $ref with a description, say the same as an anyOf of one. With `loose`, an allOf of several
    becomes words of the description.
    """
    if not isinstance(node, Mapping):
        return node
    schema = {key: _member(key, value, loose) for key, value in node.items()}
    if isinstance(schema.get("definitions"), Mapping):
        schema["$defs"] = {**schema.pop("definitions"), **schema.get("$defs", {})}
    if "const" in schema and "enum" not in schema:
        schema |= _constant(schema.pop("const"))
    if loose and isinstance(schema.get("allOf"), list) and len(schema["allOf"]) > 1:
        words = "{allOf: " + msgspec.json.encode(schema.pop("allOf")).decode() + "}"
        schema["description"] = f"{schema.get('description', '')}\n\n{words}".lstrip()
    if "anyOf" in schema:
        return schema
    if isinstance(schema.get("$ref"), str) and not all(key.startswith("$") for key in schema):
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        schema["anyOf"] = schema.pop("allOf")
    return schema


def _member(key: str, value: Json, loose: bool) -> Json:
    if key in _NAMED and isinstance(value, Mapping):
        return {name: translated(inner, loose=loose) for name, inner in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [translated(inner, loose=loose) for inner in value]
    if key in _SINGLE:
        return translated(value, loose=loose)
    if key == "$ref" and isinstance(value, str) and value.startswith(_OLD_DEFINITIONS):
        return "#/$defs/" + value.removeprefix(_OLD_DEFINITIONS)
    return value


def _constant(value: Json) -> dict[str, Json]:
    """An enum takes texts and numbers. Of a truth value the type is all that can be said."""
    if value is None:
        return {"type": "null"}
    return {"type": "boolean"} if isinstance(value, bool) else {"enum": [value]}


def _recurses(root: Json, references: set[str]) -> bool:
    """Whether a schema holds itself outside an optional property; that it may be null, or an item, doesn't help."""
    needs: dict[int, set[int]] = {}  # by the identity of what is referred to: one thing may have many names
    waiting = [_target(root, reference) for reference in references]
    while waiting:
        target = waiting.pop()
        if id(target) not in needs:
            needed = [_target(root, reference) for reference in set(_references(_within(target, always=True)))]
            needs[id(target)] = {id(inner) for inner in needed}
            waiting += needed
    try:
        TopologicalSorter(needs).prepare()
    except CycleError:
        return True
    return False


def _references(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if isinstance(reference := node.get("$ref"), str):
            yield reference


def _within(schema: Json, *, always: bool = False) -> Iterator[dict[str, Any]]:
    """`schema` and the schemas in it, not those that it refers to; with `always` those that each value has to fit."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield node
        for key, value in node.items():
            if isinstance(value, dict):
                if key in _SINGLE:
                    waiting.append(value)
                elif key in _NAMED and not always:
                    waiting += value.values()
                elif key == "properties":
                    waiting += _required(node, value)
            elif key in _LISTS and isinstance(value, list):
                waiting += value


def _required(node: dict[str, Any], properties: dict[str, Any]) -> list[Json]:
    required = node.get("required")
    names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    return [properties[name] for name in names & properties.keys()]


def _target(root: Json, reference: str) -> Json:
    """What a `#/...` pointer leads to in `root`, None where that is nothing."""
    start, *steps = unquote(reference).split("/")
    found = root if start == "#" else None
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if re.fullmatch("[0-9]{1,6}", name) and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found
