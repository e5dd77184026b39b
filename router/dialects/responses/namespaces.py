"""Tools in namespaces, which only Responses has: elsewhere a tool's name begins with that of its namespace."""

from collections.abc import Iterator, Mapping
from typing import Any

from router.types import Json

Namespaced = Mapping[str, tuple[str, str]]  # by the name elsewhere: the namespace, and the name in it


def joined(namespace: str | None, name: str) -> str:
    return name if namespace is None else f"{namespace}__{name}"


def namespaced(tools: Json) -> Namespaced:
    """The tools of a request, already read, that are in namespaces."""
    return dict(_found(tools or ()))


def _found(tools: Json) -> Iterator[tuple[str, tuple[str, str]]]:
    for space in tools:
        if space.get("type") == "namespace":
            for tool in space.get("tools") or ():
                yield joined(space["name"], tool["name"]), (space["name"], tool["name"])


def placed(item: dict[str, Any], known: Namespaced) -> dict[str, Any]:
    """The item of a call with its tool's namespace."""
    if item["name"] not in known:
        return item
    namespace, name = known[item["name"]]
    return {**item, "name": name, "namespace": namespace}
