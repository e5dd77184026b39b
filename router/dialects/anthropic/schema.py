"""JSON Schema -> the part of it that this API enforces; the rest becomes words, as in Anthropic's own SDK."""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from router.errors import BadRequest
from router.types import Json

_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_MEANINGLESS = frozenset({"$schema", "$id", "$comment"})  # to the model


class _Unenforceable(ValueError):
    """What of a schema this API can't enforce."""


def enforceable(param: str, schema: Mapping[str, Json]) -> dict[str, Any]:
    """The schema that is enforced. Raises BadRequest for one that can't be."""
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
    required = {"required": rest.pop("required")} if rest.get("required") is not None else {}
    return {"properties": _members(rest, "properties"), "additionalProperties": False, **required}


def _array(rest: dict[str, Any]) -> dict[str, Any]:
    array: dict[str, Any] = {"items": _converted(rest.pop("items"))} if "items" in rest else {}
    if rest.get("minItems") in (0, 1):
        array["minItems"] = rest.pop("minItems")
    return array


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
