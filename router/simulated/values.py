"""A value that satisfies a JSON Schema: what a model says when it is held to one. Pure and deterministic."""

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.simulated.schemas import resolve

Json = Any

_SHALLOW = 6  # deeper objects hold only what they must, so that recursive schemas end
_DEEPEST = 24
_LARGEST = 2000  # values in all; after half of them objects hold only what they must
_LONGEST = 1000  # items of an array, characters of a string

_FORMATS = {
    "date-time": "2026-01-15T09:30:00Z",
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "duration": "P3D",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


# What a pattern is tried on: the kinds of text that callers ask for in this way.
_TYPICAL = (
    "2026-01-15",
    "15/01/2026",
    "01/15/2026",
    "2026/01/15",
    "01-15-2026",
    "15-01-2026",
    "2026-01-15T09:30:00Z",
    "2026-01",
    "09:30",
    "09:30:00",
    "2026",
    "1",
    "12",
    "123",
    "12345",
    "1234567890",
    "1.5",
    "10.00",
    "50%",
    "+14155550100",
    "a",
    "A",
    "ab",
    "AB",
    "ABC",
    "A1",
    "AB12",
    "AB-12",
    "ABC-123",
    "ABC-1234",
    "abc",
    "abc123",
    "abc-def",
    "abc_def",
    "abcDef",
    "Abc",
    "Abc Def",
    "user@example.com",
    "https://example.com/",
    "/simulated",
    "#00aa00",
    "1.0.0",
    "v1.0.0",
    "en",
    "en-US",
    "USD",
    "00000000-0000-4000-8000-000000000000",
)


def value_for(schema: Json, luck: int, odd: str = "") -> Json:
    """A value that satisfies `schema`; `luck` picks among those that do. `not` and `if` are not looked at, and a
    `pattern` is kept to where one of some typical texts fits it.

    Strings that may say anything at any length end in `odd`. Types may be in upper case, as in Gemini's own schemas.
    The schema must be well formed (schemas.malformed).
    """
    return _value(schema, _Room(schema, _LARGEST, odd), luck, 0, "value")


@dataclass(slots=True)
class _Room:
    """The whole schema, how many values may still be made, and how strings end."""

    root: Json
    left: int
    odd: str

    def is_scarce(self, depth: int) -> bool:
        return depth > _SHALLOW or self.left < _LARGEST // 2


def _value(schema: Json, room: _Room, luck: int, depth: int, name: str) -> Json:
    room.left -= 1
    if not isinstance(schema, Mapping) or not schema:
        return f"simulated {name}{room.odd}"
    if depth > _DEEPEST or room.left < 0:
        return None
    schema = _flat(schema, room, depth)
    luck = zlib.crc32(name.encode("utf-8", "replace"), luck)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][luck % len(schema["enum"])]
    match _type(schema):
        case "object":
            return _object(schema, room, luck, depth)
        case "array":
            return _array(schema, room, luck, depth, name)
        case "integer":
            return _integer(schema, luck)
        case "number":
            return _number(schema, luck)
        case "boolean":
            return luck % 2 == 0
        case "null":
            return None
        case _:
            return _string(schema, name, room.odd)


