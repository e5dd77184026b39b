"""The pool in one SQLite file (WAL), shared by several processes: the default store.

Writing goes through one connection behind a lock; every read has a connection of its own and never holds a writer up.
"""

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from router.errors import EvidenceError
from router.record import COLUMNS, CellSummary, EvidenceRow

Durability = Literal["normal", "full"]

_BUSY_S = 5.0
_PRUNE_BATCH = 5_000  # rows deleted under one write lock
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# Script n brings a file from user_version n to n + 1. Never edit one that was released: append.
# `seq` is the order of writing; `at` is milliseconds UTC; the other columns are those of EvidenceRow.
_SCHEMA = (
    """
    CREATE TABLE rows (
        seq INTEGER PRIMARY KEY,
        task_id TEXT NOT NULL, task_type TEXT NOT NULL, model TEXT NOT NULL,
        score REAL, time_to_first_useful_s REAL, wall_time_s REAL,
        input_tokens INTEGER, output_tokens INTEGER, cost_usd REAL, manual_corrections INTEGER, notes TEXT NOT NULL,
        row_id TEXT NOT NULL UNIQUE CHECK (row_id <> ''), source TEXT NOT NULL, at INTEGER NOT NULL,
        request_id TEXT, attempt INTEGER, outcome TEXT NOT NULL, error_kind TEXT, finish_reason TEXT,
        cached_tokens INTEGER, cache_write_tokens INTEGER, reasoning_tokens INTEGER,
        usage_source TEXT, price_version TEXT,
        quality REAL, correctness REAL, format REAL, rework REAL, scorer TEXT,
        confidence REAL, propensity REAL, assigned TEXT, reason TEXT, table_version TEXT, policy TEXT,
        overhead_ms REAL, stream INTEGER, session TEXT, key_id TEXT, suite TEXT, run_id TEXT
    );
    CREATE INDEX rows_request_id ON rows (request_id) WHERE request_id IS NOT NULL;
    """,
)

_NAMES = ", ".join(COLUMNS)
_AT, _STREAM = COLUMNS.index("at"), COLUMNS.index("stream")
_INSERT = f"INSERT INTO rows ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (row_id) DO NOTHING"  # noqa: S608  # our own names
_SELECT = f"SELECT {_NAMES} FROM rows"  # noqa: S608  # our own names
_SUMMARIZE = """
    SELECT task_type, model, source, count(*), sum(outcome IN ('error', 'truncated')),
           count(score), total(score), total(score >= 4), total(score IS NOT NULL AND cost_usd IS NULL),
           total(CASE WHEN score IS NOT NULL THEN cost_usd END), count(cost_usd), total(cost_usd)
    FROM rows WHERE at >= ? GROUP BY task_type, model, source ORDER BY task_type, model, source
"""
_TIMES = """
    SELECT task_type, model, source, time_to_first_useful_s
    FROM rows WHERE at >= ? AND time_to_first_useful_s IS NOT NULL
"""


def open_pool(path: Path, *, durability: Durability = "normal") -> "SqlitePool":
    """The pool in the file `path`, made if it is missing. Raises EvidenceError when that can't be."""
    connection = connect(path, durability=durability)
    try:
        with trouble(path):
            _migrate(connection, path)
    except EvidenceError:
        connection.close()
        raise
    return SqlitePool(path, connection)


