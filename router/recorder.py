"""What follows an upstream call is a function of its row: metrics, health, log line, evidence. `finish` never awaits.

One writer thread commits rows in groups; while it writes, the next group gathers. Trouble with the store never fails
a call: rows wait in a bounded queue, and what can't be written is counted and logged.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import tenacity

from router.errors import EvidenceError
from router.evidence import Pool
from router.log import Log
from router.metrics import Metrics
from router.record import EvidenceRow

QUEUE_LIMIT = 20_000
GROUP_LIMIT = 500
COMMIT_WAIT_S = 1.0  # an answer's last bytes wait this long for its row, at most
WRITE_TRIES = 4

# Told of each row, its provider, and the seconds that the provider asked to be left alone.
Observer = Callable[[EvidenceRow, str, float | None], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    row: EvidenceRow
    committed: asyncio.Future[bool]


class Recorder:
    """Takes finished rows. Use as `async with`: leaving it writes out what is queued."""

    def __init__(self, pool: Pool, metrics: Metrics, log: Log, observer: Observer = lambda *_: None) -> None:
        self._pool = pool
        self._metrics = metrics
        self._log = log
        self._observer = observer
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="evidence", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.healthy = True
        self.late = False  # whether a commit takes so long that answers no longer wait for theirs

    async def __aenter__(self) -> "Recorder":
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    @property
    def queued(self) -> int:
        return self._queue.qsize()

    def finish(
        self, row: EvidenceRow, *, provider: str, keep: bool = True, retry_after_s: float | None = None
    ) -> asyncio.Future[bool]:
        """Record `row`; the future says whether it was stored. `keep` False: the caller wants no evidence row."""
        self._metrics.attempted(row, provider)
        self._observer(row, provider, retry_after_s)
        self._log.info(
            "call",
            request_id=row.request_id,
            attempt=row.attempt,
            task_class=row.task_type,
            model=row.model,
            outcome=row.outcome,
            error_kind=row.error_kind,
            reason=row.reason,
            table=row.table_version,
            wall_s=row.wall_time_s,
            first_useful_s=row.time_to_first_useful_s,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=row.cost_usd,
            key_id=row.key_id,
        )
        committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not keep:
            committed.set_result(False)
        elif self._queue.qsize() >= QUEUE_LIMIT:
            committed.set_result(False)
            self._dropped([row], "the queue is full")
        else:
            self._queue.put(_Entry(row, committed))
        return committed

    async def settled(self, committed: asyncio.Future[bool] | None) -> None:
        """Wait until the row is durable, but never longer than COMMIT_WAIT_S; None: there is no row yet.

        One answer waits that long; while the store stays so slow, the next ones don't wait for it.
        """
        if committed is None or committed.done() or self.late:
            return
        done, _ = await asyncio.wait([committed], timeout=COMMIT_WAIT_S)
        if not done and not self.late:
            self.late = True
            self._log.warning("the evidence store is slow; answers no longer wait for their rows", queued=self.queued)

    def _write_all(self) -> None:
        while (group := self._group()) is not None:
            try:
                stored = self._write([entry.row for entry in group])
            except Exception as error:  # noqa: BLE001  # a fault of ours must not end the thread that all answers wait for
                self.healthy = stored = False
                self._dropped([entry.row for entry in group], repr(error))
            if self._loop is not None:
                self._loop.call_soon_threadsafe(_settle, group, stored)

    def _group(self) -> list[_Entry] | None:
        """The next rows to write together; None when the recorder is being closed and nothing is left."""
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                entry = self._queue.get_nowait()
            except Empty:
                break
            if entry is None:
                self._queue.put(None)  # close after this group
                break
            group.append(entry)
        return group

    def _write(self, rows: Sequence[EvidenceRow]) -> bool:
        started = time.monotonic()
        try:
            for attempt in tenacity.Retrying(
                retry=tenacity.retry_if_exception(lambda error: isinstance(error, EvidenceError) and error.passing),
                stop=tenacity.stop_after_attempt(WRITE_TRIES),
                wait=tenacity.wait_exponential(0.05, max=1),
                reraise=True,
            ):
                with attempt:
                    new = self._pool.append(rows)
        except EvidenceError as error:
            self.healthy = False
            self._dropped(rows, str(error))
            return False
        self.healthy, self.late = True, False
        self._metrics.commit.observe(time.monotonic() - started)
        for source in {row.source for row in rows}:
            self._metrics.rows.labels(source, "written").inc(sum(row.source == source for row in rows))
        if new < len(rows):
            self._metrics.rows.labels(rows[0].source, "duplicate").inc(len(rows) - new)
        return True

    def _dropped(self, rows: Sequence[EvidenceRow], why: str) -> None:
        for row in rows:
            self._metrics.rows.labels(row.source, "dropped").inc()
        self._log.error("evidence rows dropped", rows=len(rows), why=why)


def _settle(group: Sequence[_Entry], stored: bool) -> None:
    for entry in group:
        if not entry.committed.done():
            entry.committed.set_result(stored)
