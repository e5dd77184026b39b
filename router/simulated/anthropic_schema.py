"""The part of JSON Schema that Anthropic's structured outputs and strict tools take, and what they say of the rest."""

from collections.abc import Iterator, Mapping
from typing import Any

from router.simulated.schemas import resolve

Json = Any

_REFUSED = frozenset(
    (
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "prefixItems",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "if",
        "then",
        "else",
        "not",
        "oneOf",
    )
)
_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"])


def faults(schema: Json) -> Iterator[str]:
    """Why this schema is refused, nothing when it is taken."""
    if _recursive(schema, schema, frozenset(), set()):
        yield "Recursive schemas are not supported"
        return
    yield from _faults(schema)


def _faults(schema: Json) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    kind = schema.get("type")
    if refused := sorted(_REFUSED & set(schema)):
        yield f"For '{kind}' type, properties {', '.join(refused)} are not supported"
    if schema.get("minItems", 0) not in (0, 1):
        yield f"For 'array' type, 'minItems' values other than 0 or 1 are not supported: {schema['minItems']}"
    if "format" in schema and schema["format"] not in _FORMATS:
        yield f"For 'string' type, format '{schema['format']}' is not supported"
    if (kind == "object" or "properties" in schema) and schema.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if not str(schema.get("$ref", "#")).startswith("#"):
        yield f"External $ref '{schema['$ref']}' is not supported"
    for inner in _inner(schema):
        yield from _faults(inner)
    for key in ("$defs", "definitions"):
        for inner in (schema.get(key) or {}).values():
            yield from _faults(inner)


def _inner(schema: Mapping[str, Json]) -> Iterator[Json]:
    """The schemas that a value of this one must or may meet."""
    yield from (schema.get("properties") or {}).values()
    for key in ("anyOf", "allOf"):
        yield from schema.get(key) or ()
    yield schema.get("items")


def _recursive(schema: Json, root: Json, above: frozenset[str], cleared: set[str]) -> bool:
    """Whether a reference leads back to itself; `cleared` are those known not to."""
    if not isinstance(schema, Mapping):
        return False
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return any(_recursive(inner, root, above, cleared) for inner in _inner(schema))
    if reference in above:
        return True
    if reference in cleared:
        return False
    found = _recursive(resolve(root, reference), root, above | {reference}, cleared)
    if not found:
        cleared.add(reference)
    return found
