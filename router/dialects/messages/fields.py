"""Members of a Messages request, checked as they are read. Every complaint is a BadRequest with `param`."""

from collections.abc import Mapping
from typing import Any, get_args

from router.bodies import missing, typed, wrong
from router.types import CacheTtl

_TTLS: tuple[CacheTtl, ...] = get_args(CacheTtl)


def given(path: str, value: object, kind: type) -> Any:
    """`value`, which is of this kind or null."""
    return typed({path: value}, path, kind)


def text(path: str, value: object) -> str:
    if value is None:
        raise missing(path)
    return str(given(path, value, str))


def members(path: str, value: object) -> Mapping[str, Any]:
    if value is None:
        raise missing(path)
    found: Mapping[str, Any] = given(path, value, dict)
    return found


def cache(path: str, value: object) -> CacheTtl | None:
    """For how long `value`, a cache_control or null, wants a prefix kept."""
    mark = given(path, value, dict)
    if mark is None:
        return None
    if mark.get("type") != "ephemeral":
        raise wrong(f"{path}.type", f"{path}.type is {str(mark.get('type'))[:40]!r}; it can be ephemeral")
    ttl: CacheTtl = mark.get("ttl") or "5m"
    if ttl not in _TTLS:
        raise wrong(f"{path}.ttl", f"{path}.ttl is {str(ttl)[:40]!r}; it can be {', '.join(_TTLS)}")
    return ttl
