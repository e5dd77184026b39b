"""What every store of shared state does; a new adapter gets a row in `ADAPTERS` and all of this."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from router.errors import StateError
from router.state import STATES, State, open_state
from router.state.memory import MemoryState
from router.state.sqlite import open_sqlite

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


ADAPTERS: dict[str, Callable[[Path, int, Clock], State]] = {
    "memory": lambda _folder, max_bytes, clock: MemoryState(max_bytes, clock),
    "sqlite": lambda folder, max_bytes, clock: open_sqlite(folder / "state.db", max_bytes, clock),
}
SHARED = ("sqlite",)  # those that several processes share


class Make(Protocol):
    def __call__(self, max_bytes: int = 4_000_000) -> State: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=ADAPTERS)
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Opens a store, each time the same one where the adapter is shared; closes all of them."""
    opened: list[State] = []

    def opener(max_bytes: int = 4_000_000) -> State:
        opened.append(ADAPTERS[request.param](tmp_path, max_bytes, clock))
        return opened[-1]

    yield opener
    for state in opened:
        await state.aclose()


def test_every_adapter_is_tested_and_every_file_has_its_scheme() -> None:
    files = {file.stem for file in (ROOT / "router" / "state").glob("*.py")} - {"__init__"}
    assert files == set(STATES) == set(ADAPTERS)


async def test_what_was_put_comes_back_and_what_was_not_is_none(make: Make) -> None:
    state = make()
    await state.put("a", b"one", HOUR_S)
    assert await state.get("a") == b"one"
    assert await state.get("b") is None


async def test_a_second_put_replaces_the_value_and_its_time(make: Make, clock: Clock) -> None:
    state = make()
    await state.put("a", b"one", 10)
    await state.put("a", b"two", 20)
    clock.now += 15
    assert await state.get("a") == b"two"
    await state.put("a", b"three", 1)
    clock.now += 2
    assert await state.get("a") is None


async def test_a_value_is_there_until_its_time_is_over(make: Make, clock: Clock) -> None:
    state = make()
    await state.put("a", b"one", 10)
    clock.now += 9.5
    assert await state.get("a") == b"one"
    clock.now += 0.5
    assert await state.get("a") is None
    assert await state.delete("a") is False


async def test_delete_tells_whether_it_was_there(make: Make) -> None:
    state = make()
    await state.put("a", b"one", HOUR_S)
    assert await state.delete("a") is True
    assert await state.get("a") is None
    assert await state.delete("a") is False


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", bytes(range(256)), b"\xff\xfe'\";--", b"x" * 1_000_000],
    ids=["empty", "zero", "all", "quotes", "1 MB"],
)
async def test_any_bytes_are_a_value(make: Make, value: bytes) -> None:
    state = make()
    await state.put("a", value, HOUR_S)
    assert await state.get("a") == value


async def test_any_text_is_a_key_and_no_two_are_taken_for_one(make: Make) -> None:
    state = make()
    keys = ["", " ", "a", "A", "a\x00b", "a\x00", "ü", "u\u0308", "\ud800", "%", "_", "k" * 10_000, "k" * 9_999]
    for number, key in enumerate(keys):
        await state.put(key, str(number).encode(), HOUR_S)
    assert [await state.get(key) for key in keys] == [str(number).encode() for number in range(len(keys))]


async def test_a_full_store_drops_the_oldest_and_keeps_the_newest(make: Make) -> None:
    state = make(max_bytes=1000)
    for number in range(20):
        await state.put(f"{number:02}", bytes(98), HOUR_S)  # 100 bytes each with its key
    left = [number for number in range(20) if await state.get(f"{number:02}") is not None]
    assert left == list(range(10, 20))


async def test_a_large_entry_makes_room_for_itself(make: Make) -> None:
    state = make(max_bytes=1000)
    for key in "abcde":
        await state.put(key, bytes(199), HOUR_S)
    await state.put("f", bytes(499), HOUR_S)
    assert [key for key in "abcdef" if await state.get(key) is not None] == ["d", "e", "f"]


async def test_keys_count_as_values_do(make: Make) -> None:
    state = make(max_bytes=1000)
    await state.put("a", b"", HOUR_S)
    await state.put("k" * 1000, b"", HOUR_S)
    assert await state.get("a") is None
    assert await state.get("k" * 1000) == b""


async def test_what_is_replaced_deleted_or_expired_takes_no_room(make: Make, clock: Clock) -> None:
    state = make(max_bytes=1000)
    await state.put("old", bytes(500), 10)
    clock.now += 10
    await state.put("a", bytes(299), HOUR_S)
    for _ in range(10):
        await state.put("b", bytes(399), HOUR_S)
        await state.put("c", bytes(299), HOUR_S)
        await state.delete("c")
    await state.put("c", bytes(299), HOUR_S)
    assert [key for key in "abc" if await state.get(key) is not None] == ["a", "b", "c"]


