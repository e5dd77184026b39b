"""State in one SQLite file (WAL): survives a restart, shared by the processes of one machine.

One thread does all the work on the file: the event loop never waits for the disk, a caller only so long.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from router.errors import StateError
from router.evidence.sqlite import transaction

T = TypeVar("T")

_PATIENCE_S = 4.0
_OURS = 0x6C6C6D73  # the file's application_id: a pool of evidence, or another program's file, is never written to
_EXPIRED_BATCH = 100  # deleted with one put: more than one comes in, so they never pile up

# `seq` is the order of writing, `expires` seconds since 1970. `value` stands last: what comes after a long value is
# slow to read. The total is kept by triggers, whoever deletes.
_SCHEMA = (
    """CREATE TABLE entries (
        seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, expires REAL NOT NULL,
        value BLOB NOT NULL
    )""",
    "CREATE INDEX entries_expires ON entries (expires)",
    "CREATE TABLE total (bytes INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0)",
    "CREATE TRIGGER entry_in AFTER INSERT ON entries BEGIN UPDATE total SET bytes = bytes + new.size; END",
    "CREATE TRIGGER entry_out AFTER DELETE ON entries BEGIN UPDATE total SET bytes = bytes - old.size; END",
    f"PRAGMA application_id = {_OURS}",
)
_GET = "SELECT value FROM entries WHERE key = ? AND expires > ?"
_PUT = "INSERT INTO entries (key, size, expires, value) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM entries WHERE key = ? AND expires > ?"
_EXPIRE = "DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)"


def open_sqlite(
    path: Path, max_bytes: int, clock: Callable[[], float], *, patience_s: float = _PATIENCE_S
) -> "SqliteState":
    """The state in the file `path`, made if it is missing. `clock` is the wall clock, the same for all processes.

    Raises StateError when that can't be.
    """
    with _trouble(path):
        path.touch(mode=0o600)
        connection = _connection(path, patience_s / 2)
        try:
            _make_tables(connection, path)
            _use_wal(connection, patience_s / 2)
            _keep_private(path)
        except BaseException:
            connection.close()
            raise
        return SqliteState(path, connection, max_bytes, clock, patience_s)


class SqliteState:
    """The verbs of `State` over one file. Usable from any thread."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, max_bytes: int, clock: Callable[[], float], patience_s: float
    ) -> None:
        self._path = path
        self._connection = connection
        self._max_bytes = max_bytes
        self._clock = clock
        self._patience_s = patience_s
        self._inode = path.stat().st_ino
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        self._closed = False

    async def get(self, key: str) -> bytes | None:
        found = await self._run(lambda: self._connection.execute(_GET, (_encoded(key), self._clock())).fetchone())
        return None if found is None else bytes(found[0])

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        name = _encoded(key)
        size = len(name) + len(value)
        if size > self._max_bytes:
            raise StateError(f"an entry of {size} bytes is more than the state may hold in all, {self._max_bytes}")
        await self._run(lambda: self._put(name, value, size, ttl_s))

    async def delete(self, key: str) -> bool:
        return await self._run(lambda: self._connection.execute(_DELETE, (_encoded(key), self._clock())).rowcount > 0)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            last = self._thread.submit(self._connection.close)
            self._thread.shutdown(wait=False)  # what was asked for before still runs
            await self._result(last)

    def _put(self, key: bytes, value: bytes, size: int, ttl_s: float) -> None:
        now = self._clock()
        with transaction(self._connection):
            self._connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            self._connection.execute(_EXPIRE, (now, _EXPIRED_BATCH))
            self._make_room(size)
            self._connection.execute(_PUT, (key, size, now + ttl_s, value))

    def _make_room(self, size: int) -> None:
        (held,) = self._connection.execute("SELECT bytes FROM total").fetchone()
        excess = held + size - self._max_bytes
        last = 0
        for seq, freed in self._connection.execute("SELECT seq, size FROM entries ORDER BY seq"):
            if excess <= 0:
                break
            last, excess = seq, excess - freed
        self._connection.execute("DELETE FROM entries WHERE seq <= ?", (last,))

    async def _run(self, job: Callable[[], T]) -> T:
        if self._closed:
            raise StateError(f"the state file {self._path} was closed")
        return await self._result(self._thread.submit(self._work, job))

    def _work(self, job: Callable[[], T]) -> T:
        with _trouble(self._path):
            self._check_file()
            return job()

    async def _result(self, future: Future[T]) -> T:
        """What the thread gives. After its patience a job that waits is dropped, one that runs is left to itself."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            text = (
                f"the state file {self._path} took more than {self._patience_s:g} s: its disk is slow or it is locked"
            )
            raise StateError(text) from None

    def _check_file(self) -> None:
        """SQLite writes on into a file that was deleted or replaced, and no other process would ever read it."""
        try:
            same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise StateError(f"the state file {self._path} was removed or replaced while it was open; restart")


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")  # callers send keys as JSON, where half a surrogate pair is allowed


def _connection(path: Path, busy_s: float) -> sqlite3.Connection:
    url = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(url, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != _OURS and (mark or tables):
            raise StateError(f"{path} is an SQLite file of something else; name a file of its own in state.url")
        if not tables:
            for statement in _SCHEMA:
                connection.execute(statement)


def _use_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    """Switch the file to WAL. SQLite doesn't wait when another process is doing so, hence the loop."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # what was deleted is prompts: overwrite it


def _keep_private(path: Path) -> None:
    """For this user alone, also when the file was made otherwise: stored responses hold prompts."""
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        if file.exists():
            file.chmod(0o600)


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    """Turns what SQLite and the system say of the file into a StateError of one sentence."""
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError) as error:
        raise StateError(_sentence(path, error)) from error


def _sentence(path: Path, error: Exception) -> str:
    said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    if not path.parent.is_dir():
        return f"the state file {path} can't be made: no folder {path.parent}; make it or change state.url"
    if "not a database" in said or "malformed" in said:
        return f"the state file {path} is damaged, or no SQLite file ({said}): move it away and start again"
    if "locked" in said:
        return f"the state file {path} is locked by another process: try again when it has finished"
    return f"the state file {path} can't be used ({said}): check the file, its permissions and its disk"
