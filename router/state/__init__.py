"""What processes share, as small verbs on keys. One file a store; contract: `State`; registry: `STATES`, by URL scheme.

What is put may be gone before its time: callers do without, as after a restart.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from router.state.memory import MemoryState
from router.state.sqlite import open_sqlite


class State(Protocol):
    """Values by key, each until its time is over. Every verb raises StateError when the store can't be used."""

    async def get(self, key: str) -> bytes | None:
        """None when it was never put, is expired, deleted or dropped."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s`, in place of what was there; when full, older entries are dropped.

        Raises StateError, and changes nothing, for an entry larger than the whole store.
        """

    async def delete(self, key: str) -> bool:
        """Whether it was there."""

    async def aclose(self) -> None:
        """Once is enough, again does nothing."""


# Each takes what follows `scheme://`, and the most bytes of keys and values.
STATES: dict[str, Callable[[str, int], State]] = {
    "memory": lambda _place, max_bytes: MemoryState(max_bytes, time.monotonic),
    "sqlite": lambda place, max_bytes: open_sqlite(Path(place.removeprefix("/")), max_bytes, time.time),
}


def open_state(url: str, max_bytes: int) -> State:
    """The store that `state.url` of the configuration names. Raises StateError when it can't be opened."""
    scheme, _, place = url.partition("://")
    return STATES[scheme](place, max_bytes)
