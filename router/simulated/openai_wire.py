"""What OpenAI's endpoints share: headers, the error envelope, reading a body, and refusals in OpenAI's words. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from router.simulated.schemas import malformed
from router.simulated.wire import JSON_TYPE, Call, Misshapen, Refused, Reply, bearer, encode, read

Json = Any
T = TypeVar("T")


def json_reply(call: Call, document: Json, status: int = 200) -> Reply:
    return Reply(status, (JSON_TYPE, *headers(call)), (encode(document),))


def error_reply(call: Call, refusal: Refused) -> Reply:
    error = {"message": refusal.message, "type": refusal.kind, "param": refusal.param, "code": refusal.code}
    return json_reply(call, {"error": error}, refusal.status)


def missing_key(call: Call) -> Refused | None:
    if bearer(call.headers):
        return None
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return Refused(message, status=401, kind="invalid_request_error", code="invalid_api_key")


def headers(call: Call) -> tuple[tuple[str, str], ...]:
    return (
        ("x-request-id", f"req_{call.nonce}"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org-simulated"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "6ms"),
    )


def read_body(call: Call, type_: type[T]) -> T:
    """Raises Refused for a body of another kind, Misshapen for one of another shape."""
    media = call.headers.get("content-type", "")
    if not media.startswith("application/json"):
        raise refused(
            f"Unsupported content type: '{media}'. This API method only accepts 'application/json' requests.", None
        )
    return read(call.body, type_)


def served_tier(asked: str | None) -> str:
    """The service tier that an answer names."""
    return {"flex": "flex", "priority": "priority", "fast": "priority", "ultrafast": "ultrafast"}.get(
        asked or "", "default"
    )


def refused(message: str, param: str | None, code: str | None = None) -> Refused:
    return Refused(message, kind="invalid_request_error", param=param, code=code)


_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def shape(fault: Misshapen) -> Refused:
    """A fault of shape in OpenAI's words."""
    name = fault.field
    match fault.problem:
        case "json":
            return refused("We could not parse the JSON body of your request.", None)
        case "missing":
            return missing(name)
        case "unknown":
            return refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        case "type":
            wanted = " or ".join(_WORDS.get(part, part) for part in fault.wanted.split(" | ") if part != "null")
            got = _WORDS.get(fault.found, fault.found)
            message = f"Invalid type for '{name}': expected {wanted}, but got {got} instead."
            return refused(message, name, "invalid_type")
        case _:
            return refused(f"Invalid value: '{fault.found}'.", name, "invalid_value")


def missing(name: str) -> Refused:
    return refused(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def empty_array(name: str) -> Refused:
    message = f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return refused(message, name, "empty_array")


def long_array(name: str, longest: int) -> Refused:
    message = f"Invalid '{name}': array too long. Expected an array with maximum length {longest}."
    return refused(message, name, "array_above_max_length")


def bad_pattern(name: str) -> Refused:
    message = f"Invalid '{name}': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'."
    return refused(message, name, "invalid_value")


def unsupported(name: str, instead: str = "") -> Refused:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    return refused(message, name, "unsupported_parameter")


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is None or low <= value <= high:
        return
    kind = "integer" if isinstance(value, int) else "decimal"
    side, word, relation, bound = (
        ("below_min", "minimum", ">=", low) if value < low else ("above_max", "maximum", "<=", high)
    )
    message = (
        f"Invalid '{name}': {kind} {side.split('_', maxsplit=1)[0]} {word} value. "
        f"Expected a value {relation} {bound}, but got {value} instead."
    )
    raise refused(message, name, f"{kind}_{side}_value")


def check_length(name: str, text: str, longest: int) -> None:
    if len(text) > longest:
        message = (
            f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(text)} instead."
        )
        raise refused(message, name, "string_above_max_length")


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    if metadata and len(metadata) > 16:
        message = "Invalid 'metadata': too many properties. Expected an object with at most 16 properties."
        raise refused(message, "metadata", "object_above_max_properties")
    for key, value in (metadata or {}).items():
        check_length("metadata", key, 64)
        check_length(f"metadata.{key}", value, 512)


def check_parameters(name: str, schema: Mapping[str, Json], strict: bool, where: str) -> None:
    """The parameters of the function `name`."""
    opening, code = f"Invalid schema for function '{name}':", "invalid_function_parameters"
    if schema and schema.get("type", "object") != "object":
        message = f"{opening} schema must be a JSON Schema of 'type: \"object\"', got {schema['type']!r}."
        raise refused(message, where, code)
    if fault := malformed(schema):
        raise refused(f"{opening} '{fault}' is not valid.", where, code)
    if strict and (fault := next(_strict_faults(schema, ()), None)):
        raise refused(f"{opening} {fault}", where, code)


def check_answer_schema(name: str, schema: Mapping[str, Json], strict: bool, where: str) -> None:
    opening, code = f"Invalid schema for response_format '{name}':", "invalid_json_schema"
    if fault := malformed(schema):
        raise refused(f"{opening} '{fault}' is not valid.", where, code)
    if strict and (fault := next(_strict_faults(schema, ()), None)):
        raise refused(f"{opening} {fault}", where, code)


_NOT_STRICT = ("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")


def _strict_faults(schema: Json, context: tuple[str, ...]) -> Iterator[str]:
    """Why strict mode refuses this schema: every object is closed and has all its properties required."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _strict_faults(item, (*context, str(index)))
    if not isinstance(schema, Mapping):
        return
    for keyword in _NOT_STRICT:
        if keyword in schema:
            yield f"In context={context}, '{keyword}' is not permitted."
    named = schema.get("type")
    if named == "object" or (isinstance(named, list) and "object" in named) or "properties" in schema:
        properties = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False:
            yield f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        if lacking := sorted(set(properties) - set(schema.get("required") or ())):
            yield (
                f"In context={context}, 'required' is required to be supplied and to be an array including every key "
                f"in properties. Missing '{lacking[0]}'."
            )
        for key, item in properties.items():
            yield from _strict_faults(item, (*context, "properties", key))
    for key in ("items", "anyOf"):
        yield from _strict_faults(schema.get(key), (*context, key))
    for key in ("$defs", "definitions"):
        for name, item in (schema.get(key) or {}).items():
            yield from _strict_faults(item, (*context, key, name))
