"""The pool of evidence rows. One file a store; contract: the four verbs of `Pool`.

Append-only and idempotent by `row_id`: a row that is already there is left as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from router.record import EvidenceRow, Source


class CellSummary(NamedTuple):
    """What the pool says of one (task class, model, source); sums over its rows. Times in seconds, costs in USD.

    `cost_usd` sums the rows whose cost is known (`priced` of them). Score sums cover the `scored` rows;
    `successes` are those with a score of 4 or more, `spent_usd` the known cost of all `scored` rows,
    `unpriced` how many scored rows have no known cost. `first_useful_s` holds every known time, ascending.
    """

    task_type: str
    model: str
    source: Source
    rows: int
    errors: int
    scored: int
    score_sum: float
    successes: int
    unpriced: int
    spent_usd: float
    priced: int
    cost_usd: float
    first_useful_s: tuple[float, ...]


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
