"""The recorder: rows are committed in groups off the loop, and trouble with the store fails nobody."""

import asyncio
import io
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router import log
from router.errors import EvidenceError
from router.evidence.sqlite import open_pool
from router.ids import uuid7
from router.metrics import Metrics
from router.record import CellSummary, EvidenceRow
from router.recorder import GROUP_LIMIT, QUEUE_LIMIT, Recorder


def row() -> EvidenceRow:
    return EvidenceRow("t", "general", "m", row_id=uuid7(), source="live", at=datetime.now(UTC))


class Stuck:
    """A store that stands still until it is let go, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.groups: list[int] = []
        self.go = threading.Event()
        self.failures = failures

    def append(self, rows: Sequence[EvidenceRow]) -> int:
        assert self.go.wait(10)
        if self.failures:
            self.failures -= 1
            raise EvidenceError("the disk is full")
        self.groups.append(len(rows))
        return len(rows)

    def summarize(self, since: datetime | None = None) -> list[CellSummary]:
        raise NotImplementedError

    def recent(self, *, after: str = "", limit: int = 1000, request_id: str | None = None) -> list[EvidenceRow]:
        raise NotImplementedError

    def prune(self, before: datetime) -> int:
        raise NotImplementedError

    def rows(self) -> Iterator[EvidenceRow]:
        raise NotImplementedError


@contextmanager
def quiet() -> Iterator[io.BytesIO]:
    """Standard error as a file in memory: the log writes to its buffer."""
    caught, before = io.TextIOWrapper(io.BytesIO()), sys.stderr
    sys.stderr = caught
    try:
        yield caught.buffer  # type: ignore[misc]
    finally:
        sys.stderr = before


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"llm_router_{name}", labels) or 0.0


async def test_a_row_is_in_the_file_once_its_future_says_so(tmp_path: Path) -> None:
    with quiet(), closing(open_pool(tmp_path / "router.db")) as pool:
        metrics, kept = Metrics(), row()
        async with Recorder(pool, metrics, log.make("info", [])) as recorder:
            assert await recorder.finish(kept, provider="openai")
            assert [found.row_id for found in pool.recent()] == [kept.row_id]
            assert not await recorder.finish(row(), provider="openai", keep=False)
        assert len(pool.recent()) == 1
    assert value(metrics, "evidence_rows_total", source="live", result="written") == 1


async def test_rows_that_come_while_the_store_writes_go_in_one_group() -> None:
    pool = Stuck()
    with quiet():
        async with Recorder(pool, Metrics(), log.make("info", [])) as recorder:
            first = recorder.finish(row(), provider="openai")
            await asyncio.sleep(0.05)  # the writer has taken the first and stands
            rest = [recorder.finish(row(), provider="openai") for _ in range(20)]
            pool.go.set()
            assert await first and all(await asyncio.gather(*rest))
    assert pool.groups == [1, 20]


async def test_leaving_writes_what_is_queued() -> None:
    pool = Stuck()
    pool.go.set()
    with quiet():
        async with Recorder(pool, Metrics(), log.make("info", [])) as recorder:
            for _ in range(50):
                recorder.finish(row(), provider="openai")
    assert sum(pool.groups) == 50


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_drops_the_rows_and_says_so() -> None:
    metrics, pool = Metrics(), Stuck(failures=2)
    pool.go.set()
    with quiet() as written:
        async with Recorder(pool, metrics, log.make("info", [])) as recorder:
            assert await recorder.finish(row(), provider="openai")
            assert recorder.healthy
            pool.failures = 100
            assert not await recorder.finish(row(), provider="openai")
            assert not recorder.healthy
            pool.failures = 0
            assert await recorder.finish(row(), provider="openai")
            assert recorder.healthy
        assert b"evidence rows dropped" in written.getvalue()
    assert value(metrics, "evidence_rows_total", source="live", result="dropped") == 1


async def test_the_queue_is_bounded_and_a_caller_never_waits_for_a_store_that_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics, pool = Metrics(), Stuck()
    monkeypatch.setattr("router.recorder.COMMIT_WAIT_S", 0.05)
    with quiet():
        async with Recorder(pool, metrics, log.make("warning", [])) as recorder:
            some, most = row(), QUEUE_LIMIT + GROUP_LIMIT  # the writer has taken a group out of the queue
            waiting = [recorder.finish(replace(some, row_id=str(n)), provider="x") for n in range(most + 20)]
            assert waiting[-1].done() and not waiting[-1].result()
            await recorder.settled(waiting[0])  # returns although nothing was written
            assert not waiting[0].done()
            pool.go.set()
            assert await waiting[0]
    assert 20 <= value(metrics, "evidence_rows_total", source="live", result="dropped") <= 20 + GROUP_LIMIT


async def test_a_fault_of_the_store_does_not_end_the_writer() -> None:
    class Faulty(Stuck):
        def append(self, rows: Sequence[EvidenceRow]) -> int:
            if self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            return len(rows)

    with quiet() as written:
        async with Recorder(Faulty(failures=1), Metrics(), log.make("info", [])) as recorder:
            assert not await recorder.finish(row(), provider="openai")
            assert await recorder.finish(row(), provider="openai")
        assert b"ZeroDivisionError" in written.getvalue()
