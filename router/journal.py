"""The recent decisions and the rows of their attempts, in memory and bounded; older ones live on in the pool's rows."""

from collections import OrderedDict
from dataclasses import dataclass, field

from router.decision import Decision
from router.record import EvidenceRow

LIMIT = 10_000


@dataclass(slots=True)
class Entry:
    decision: Decision
    rows: list[EvidenceRow] = field(default_factory=list)


class Journal:
    """The last LIMIT decisions by request id."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def open(self, request_id: str, decision: Decision) -> Entry:
        """A new entry for this request; the oldest makes room."""
        entry = self._entries[request_id] = Entry(decision)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
        return entry

    def get(self, request_id: str) -> Entry | None:
        return self._entries.get(request_id)