async def test_an_entry_larger_than_the_store_is_refused_and_nothing_changes(make: Make) -> None:
    state = make(max_bytes=1000)
    await state.put("a", b"one", HOUR_S)
    with pytest.raises(StateError, match="an entry of 1001 bytes is more than the state may hold in all, 1000"):
        await state.put("a", bytes(1000), HOUR_S)
    assert await state.get("a") == b"one"


async def test_tasks_of_one_loop_do_not_disturb_each_other(make: Make) -> None:
    state = make()
    await asyncio.gather(*(state.put(f"k{number}", b"%d" % number, HOUR_S) for number in range(200)))
    found = await asyncio.gather(*(state.get(f"k{number}") for number in range(200)))
    assert found == [b"%d" % number for number in range(200)]


async def test_threads_with_loops_of_their_own_do_not_disturb_each_other(make: Make) -> None:
    state = make(max_bytes=6 * 50)
    failures: list[BaseException] = []

    async def work(thread: int) -> None:
        for number in range(100):
            await state.put(f"{thread}-{number:03}", b"x", HOUR_S)  # 6 bytes each
            await state.put(f"{thread}-{number:03}", b"y", HOUR_S)

    def run(thread: int) -> None:
        try:
            asyncio.run(work(thread))
        except BaseException as error:  # noqa: BLE001  # told in the main thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert failures == []
    kept = [await state.get(f"{thread}-{number:03}") for thread in range(4) for number in range(100)]
    assert [value for value in kept if value is not None] == [b"y"] * 50  # exactly full: no byte was miscounted


async def test_a_store_may_be_closed_twice(make: Make) -> None:
    state = make()
    await state.put("a", b"one", HOUR_S)
    await state.aclose()
    await state.aclose()


# --- those that several processes share ----------------------------------------------------------------


@pytest.mark.parametrize("make", SHARED, indirect=True)
async def test_two_handles_see_each_other(make: Make, clock: Clock) -> None:
    one, other = make(), make()
    await one.put("a", b"one", 10)
    assert await other.get("a") == b"one"
    await other.put("a", b"two", 10)
    assert await one.get("a") == b"two"
    assert await one.delete("a") is True
    assert await other.get("a") is None
    await one.put("b", b"one", 10)
    clock.now += 10
    assert await other.get("b") is None


@pytest.mark.parametrize("make", SHARED, indirect=True)
async def test_two_handles_share_one_bound(make: Make) -> None:
    one, other = make(max_bytes=1000), make(max_bytes=1000)
    for number in range(10):
        await one.put(f"a{number}", bytes(98), HOUR_S)
        await other.put(f"b{number}", bytes(98), HOUR_S)
    assert [number for number in range(10) if await other.get(f"a{number}") is not None] == [5, 6, 7, 8, 9]
    assert [number for number in range(10) if await one.get(f"b{number}") is not None] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("make", SHARED, indirect=True)
async def test_what_was_put_survives_a_restart(make: Make) -> None:
    before = make()
    await before.put("a", b"one", HOUR_S)
    await before.aclose()
    assert await make().get("a") == b"one"


PUTS = """
import asyncio, sys
from router.state import open_state

async def main():
    state = open_state(sys.argv[1], 10_000_000)
    for number in range(200):
        await state.put(f"{sys.argv[2]}-{number}", b"%d" % number, 3600.0)
        await state.put("common", sys.argv[2].encode(), 3600.0)
    await state.aclose()

asyncio.run(main())
"""


def write_in_two_processes(url: str) -> list[int]:
    writers = [subprocess.Popen([sys.executable, "-c", PUTS, url, name], cwd=ROOT) for name in ("p", "q")]
    return [writer.wait() for writer in writers]


@pytest.mark.parametrize("scheme", SHARED)
async def test_two_processes_open_and_write_one_store_at_once(scheme: str, tmp_path: Path) -> None:
    url = f"{scheme}:///{tmp_path / 'state.db'}"
    assert await asyncio.to_thread(write_in_two_processes, url) == [0, 0]
    state = open_state(url, 10_000_000)
    for name in ("p", "q"):
        assert [await state.get(f"{name}-{number}") for number in range(200)] == [b"%d" % n for n in range(200)]
    assert await state.get("common") in {b"p", b"q"}
    await state.aclose()


# --- the registry --------------------------------------------------------------------------------------


async def test_a_url_opens_the_store_of_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("memory://", "sqlite:///state.db", f"sqlite:///{tmp_path / 'other.db'}"):
        state = open_state(url, 1000)
        await state.put("a", b"one", HOUR_S)
        assert await state.get("a") == b"one"
        await state.aclose()
    assert sorted(os.listdir()) == ["other.db", "state.db"]  # noqa: PTH208  # nothing beside them
