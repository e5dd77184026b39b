"""Keeps the routing table in force fresh: one reference, swapped whole. A call reads it once and keeps what it read."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from router.errors import EvidenceError, TableError
from router.log import Log
from router.metrics import Metrics
from router.table import RoutingTable

POLL_S = 0.2  # a publication by the command line is in force within this time


class Entry(Protocol):
    """A publication, as the shelf keeps it."""

    @property
    def version(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class Shelf(Protocol):
    """What the feed needs of the shelf of tables."""

    def change_token(self) -> int: ...
    def in_force(self) -> Entry | None: ...
    def get(self, version: str) -> RoutingTable: ...


class Feed:
    """The table in force: the shelf's newest publication, or `initial` while there is none.

    A publication that can't be read leaves the table before it in force; one that `obstacle` names a reason against
    leaves `initial` in force. Both with a log line and a metric.
    """

    def __init__(
        self,
        initial: RoutingTable,
        shelf: Shelf,
        metrics: Metrics,
        log: Log,
        obstacle: Callable[[RoutingTable], str | None] = lambda _table: None,
    ) -> None:
        self._obstacle = obstacle
        self.initial = initial
        self._shelf = shelf
        self._metrics = metrics
        self._log = log
        self._token = -1
        self.table = initial
        self.since: datetime | None = None
        self._metrics.in_force(initial.version, None)

    def set_initial(self, initial: RoutingTable) -> None:
        """Replace the table that holds while nothing has been published (the configuration was read again)."""
        self.initial = initial
        self._token = -1
        self.refresh()

    def refresh(self) -> None:
        """Look at the shelf now. Does file I/O; safe from any thread, since the swap is one assignment."""
        try:
            token = self._shelf.change_token()
            if token == self._token:
                return
            self._take(token)
        except EvidenceError as error:
            self._log.warning("the shelf of tables can't be read", why=str(error))

    def _take(self, token: int) -> None:
        entry = self._shelf.in_force()
        self._token = token
        try:
            table = self.initial if entry is None else self._shelf.get(entry.version)
        except TableError as error:
            self._metrics.publications.labels("refused").inc()
            self._log.error("a published table can't be used; the one before stays in force", why=str(error))
            return
        if why := self._obstacle(table):
            self._metrics.publications.labels("refused").inc()
            self._log.warning(
                "the published table is not followed; the configuration's is", version=table.version, why=why
            )
            table, entry = self.initial, None
        if table.version != self.table.version:
            self._metrics.publications.labels("published").inc()
            self._log.info("table in force", version=table.version, policy=table.policy)
        self.table, self.since = table, entry.at if entry else None
        self._metrics.in_force(table.version, self.since)

    async def run(self, poll_s: float = POLL_S) -> None:
        """Follow the shelf until cancelled."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(poll_s)
