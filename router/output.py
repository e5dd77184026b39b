"""Whether an answer has the form that was asked for. Pure.

A provider's constrained mode promises less than the schema often says (bounds, patterns), and some have none.
"""

import json
from functools import lru_cache

import jsonschema_rs

from router.types import ChatResponse, Json, ResponseFormat


def problem(format_: ResponseFormat, response: ChatResponse) -> str | None:
    """Why a complete answer, or one of its alternatives, isn't of the form asked for; None when it is, or when it is no
    answer of that kind.

    An answer that stopped early, refused or calls a tool says so itself.
    """
    found = (_problem(format_, choice) for choice in (response, *response.alternatives))
    return next(filter(None, found), None)


def _problem(format_: ResponseFormat, response: ChatResponse) -> str | None:
    if format_.kind == "text" or response.finish_reason != "stop" or response.refusal or response.tool_calls:
        return None
    try:
        document = json.loads(response.text or "")
    except (ValueError, RecursionError):
        return "the model's answer is not the JSON that was asked for"
    if format_.kind == "json_object":
        return None if isinstance(document, dict) else "the model's answer is not the JSON object that was asked for"
    return _mismatch(json.dumps(format_.schema), document)


def _mismatch(schema: str, document: object) -> str | None:
    validator = _validator(schema)
    error = next(validator.iter_errors(document), None) if validator is not None else None
    if error is None:
        return None
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
    return (
        "the model's answer doesn't fit the schema that was asked for: "
        f"{path[:100] or 'its root'} breaks {error.schema_path[-1]}"
    )


@lru_cache(maxsize=256)
def _validator(schema: str) -> "jsonschema_rs.Validator | None":
    """None for a schema that is none: nothing can be said of answers to it then."""
    try:
        return jsonschema_rs.validator_for(_as_read(json.loads(schema)), retriever=_never, validate_formats=False)
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def _as_read(schema: Json) -> Json:
    """With `anyOf` for `oneOf`, which is how providers read it: none can hold a model to exactly one."""
    if isinstance(schema, list):
        return [_as_read(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    read = {key: _as_read(value) for key, value in schema.items()}
    if isinstance(read.get("oneOf"), list):
        read["allOf"] = [*read.get("allOf", []), {"anyOf": read.pop("oneOf")}]
    return read


def _never(uri: str) -> dict[str, object]:
    """A caller's schema makes us fetch nothing."""
    raise ValueError(f"{uri} is not in the schema")