class SqlitePool:
    """The four verbs of `Pool` over one file. Usable from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._inode = path.stat().st_ino

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def append(self, rows: Sequence[EvidenceRow]) -> int:
        """Write rows in one transaction, durably when this returns. Gives how many were new."""
        if not rows:
            return 0
        values = [_encode(row) for row in rows]
        self._check_file()
        with self._lock, trouble(self._path), transaction(self._connection):
            return self._connection.executemany(_INSERT, values).rowcount

    def summarize(self, since: datetime | None = None) -> list[CellSummary]:
        """Per cell and source, ordered by task_type, model, source. `errors` counts error and truncated outcomes."""
        start = -(2**63) if since is None else milliseconds(since)
        with self._reading() as connection:
            sums = connection.execute(_SUMMARIZE, (start,)).fetchall()
            times: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
            for *cell, seconds in connection.execute(_TIMES, (start,)):
                times[tuple(cell)].append(seconds)
        return [_summary(row, sorted(times[row[:3]])) for row in sums]

    def recent(self, *, after: str = "", limit: int = 1000, request_id: str | None = None) -> list[EvidenceRow]:
        """Rows in the order they were written, after the row with id `after`. Raises EvidenceError if it is unknown."""
        with self._reading() as connection:
            seq = self._seq(connection, after) if after else 0
            if request_id is None:
                found = connection.execute(f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
            else:
                sql = f"{_SELECT} WHERE request_id = ? AND seq > ? ORDER BY seq LIMIT ?"
                found = connection.execute(sql, (request_id, seq, limit))
            return [_decode(values) for values in found]

    def prune(self, before: datetime) -> int:
        """Delete rows older than `before`, in batches that let other writers in. Gives how many went."""
        with self._reading() as connection:
            old = connection.execute("SELECT seq FROM rows WHERE at < ?", (milliseconds(before),)).fetchall()
        gone = 0
        for start in range(0, len(old), _PRUNE_BATCH):
            with self._lock, trouble(self._path), transaction(self._connection):
                batch = old[start : start + _PRUNE_BATCH]
                gone += self._connection.executemany("DELETE FROM rows WHERE seq = ?", batch).rowcount
        return gone

    def rows(self) -> Iterator[EvidenceRow]:
        """Every row in the order it was written, from one consistent view."""
        with self._reading() as connection:
            for values in connection.execute(f"{_SELECT} ORDER BY seq"):
                yield _decode(values)

    def _check_file(self) -> None:
        """SQLite writes on into a file that was deleted or replaced, and nobody would ever read it."""
        try:
            same = self._path.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            text = f"the evidence file {self._path} was removed or replaced while it was open; restart to make it anew"
            raise EvidenceError(text, passing=False)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that reads one consistent view of the file."""
        with trouble(self._path), closing(_connection(self._path, "rw")) as connection:
            connection.execute("PRAGMA query_only = 1")
            connection.execute("BEGIN")
            yield connection

    def _seq(self, connection: sqlite3.Connection, row_id: str) -> int:
        found = connection.execute("SELECT seq FROM rows WHERE row_id = ?", (row_id,)).fetchone()
        if found is None:
            raise EvidenceError(f"no row has the id {row_id!r}; a cursor is the row_id of the last row that was read")
        return int(found[0])


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///name.db` (from the working directory) or `sqlite:////absolute/name.db`."""
    path = url.removeprefix("sqlite:///")
    if path == url or not path:
        raise EvidenceError(f"evidence.url is {url!r}; it can be sqlite:///router.db or sqlite:////absolute/router.db")
    return Path(path)


def connect(path: Path, *, durability: Durability = "normal") -> sqlite3.Connection:
    """A connection to the file `path` in WAL mode and autocommit; the file is made if it is missing."""
    with trouble(path):
        connection = _connection(path, "rwc")
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {durability}")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: committed at the end, rolled back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Turns what SQLite says of the file into an EvidenceError of one sentence."""
    try:
        yield
    except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
        raise EvidenceError(_sentence(path, error)) from error


def milliseconds(at: datetime) -> int:
    """How the file keeps a time: milliseconds since 1970, UTC."""
    return (at - _EPOCH) // _MILLISECOND


def moment(at_ms: int) -> datetime:
    return _EPOCH + at_ms * _MILLISECOND


def _sentence(path: Path, error: Exception) -> str:
    if not path.parent.is_dir():
        return f"the evidence file {path} can't be made: no folder {path.parent}; make it or change evidence.url"
    said = str(error)
    if "not a database" in said:
        return f"{path} is not an SQLite file; move it away, or name another file in evidence.url"
    if "readonly" in said or "unable to open" in said:
        return f"the evidence file {path} can't be written ({said}): check the permissions of the file and its folder"
    if "locked" in said:
        return f"the evidence file {path} is locked by another process: try again when it has finished"
    return f"the evidence file {path} can't be used: {said}"


def _connection(path: Path, mode: Literal["rw", "rwc"]) -> sqlite3.Connection:
    url = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(url, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. SQLite doesn't wait when another process is doing so, hence the loop."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _schema_version(connection) == len(_SCHEMA):
        return
    with transaction(connection):
        version = _schema_version(connection)
        if version > len(_SCHEMA):
            raise EvidenceError(
                f"{path} has schema {version}, written by a newer router; this one reads {len(_SCHEMA)}"
            )
        for script in _SCHEMA[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_SCHEMA)}")


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _encode(row: EvidenceRow) -> tuple[Any, ...]:
    return tuple(milliseconds(row.at) if name == "at" else getattr(row, name) for name in COLUMNS)


def _decode(values: tuple[Any, ...]) -> EvidenceRow:
    cells = list(values)
    cells[_AT] = moment(cells[_AT])
    cells[_STREAM] = None if cells[_STREAM] is None else bool(cells[_STREAM])
    return EvidenceRow(*cells)


def _summary(sums: tuple[Any, ...], first_useful_s: list[float]) -> CellSummary:
    task_type, model, source, rows, errors, scored, score_sum, successes, unpriced, spent, priced, cost = sums
    return CellSummary(
        task_type=task_type, model=model, source=source, rows=rows, errors=errors, scored=scored,
        score_sum=score_sum, successes=int(successes), unpriced=int(unpriced), spent_usd=spent,
        priced=priced, cost_usd=cost, first_useful_s=tuple(first_useful_s),
    )  # fmt: skip
