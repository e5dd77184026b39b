"""What only the state in memory does."""

import sys

from router.state.memory import MemoryState

HOUR_S = 3600.0


def stopped() -> float:
    return 0.0


async def kept(state: MemoryState, keys: str) -> list[str]:
    return [key for key in keys if await state.get(key) is not None]


async def test_what_was_read_lately_stays_when_others_go() -> None:
    state = MemoryState(300, stopped)
    for key in "abc":
        await state.put(key, bytes(99), HOUR_S)
    await state.get("a")
    await state.put("d", bytes(99), HOUR_S)
    assert await kept(state, "abcd") == ["a", "c", "d"]


async def test_the_number_of_entries_is_bounded_too() -> None:
    state = MemoryState(1_000_000, stopped, max_entries=2)
    for key in "abc":
        await state.put(key, b"", HOUR_S)
    assert await kept(state, "abc") == ["b", "c"]


async def test_what_is_over_before_it_began_is_not_kept() -> None:
    state = MemoryState(1000, stopped)
    await state.put("a", b"one", 0)
    assert await state.get("a") is None


async def test_an_expired_value_leaves_the_memory_as_others_come() -> None:
    now = [0.0]
    state = MemoryState(1_000_000, lambda: now[0])
    value = bytes(1000)
    held_by_us = sys.getrefcount(value)
    await state.put("a", value, 10)
    assert sys.getrefcount(value) == held_by_us + 1
    now[0] = 10
    await state.put("b", b"", 10)
    assert sys.getrefcount(value) == held_by_us
