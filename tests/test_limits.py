"""The gate: a cap, a short queue, and a quick refusal."""

import asyncio

import pytest

from router.errors import Overloaded
from router.limits import Gate


async def hold(gate: Gate, until: asyncio.Event) -> str:
    async with gate.place():
        await until.wait()
        return "held"


async def test_those_above_the_cap_wait_for_a_place() -> None:
    gate, until = Gate(2, queue_s=5), asyncio.Event()
    tasks = [asyncio.create_task(hold(gate, until)) for _ in range(4)]
    await asyncio.sleep(0)
    until.set()
    assert await asyncio.gather(*tasks) == ["held"] * 4


async def test_those_above_cap_and_queue_are_refused_at_once_with_a_wait() -> None:
    gate, until = Gate(2, queue_s=5), asyncio.Event()
    tasks = [asyncio.create_task(hold(gate, until)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await hold(gate, until)
    assert caught.value.status == 503 and caught.value.retry_after_s == 1
    until.set()
    await asyncio.gather(*tasks)


async def test_who_waits_too_long_is_refused_and_who_gives_up_leaves_no_hole() -> None:
    gate, until = Gate(1, queue_s=0.05), asyncio.Event()
    holder = asyncio.create_task(hold(gate, until))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await hold(gate, until)
    waiting = asyncio.create_task(hold(gate, until))
    await asyncio.sleep(0)
    waiting.cancel()
    until.set()
    assert await holder == "held"
    assert [await hold(gate, until) for _ in range(3)] == ["held"] * 3