def _type(schema: Mapping[str, Json]) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        named = next((item for item in named if item != "null"), "null")
    if isinstance(named, str):
        return named.lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _flat(schema: Mapping[str, Json], room: _Room, depth: int) -> Mapping[str, Json]:
    """`schema` with its $ref, allOf and the first branch of anyOf or oneOf folded in."""
    for _ in range(_DEEPEST):
        rest = {key: item for key, item in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        if isinstance(schema.get("$ref"), str):
            branches = [resolve(room.root, schema["$ref"])]
            rest |= {key: schema[key] for key in ("allOf", "anyOf", "oneOf") if key in schema}
        elif schema.get("allOf"):
            branches = list(schema["allOf"])
            rest |= {key: schema[key] for key in ("anyOf", "oneOf") if key in schema}
        elif choices := schema.get("anyOf") or schema.get("oneOf"):
            branches = [_branch(choices, room.is_scarce(depth))]
            rest |= {_SPARSE: True} if "oneOf" in schema else {}
        else:
            break
        for branch in branches:
            rest = _merged(rest, branch)
        schema = rest
    return schema


_SPARSE = "only what it must hold"  # where more might fit another branch too


def _branch(choices: list[Json], scarce: bool) -> Json:
    if scarce:
        return next((item for item in choices if isinstance(item, Mapping) and item.get("type") == "null"), choices[0])
    return choices[0]


def _merged(one: dict[str, Json], other: Json) -> dict[str, Json]:
    if not isinstance(other, Mapping):
        return one
    both = {**other, **one}
    if "properties" in one and "properties" in other:
        both["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both


def _object(schema: Mapping[str, Json], room: _Room, luck: int, depth: int) -> dict[str, Json]:
    properties = schema.get("properties") or {}
    required = [name for name in schema.get("required") or () if isinstance(name, str)]
    sparse = room.is_scarce(depth) or _SPARSE in schema
    names = [name for name in properties if name in required or not sparse]
    names += [name for name in required if name not in properties]
    return {name: _value(properties.get(name), room, luck, depth + 1, name) for name in dict.fromkeys(names)}


def _array(schema: Mapping[str, Json], room: _Room, luck: int, depth: int, name: str) -> list[Json]:
    fixed = list(schema.get("prefixItems") or ())
    fewest = min(int(schema.get("minItems") or 0), _LONGEST)
    wanted = fewest if room.is_scarce(depth) else max(fewest, int(min(2, schema.get("maxItems", 2))))
    count = max(wanted, len(fixed)) if schema.get("items") is not False else len(fixed)
    items = [*fixed, *[schema.get("items")] * (count - len(fixed))]
    return [_value(item, room, luck, depth + 1, f"{name} {place}") for place, item in enumerate(items[:count], 1)]


def _string(schema: Mapping[str, Json], name: str, odd: str) -> str:
    if isinstance(pattern := schema.get("pattern"), str) and (typical := _fitting(pattern, schema)):
        return typical
    text = _FORMATS.get(schema.get("format", ""), f"simulated {name}{odd if 'maxLength' not in schema else ''}")
    text = text.ljust(min(int(schema.get("minLength") or 0), _LONGEST), ".")
    return text[: int(schema["maxLength"])] if schema.get("maxLength") is not None else text


def _fitting(pattern: str, schema: Mapping[str, Json]) -> str | None:
    least, most = int(schema.get("minLength") or 0), int(schema.get("maxLength") or _LONGEST)
    try:
        expression = re.compile(pattern)
    except re.error:  # JSON Schema's dialect is another one
        return None
    return next((text for text in _TYPICAL if least <= len(text) <= most and expression.search(text)), None)


def _bounds(schema: Mapping[str, Json], step: float) -> tuple[float, float]:
    """The least and the greatest value, `step` away from an exclusive bound (a number, or draft 4's `true`)."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is True and low is not None:
        low += step
    elif above is not None and not isinstance(above, bool):
        low = above + step
    if below is True and high is not None:
        high -= step
    elif below is not None and not isinstance(below, bool):
        high = below - step
    if low is None:
        low = 1 if high is None or high >= 1 else high
    return low, max(low, low + 99 if high is None else high)


def _integer(schema: Mapping[str, Json], luck: int) -> int:
    low, high = _bounds(schema, 1)
    step = max(1, int(schema.get("multipleOf") or 1))
    first = math.ceil(low / step) * step
    return first + luck % max(1, (math.floor(high) - first) // step + 1) * step


def _number(schema: Mapping[str, Json], luck: int) -> float:
    low, high = _bounds(schema, 0.25)
    if step := schema.get("multipleOf"):
        return float(math.ceil(low / step) * step)
    return low + (high - low) * (luck % 8) / 8
