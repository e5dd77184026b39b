"""JSON Schemas that OpenAI keeps to the letter: every object is closed and has all its properties required. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

_NAMED = ("properties", "$defs", "definitions")  # hold schemas by name
_DATA = ("enum", "const", "default", "examples")  # hold values that are no schemas
_NOT_TAKEN = ("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")


def problem(schema: Mapping[str, Any]) -> str | None:
    """Why strict mode can't take `schema`, even once it is closed where nothing is said."""
    for item in _schemas(schema):
        if keyword := next((name for name in _NOT_TAKEN if name in item), None):
            return f"takes no {keyword}"
    for item in _objects(schema):
        if item.get("additionalProperties", False) is not False:
            return "takes no additionalProperties"
        properties, required = item.get("properties"), item.get("required")
        for name in properties if isinstance(properties, Mapping) else ():
            if not isinstance(required, list) or name not in required:
                return f"wants every property required; {name[:64]} is not"
    return None


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether an object in it leaves additionalProperties unsaid, which callers mean as false and OpenAI refuses."""
    return any("additionalProperties" not in item for item in _objects(schema))


def closed(schema: Any) -> Any:
    """`schema` with additionalProperties: false where nothing is said of it. Answers to it fit the original."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    members = {key: _closed_member(key, value) for key, value in schema.items()}
    if _is_object(schema):
        members.setdefault("additionalProperties", False)
    return members


def _closed_member(key: str, value: Any) -> Any:
    if key in _NAMED and isinstance(value, Mapping):
        return {name: closed(item) for name, item in value.items()}
    return value if key in _DATA else closed(value)


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every object schema in `schema`, at any depth."""
    return (item for item in _schemas(schema) if _is_object(item))


def _schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """`schema` and every schema in it, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            yield from _schemas(item)
    elif isinstance(schema, Mapping):
        yield schema
        for key, value in schema.items():
            if key in _NAMED:
                yield from _schemas(list(value.values()) if isinstance(value, Mapping) else None)
            elif key not in _DATA:
                yield from _schemas(value)


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "properties" in schema or schema.get("type") == "object"
