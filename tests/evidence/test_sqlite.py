"""The SQLite pool, on real files, also from several processes."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from router.errors import EvidenceError
from router.evidence.sqlite import SqlitePool, open_pool, sqlite_path
from router.record import COLUMNS, CellSummary, EvidenceRow

ROOT = Path(__file__).parents[2]
MONDAY = datetime(2026, 11, 23, 6, 0, 0, 123000, tzinfo=UTC)

FULL = EvidenceRow(
    task_id="t1", task_type="coding_deep_review", model="gpt-5.5", score=4.5, time_to_first_useful_s=1.25,
    wall_time_s=9.75, input_tokens=1200, output_tokens=340, cost_usd=0.0162, manual_corrections=1,
    notes='said "no",\nthen\ryes ü', row_id="0193-a", source="benchmark", at=MONDAY, request_id="req-1", attempt=2,
    outcome="truncated", error_kind="timeout", finish_reason="length", cached_tokens=100, cache_write_tokens=7,
    reasoning_tokens=50, usage_source="estimated", price_version="p1", quality=1.5, correctness=1.0, format=1.0,
    rework=1.0, scorer="exact", confidence=0.9, propensity=0.2, assigned="table", reason="table", table_version="v1",
    policy="seed_rule", overhead_ms=1.75, stream=False, session="s", key_id="k", suite="default", run_id="r",
)  # fmt: skip


def row(row_id: str, **changes: object) -> EvidenceRow:
    plain = EvidenceRow("t", "general", "gpt-5.5", row_id=row_id, source="live", at=MONDAY)
    return replace(plain, **changes)  # type: ignore[arg-type]


def columns(file: Path) -> dict[str, str]:
    """The columns of the table of rows, in order, with their types."""
    with closing(sqlite3.connect(file)) as connection:
        return dict(connection.execute("SELECT name, type FROM pragma_table_info('rows')"))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SqlitePool]:
    opened = open_pool(tmp_path / "router.db")
    yield opened
    opened.close()


def test_a_row_comes_back_as_it_went_in(pool: SqlitePool) -> None:
    bare = EvidenceRow("t", "general", "m", row_id="0193-b", at=MONDAY)
    assert pool.append([FULL, bare]) == 2
    assert pool.recent() == [FULL, bare]
    assert list(pool.rows()) == [FULL, bare]


def test_every_column_of_the_schema_is_stored(pool: SqlitePool, tmp_path: Path) -> None:
    assert all(getattr(FULL, name) is not None for name in COLUMNS)  # so that the test above misses none
    assert list(columns(tmp_path / "router.db")) == ["seq", *COLUMNS]


def test_the_store_types_of_numbers_are_those_of_the_row(tmp_path: Path, pool: SqlitePool) -> None:
    types = columns(tmp_path / "router.db")
    for name, hint in get_type_hints(EvidenceRow).items():
        if float in get_args(hint):
            assert types[name] == "REAL", name


def test_a_row_that_is_already_there_is_left_as_it_is(pool: SqlitePool) -> None:
    pool.append([row("a", score=5.0)])
    assert pool.append([row("a", score=1.0), row("b"), row("b")]) == 1
    assert [(r.row_id, r.score) for r in pool.recent()] == [("a", 5.0), ("b", None)]


def test_a_batch_with_a_row_that_can_not_be_stored_writes_none_of_it(pool: SqlitePool) -> None:
    with pytest.raises(EvidenceError):
        pool.append([row("a"), row("")])
    with pytest.raises(EvidenceError):
        pool.append([row("a"), row("b", notes="\ud800")])
    assert pool.recent() == []


def test_a_summary_adds_up_each_class_model_and_source(pool: SqlitePool) -> None:
    pool.append(
        [
            row("a", score=5.0, cost_usd=0.25, time_to_first_useful_s=3.0),
            row("b", score=3.0, cost_usd=0.5, time_to_first_useful_s=1.0),
            row("c", score=4.0, cost_usd=None),
            row("d", cost_usd=0.125, outcome="cancelled"),
            row("e", outcome="error"),
            row("f", source="simulated", score=2.0),
            row("g", task_type="alpha"),
        ]
    )
    general = CellSummary(
        "general", "gpt-5.5", "live", rows=5, errors=1, scored=3, score_sum=12.0, successes=2,
        unpriced=1, spent_usd=0.75, priced=3, cost_usd=0.875, first_useful_s=(1.0, 3.0),
    )  # fmt: skip
    alpha, live, simulated = pool.summarize()
    assert (alpha.task_type, alpha.rows, alpha.scored, alpha.first_useful_s) == ("alpha", 1, 0, ())
    assert live == general
    assert (simulated.source, simulated.rows, simulated.score_sum) == ("simulated", 1, 2.0)


def test_a_summary_can_begin_at_a_time(pool: SqlitePool) -> None:
    pool.append([row("old", at=MONDAY - timedelta(days=7)), row("new", time_to_first_useful_s=2.0)])
    assert [(cell.rows, cell.first_useful_s) for cell in pool.summarize(since=MONDAY)] == [(1, (2.0,))]


def test_the_cursor_goes_on_after_the_last_row_that_was_read(pool: SqlitePool) -> None:
    pool.append([row(name) for name in "dcba"])
    first = pool.recent(limit=3)
    assert [r.row_id for r in first] == ["d", "c", "b"]
    assert [r.row_id for r in pool.recent(after="b")] == ["a"]
    with pytest.raises(EvidenceError, match="no row has the id 'zzz'"):
        pool.recent(after="zzz")


def test_the_rows_of_one_request_are_found(pool: SqlitePool) -> None:
    pool.append([row("a", request_id="r1"), row("b", request_id="r2"), row("c", request_id="r1")])
    assert [r.row_id for r in pool.recent(request_id="r1")] == ["a", "c"]
    assert [r.row_id for r in pool.recent(request_id="r1", after="a")] == ["c"]


def test_pruning_drops_what_is_older_and_nothing_else(pool: SqlitePool) -> None:
    pool.append([row("old", at=MONDAY - timedelta(milliseconds=1)), row("new")])
    assert pool.prune(before=MONDAY) == 1
    assert [r.row_id for r in pool.recent()] == ["new"]


def test_reading_all_rows_sees_one_moment_while_others_write(pool: SqlitePool) -> None:
    pool.append([row("a"), row("b")])
    reading = pool.rows()
    next(reading)
    pool.append([row("c")])
    assert [r.row_id for r in reading] == ["b"]


def test_several_processes_open_and_fill_one_new_file(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from router.evidence.sqlite import open_pool
from router.record import EvidenceRow
pool = open_pool(Path(sys.argv[1]))
for batch in range(10):
    pool.append([EvidenceRow("t", "c", "m", row_id=f"{sys.argv[2]}-{batch}-{n}") for n in range(10)])
pool.close()
"""
    file = tmp_path / "router.db"
    writers = [subprocess.Popen([sys.executable, "-c", script, str(file), str(n)], cwd=ROOT) for n in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    pool = open_pool(file)
    assert sum(cell.rows for cell in pool.summarize()) == 400
    pool.close()


def test_rows_survive_a_kill_and_the_file_opens_clean(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from router.evidence.sqlite import open_pool
from router.record import EvidenceRow
pool = open_pool(Path(sys.argv[1]))
pool.append([EvidenceRow("t", "c", "m", row_id="kept")])
os.kill(os.getpid(), signal.SIGKILL)
"""
    file = tmp_path / "router.db"
    assert subprocess.run([sys.executable, "-c", script, str(file)], check=False, cwd=ROOT).returncode == -9
    pool = open_pool(file, durability="full")
    assert [r.row_id for r in pool.recent()] == ["kept"]
    pool.close()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_file_that_can_not_be_a_pool_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("this is no database, but a text of some length\n" * 30)
    with pytest.raises(EvidenceError, match=r"notes.txt is not an SQLite file; move it away"):
        open_pool(tmp_path / "notes.txt")
    with pytest.raises(EvidenceError, match=r"no folder .*/nowhere; make it or change evidence.url"):
        open_pool(tmp_path / "nowhere" / "router.db")
    with pytest.raises(EvidenceError, match="can't be written"):
        open_pool(tmp_path)


def test_a_file_of_a_newer_router_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "router.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(EvidenceError, match="schema 99, written by a newer router"):
        open_pool(tmp_path / "router.db")


def test_the_url_of_a_pool_names_its_file() -> None:
    assert sqlite_path("sqlite:///router.db") == Path("router.db")
    assert sqlite_path("sqlite:////var/lib/router.db") == Path("/var/lib/router.db")
    with pytest.raises(EvidenceError, match="it can be sqlite:///router"):
        sqlite_path("postgres://x")
