"""What a simulated provider remembers from call to call: OpenAI's stored responses, the newest few hundred."""

from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Kept:
    """A response as it was answered, and the items of its conversation, its own output included."""

    document: dict[str, Json]
    items: tuple[dict[str, Json], ...]


class Memory:
    """Each server or transport has one of its own; the oldest response is forgotten when there are too many."""

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._kept: dict[str, Kept] = {}

    def keep(self, kept: Kept) -> None:
        self._kept[kept.document["id"]] = kept
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def find(self, id_: str) -> Kept | None:
        return self._kept.get(id_)

    def forget(self, id_: str) -> bool:
        """Whether there was one."""
        return self._kept.pop(id_, None) is not None

    def item(self, id_: str) -> dict[str, Json] | None:
        """An item of a stored response by its own id."""
        stored = list(self._kept.values())
        return next((item for kept in stored for item in kept.items if item.get("id") == id_), None)
