"""A caller's JSON body, and its fields checked as they are read. Every complaint is a BadRequest with `param`.

Pure. What a field means is said where its wire format is read.
"""

import json
import re
from typing import Any

import msgspec

from router.errors import BadRequest

_MAX_DEPTH = 64
_MAX_WHOLE = 2**63 - 1

# --- the whole body ------------------------------------------------------------------------------------


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. An object in it that has a key twice is refused: a provider might read the other."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}", code="invalid_json") from None
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
    value = typed(fields, name, int)
    if value is not None and (value < least or (most is not None and value > most)):
        raise wrong(name, f"{name} is {value}; it can be {least} or more" + (f", at most {most}" if most else ""))
    return value  # type: ignore[no-any-return]  # typed has just checked it


def number(fields: dict[str, Any], name: str, least: float, most: float) -> float | None:
    """Take the optional number `name`, in these bounds, out of `fields`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name, f"{name} is a number", "invalid_type")
    if not least <= value <= most:
        raise wrong(name, f"{name} is {str(value)[:40]}; it can be {least:g} to {most:g}")
    return float(value)
