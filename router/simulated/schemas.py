"""Whether a JSON Schema is one at all: a provider refuses it where it isn't, and nothing later has to ask again."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = Any

_DEEPEST = 50


def malformed(schema: Json) -> str | None:
    """The first keyword whose value is not of its type, as `properties.a.required`; None for a sound schema.

    What its references lead to is looked at too, wherever in the document that stands.
    """
    waiting: list[tuple[str, Json]] = [("", schema)]
    seen: set[str] = set()
    while waiting:
        path, part = waiting.pop()
        if fault := next(_malformed(part, path, 0), None):
            return fault
        for reference in set(_references(part)) - seen:
            seen.add(reference)
            waiting.append((reference, resolve(schema, reference)))
    return None


def resolve(root: Json, reference: str) -> Json:
    """What a `#/...` pointer leads to in `root`, None where there is nothing."""
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _is_schema(value: Json) -> bool:
    return isinstance(value, Mapping | bool)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_count(value: Json) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_names(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_schemas(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_named_schemas(value: Json) -> bool:
    return isinstance(value, Mapping) and all(map(_is_schema, value.values()))


_KEYWORDS: dict[str, Callable[[Json], bool]] = {
    "type": lambda value: isinstance(value, str) or (_is_names(value) and bool(value)),
    "enum": lambda value: isinstance(value, list),
    "required": _is_names,
    "$ref": lambda value: isinstance(value, str),
    "format": lambda value: isinstance(value, str),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "exclusiveMinimum": lambda value: _is_number(value) or isinstance(value, bool),
    "exclusiveMaximum": lambda value: _is_number(value) or isinstance(value, bool),
    **dict.fromkeys(("minimum", "maximum"), _is_number),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _is_count),
    **dict.fromkeys(("properties", "$defs", "definitions", "patternProperties"), _is_named_schemas),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _is_schemas),
    **dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else"), _is_schema),
}


def _malformed(schema: Json, path: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if depth > _DEEPEST:
        yield f"{path}: nested too deep"
        return
    for keyword, value in schema.items():
        where = f"{path}.{keyword}" if path else keyword
        sound = _KEYWORDS.get(keyword)
        if sound is None:
            continue
        if not sound(value):
            yield where
            return
        for name, inner in _inner(value, sound):
            yield from _malformed(inner, f"{where}.{name}" if name else where, depth + 1)


def _references(schema: Json) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        yield schema["$ref"]
    for keyword, value in schema.items():
        for _, inner in _inner(value, _KEYWORDS[keyword]) if keyword in _KEYWORDS else ():
            yield from _references(inner)


def _inner(value: Json, sound: Callable[[Json], bool]) -> Iterator[tuple[str, Json]]:
    if sound is _is_schema:
        yield "", value
    elif sound is _is_named_schemas:
        yield from value.items()
    elif sound is _is_schemas:
        yield from ((str(index), item) for index, item in enumerate(value))
