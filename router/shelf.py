"""The shelf of routing tables, and which one was in force when; kept in the same SQLite file as the pool.

Builds and publications are only ever appended. A table is checked before it is put in force.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from router.errors import EvidenceError, TableError
from router.evidence.sqlite import connect, milliseconds, moment, transaction, trouble
from router.table import RoutingTable, dump, load

Action = Literal["publish", "rollback"]

# `id` is the order of writing; `at` is milliseconds UTC.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tables (version TEXT PRIMARY KEY, document BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS builds (id INTEGER PRIMARY KEY, version TEXT NOT NULL, at INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS publications (
        id INTEGER PRIMARY KEY, version TEXT NOT NULL, at INTEGER NOT NULL,
        who TEXT NOT NULL, why TEXT NOT NULL, action TEXT NOT NULL CHECK (action IN ('publish', 'rollback'))
    )""",
)


class Entry(NamedTuple):
    """A table came into force: which, when, by whom, why, and whether by publication or by going back."""

    version: str
    at: datetime
    who: str
    why: str
    action: Action


def open_shelf(path: Path) -> "Shelf":
    """The shelf in the file `path`, made if it is missing. Raises EvidenceError when that can't be."""
    connection = connect(path)
    try:
        with trouble(path), transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
    except EvidenceError:
        connection.close()
        raise
    return Shelf(path, connection)


class Shelf:
    """Usable from any thread; several processes may have the same file open."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def put(self, table: RoutingTable, *, now: datetime) -> str:
        """Keep `table` as the newest built. Gives its version."""
        with self._writing():
            self._keep(table)
            self._run("INSERT INTO builds (version, at) VALUES (?, ?)", table.version, milliseconds(now))
        return table.version

    def get(self, version: str) -> RoutingTable:
        """The table of this version, or of the only version that begins so. Raises TableError when there is none."""
        found = self._run(
            "SELECT version, document FROM tables WHERE substr(version, 1, ?) = ? LIMIT 2", len(version), version
        )
        if not version or not found:
            raise TableError(f"no table {version!r} on the shelf")
        if len(found) > 1:
            raise TableError(f"several tables begin with {version!r}: give more of the version")
        whole, document = found[0]
        table = load(document)
        if table.version != whole:
            raise TableError(f"the table kept as {whole} has the content of {table.version}: the file is damaged")
        return table

    def publish(
        self, version: str, *, who: str, why: str, now: datetime, replacing: RoutingTable | None = None
    ) -> Entry:
        """Put a table of the shelf in force. Raises TableError when it can't be read; then nothing changes.

        `replacing` is the table of the configuration, in force as long as nothing is published: it is recorded
        before the first publication, so that a roll-back leads to it.
        """
        entry = Entry(self.get(version).version, now, who, why, "publish")
        with self._writing():
            if replacing is not None and self.in_force() is None:
                self._keep(replacing)
                self._record(
                    entry._replace(version=replacing.version, who="configuration", why="it was in force until then")
                )
            self._record(entry)
        return entry

    def rollback(self, *, who: str, why: str, now: datetime) -> str:
        """Put the table in force that was so before the present one; once more: the one before that.

        Gives its version. Raises TableError when there is none or it can't be read; then nothing changes.
        """
        with self._writing():
            version = self._before()
            if version is None:
                raise TableError("no table to go back to: none was in force before the present one")
            self.get(version)
            self._record(Entry(version, now, who, why, "rollback"))
        return version

    def in_force(self) -> Entry | None:
        """The newest entry; None when nothing was ever published."""
        return next(iter(self.history(1)), None)

    def history(self, limit: int = 100) -> list[Entry]:
        """The newest entries first."""
        rows = self._run("SELECT version, at, who, why, action FROM publications ORDER BY id DESC LIMIT ?", limit)
        return [Entry(version, moment(at), who, why, action) for version, at, who, why, action in rows]

    def newest_built(self) -> str | None:
        """The version that was put last."""
        rows = self._run("SELECT version FROM builds ORDER BY id DESC LIMIT 1")
        return rows[0][0] if rows else None

    def change_token(self) -> int:
        """A number that grows with every entry, whichever process made it. Costs microseconds: made for polling."""
        return int(self._run("SELECT coalesce(max(id), 0) FROM publications")[0][0])

    def _before(self) -> str | None:
        """Where a roll-back leads: entries are a stack, a publication pushes, a roll-back pops."""
        stack: list[str] = []
        for version, action in self._run("SELECT version, action FROM publications ORDER BY id"):
            if action == "rollback":
                stack.pop()
            elif not stack or stack[-1] != version:
                stack.append(version)
        return stack[-2] if len(stack) > 1 else None

    def _keep(self, table: RoutingTable) -> None:
        sql = "INSERT INTO tables VALUES (?, ?) ON CONFLICT (version) DO UPDATE SET document = excluded.document"
        self._run(sql, table.version, dump(table))

    def _record(self, entry: Entry) -> None:
        sql = "INSERT INTO publications (version, at, who, why, action) VALUES (?, ?, ?, ?, ?)"
        self._run(sql, entry.version, milliseconds(entry.at), entry.who, entry.why, entry.action)

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, trouble(self._path):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, trouble(self._path), transaction(self._connection):
            yield
