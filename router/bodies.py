"""A caller's JSON body, and its fields checked as they are read. Every complaint is a BadRequest with `param`.

Pure. What a field means is said where its wire format is read.
"""

import json
import re
from collections.abc import Collection
from typing import Any

import msgspec

from router.dialects import mended
from router.errors import BadRequest

_MAX_DEPTH = 64
_MAX_WHOLE = 2**63 - 1

# --- the whole body ------------------------------------------------------------------------------------


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. An object in it that has a key twice is refused: a provider might read the other."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = "a text in it has half of a surrogate pair" if mended(body) != body else error
        raise BadRequest(f"the body is not valid JSON: {why}", code="invalid_json") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(fields, dict):
        raise BadRequest("the body is a JSON object", code="invalid_json")
    _check_keys(body, _count_keys(fields))
    return fields


def _too_deep() -> BadRequest:
    return BadRequest(f"the body is nested over {_MAX_DEPTH} deep", code="invalid_json")


def _count_keys(document: dict[str, Any]) -> int:
    """How many members all objects in `document` have. Raises BadRequest where it is nested too deeply."""
    count = 0
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            values = item
            if isinstance(item, dict):
                values = item.values()
                count += len(item)
            below += [value for value in values if type(value) is dict or type(value) is list]
        if not below:
            return count
        level = below
    raise _too_deep()


_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')


def _check_keys(body: bytes, kept: int) -> None:
    """Refuse an object with the same key twice. `kept` is the count of keys.

    Counting the ends of keys is exact unless a text holds what looks like one; only then is the body read pair by pair.
    """
    if body.count(b'":') != kept or _SPACED_KEY.search(body):
        json.loads(body, object_pairs_hook=_check_unique, parse_int=str)


def _check_unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"the body has an object with the key {twice[:64]!r} twice", code="invalid_json")


# --- its fields ----------------------------------------------------------------------------------------


def wrong(param: str, message: str, code: str = "invalid_value") -> BadRequest:
    return BadRequest(message, param=param, code=code)


def missing(param: str) -> BadRequest:
    return wrong(param, f"you must provide {param}", "missing_required_parameter")


_JSON_NAMES = {bool: "true or false", int: "a whole number", str: "a string", dict: "an object", list: "an array"}


def typed(fields: dict[str, Any], name: str, kind: type) -> Any:
    """Take the optional field `name` out of `fields`; None when absent or null."""
    value: Any = fields.pop(name, None)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise wrong(name, f"{name} is {_JSON_NAMES[kind]}", "invalid_type")
    if isinstance(value, int) and not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        raise wrong(name, f"{name} has too many digits; it can be {_MAX_WHOLE} at most")
    return value


def flag(path: str, value: object) -> bool | None:
    """`value`, which is true, false or null."""
    if value is not None and not isinstance(value, bool):
        raise wrong(path, f"{path} is true or false", "invalid_type")
    return value


def whole(fields: dict[str, Any], name: str, least: int, most: int | None = None) -> int | None:
    """Take the optional whole number `name`, in these bounds, out of `fields`."""
    value: int | None = typed(fields, name, int)
    if value is not None and value < least:
        raise wrong(name, f"{name} is {value}; it can be {least} at least", "integer_below_min_value")
    if value is not None and most is not None and value > most:
        raise wrong(name, f"{name} is {value}; it can be {most} at most", "integer_above_max_value")
    return value


def number(fields: dict[str, Any], name: str, least: float, most: float) -> float | None:
    """Take the optional number `name`, in these bounds, out of `fields`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name, f"{name} is a number", "invalid_type")
    if not least <= value <= most:
        code = "decimal_below_min_value" if value < least else "decimal_above_max_value"
        raise wrong(name, f"{name} is {str(value)[:40]}; it can be {least:g} to {most:g}", code)
    return float(value)


_MAX_STOPS = 4


def stop_sequences(fields: dict[str, Any]) -> tuple[str, ...]:
    """Take the optional field `stop`, a text or up to four, out of `fields`."""
    value = fields.pop("stop", None)
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise wrong("stop", "stop is a string or an array of strings", "invalid_type")
    if len(stops) > _MAX_STOPS:
        text = f"stop has {len(stops)} sequences; it can have at most {_MAX_STOPS}"
        raise wrong("stop", text, "array_above_max_length")
    return tuple(stops)


# --- a value at its place, which becomes the param -----------------------------------------------------


def member(path: str, value: object) -> dict[str, Any]:
    """`value`, which is an object."""
    if value is None:
        raise missing(path)
    if not isinstance(value, dict):
        raise wrong(path, f"{path} is an object", "invalid_type")
    return value


def filled(path: str, value: object) -> list[Any]:
    """`value`, which is an array of at least one item."""
    if value is None:
        raise missing(path)
    if not isinstance(value, list):
        raise wrong(path, f"{path} is an array", "invalid_type")
    if not value:
        raise wrong(path, f"{path} is empty; it has at least one item", "empty_array")
    return value


def text(path: str, value: object) -> str:
    """`value`, which is a string."""
    if value is None:
        raise missing(path)
    if not isinstance(value, str):
        raise wrong(path, f"{path} is a string", "invalid_type")
    return value


def optional_text(path: str, value: object, most: int | None = None) -> str | None:
    """`value`, which is a string of at most so many characters, or null."""
    if value is None:
        return None
    if most is not None and len(text(path, value)) > most:
        raise wrong(path, f"{path} is longer than {most} characters", "string_above_max_length")
    return text(path, value)


def one_of(path: str, value: object, allowed: Collection[str]) -> Any:
    """`value`, which is one of `allowed`."""
    if text(path, value) not in allowed:
        raise wrong(path, f"{path} is {str(value)[:40]!r}; it can be {', '.join(allowed)}")
    return value


def optional_one_of(path: str, value: object, allowed: Collection[str]) -> Any:
    """`value`, which is one of `allowed`, or null."""
    return None if value is None else one_of(path, value, allowed)
