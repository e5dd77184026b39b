"""The pool of evidence rows. One file a store; contract: the four verbs of `Pool`.

Append-only and idempotent by `row_id`: a row that is already there is left as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from router.record import CellSummary, EvidenceRow

__all__ = ["CellSummary", "Pool"]


class Pool(Protocol):
    """A store of evidence rows. Raises EvidenceError when it can't be reached or read."""

    def append(self, rows: Sequence[EvidenceRow]) -> int:
        """Write rows, durably when this returns. Gives how many were new."""

    def summarize(self, since: datetime | None = None) -> list[CellSummary]:
        """Per cell and source, ordered by task_type, model, source."""

    def recent(self, *, after: str = "", limit: int = 1000, request_id: str | None = None) -> list[EvidenceRow]:
        """Rows in the order they were written, those after the row with id `after` (a cursor; "" from the start)."""

    def prune(self, before: datetime) -> int:
        """Delete rows older than `before`. Gives how many went."""

    def rows(self) -> Iterator[EvidenceRow]:
        """Every row in the order it was written, from one consistent view."""
