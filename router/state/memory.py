"""State inside one process: nothing on disk, gone when the process ends."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from router.errors import StateError

MAX_ENTRIES = 100_000  # an entry costs some 300 bytes beyond its key and value


class _Entry(NamedTuple):
    value: bytes
    size: int
    expires: float


class MemoryState:
    """The verbs of `State` over a dictionary, the least recently used entry first. Usable from any thread."""

    def __init__(self, max_bytes: int, clock: Callable[[], float], *, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock  # monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.expires <= self._clock():
                return None
            self._entries.move_to_end(key)
            return entry.value

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        size = len(key.encode("utf-8", "surrogatepass")) + len(value)
        if size > self._max_bytes:
            raise StateError(f"an entry of {size} bytes is more than the state may hold in all, {self._max_bytes}")
        with self._lock:
            now = self._clock()
            self._take(key)
            self._entries[key] = _Entry(value, size, now + ttl_s)
            self._bytes += size
            self._make_room(now)

    async def delete(self, key: str) -> bool:
        with self._lock:
            entry = self._take(key)
            return entry is not None and entry.expires > self._clock()

    async def aclose(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _take(self, key: str) -> _Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
        return entry

    def _make_room(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries))
            full = self._bytes > self._max_bytes or len(self._entries) > self._max_entries
            if not full and self._entries[oldest].expires > now:
                return
            self._take(oldest)
