"""What can go wrong with a state file: busy, broken, gone, or somebody else's."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from router.errors import StateError
from router.evidence.sqlite import open_pool
from router.state.sqlite import SqliteState, open_sqlite

HOUR_S = 3600.0
NEVER_S = 30.0  # only a hang takes so long


def wall_clock() -> float:
    return 1_800_000_000.0


def opened(path: Path, *, clock: Callable[[], float] = wall_clock, patience_s: float = 4.0) -> SqliteState:
    return open_sqlite(path, 4_000_000, clock, patience_s=patience_s)


def locked(file: Path) -> sqlite3.Connection:
    """Another process in the middle of a write."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    state = opened(tmp_path / "state.db")
    await state.put("a", b"one", HOUR_S)
    assert modes(tmp_path) == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    await state.aclose()


async def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    await opened(file).aclose()
    file.chmod(0o644)
    state = opened(file)
    assert modes(tmp_path) == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    await state.aclose()


async def test_what_was_deleted_is_overwritten_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    state = opened(file)
    await state.put("a", b"a secret prompt" * 1000, HOUR_S)
    await state.aclose()
    assert b"a secret prompt" in file.read_bytes()
    state = opened(file)
    await state.delete("a")
    await state.aclose()
    assert b"a secret prompt" not in file.read_bytes()


async def test_expired_entries_leave_the_file_as_others_come(tmp_path: Path) -> None:
    now = [0.0]
    file = tmp_path / "state.db"
    state = opened(file, clock=lambda: now[0])
    for number in range(150):
        await state.put(f"old-{number}", b"x", 10)
    now[0] = 10
    for number in range(2):
        await state.put(f"new-{number}", b"x", 10)
    await state.aclose()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (2,)
        assert connection.execute("SELECT bytes FROM total").fetchone() == (2 * 6,)


async def test_a_locked_file_is_an_error_soon_for_all_that_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    state = opened(file, patience_s=0.2)
    await state.put("a", b"one", HOUR_S)
    with closing(locked(file)):
        async with asyncio.timeout(NEVER_S):
            puts = (state.put(key, b"two", HOUR_S) for key in "bcdefgh")
            errors = await asyncio.gather(*puts, return_exceptions=True)
            assert all(isinstance(error, StateError) and str(file) in str(error) for error in errors)
            assert "locked" in str(errors[0])
            assert await state.get("a") == b"one"  # a reader waits for no writer
    await state.put("b", b"three", HOUR_S)
    assert await state.get("b") == b"three"
    await state.aclose()


async def test_a_file_that_is_locked_as_we_open_it_is_an_error_soon(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    await opened(file).aclose()
    with closing(locked(file)), pytest.raises(StateError, match=r"state\.db is locked by another process"):
        opened(file, patience_s=0.1)


async def test_a_put_that_its_caller_gave_up_leaves_the_store_usable(tmp_path: Path) -> None:
    state = opened(tmp_path / "state.db")
    tasks = [asyncio.create_task(state.put(f"k{number}", bytes(100_000), HOUR_S)) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await state.put("a", b"one", HOUR_S)
    assert await state.get("a") == b"one"
    await state.aclose()


async def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    state = opened(file)
    for number in range(100):
        await state.put(f"k{number}", bytes(10_000), HOUR_S)
    await state.aclose()
    size = file.stat().st_size
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(b"\xa5" * (size - 4096))
    with pytest.raises(StateError, match=r"state\.db is damaged, or no SQLite file .*: move it away and start again"):
        broken = opened(file)
        try:
            await broken.get("k1")
        finally:
            await broken.aclose()


@pytest.mark.parametrize(
    "content", [b"no database, but long enough to look at" * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(StateError, match=r"notes\.txt is damaged, or no SQLite file"):
        opened(file)
    assert file.read_bytes() == content


def test_the_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "router.db"
    open_pool(file).close()
    before = file.read_bytes()
    with pytest.raises(StateError, match=r"router\.db is an SQLite file of something else; name a file of its own"):
        opened(file)
    assert file.read_bytes() == before


def test_a_place_where_no_file_can_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"no folder .*/nowhere; make it or change state\.url"):
        opened(tmp_path / "nowhere" / "state.db")
    with pytest.raises(StateError, match=r"can't be used \(unable to open database file\): check the file"):
        opened(tmp_path)


async def test_a_file_that_was_removed_while_open_is_an_error_not_a_void(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    state = opened(file)
    file.unlink()
    with pytest.raises(StateError, match=r"state\.db was removed or replaced while it was open; restart"):
        await state.put("a", b"one", HOUR_S)
    await state.aclose()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    state = opened(tmp_path / "state.db")
    await state.aclose()
    with pytest.raises(StateError, match=r"state\.db was closed"):
        await state.get("a")
