"""What is remembered between the requests of a conversation."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from router import log
from router.catalog import Model, Provider
from router.errors import StateError
from router.sessions import Sessions
from router.state.memory import MemoryState
from router.types import ChatRequest, ChatResponse, Message, Reasoning, Seal, Text, ToolCall

MODEL = Model("gemini-3.1-pro", Provider("gemini", "gemini", "https://gemini.test"), "gemini-3.1-pro-preview")


class Frozen:
    """A state store that can't be reached."""

    async def get(self, key: str) -> bytes | None:
        raise StateError("frozen")

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        raise StateError("frozen")

    async def delete(self, key: str) -> bool:
        raise StateError("frozen")

    async def aclose(self) -> None:
        pass


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    yield Sessions(MemoryState(1_000_000, lambda: 0.0), log.make("info", []))


def called(*ids: str, seal: Seal | None = None, parts: Any = ()) -> Message:
    calls = tuple(ToolCall(id_, "f", "{}", seal=seal) for id_ in ids)
    return Message("assistant", parts, calls)


def request(*messages: Message) -> ChatRequest:
    return ChatRequest("auto", (Message("user", (Text("Hi"),)), *messages))


def answer(*calls: ToolCall, thoughts: tuple[Reasoning, ...] = ()) -> ChatResponse:
    return ChatResponse("id", "m", None, "tool_calls", calls, thoughts=thoughts)


async def test_a_plain_client_gets_its_signatures_back_with_the_model_that_made_them(sessions: Sessions) -> None:
    said = answer(ToolCall("a", "f", "{}", seal=Seal("sig", "gemini")), ToolCall("b", "g", "{}"))
    await sessions.remember(request(), "app", MODEL, said, None)

    recalled = await sessions.recall(request(called("a", "b")), "app")

    first, second = recalled.messages[-1].tool_calls
    assert first.seal == Seal("sig", "gemini", "gemini-3.1-pro-preview") and second.seal is None


async def test_calls_in_another_order_find_them_too(sessions: Sessions) -> None:
    said = answer(ToolCall("a", "f", "{}", seal=Seal("sig", "gemini")), ToolCall("b", "g", "{}"))
    await sessions.remember(request(), None, MODEL, said, None)

    recalled = await sessions.recall(request(called("b", "a")), None)

    assert [call.seal is not None for call in recalled.messages[-1].tool_calls] == [False, True]


async def test_signed_thinking_stands_first_in_its_turn_again(sessions: Sessions) -> None:
    thoughts = (
        Reasoning("shown", Seal("s1", "messages")),
        Reasoning("never sealed"),
        Reasoning("", Seal("cipher", "messages"), hidden=True),
    )
    await sessions.remember(request(), None, MODEL, answer(ToolCall("a", "f", "{}"), thoughts=thoughts), None)

    echoed = called("a", parts=(Reasoning("shown"), Text("I will look")))
    recalled = await sessions.recall(request(echoed), None)

    assert recalled.messages[-1].parts == (
        Reasoning("shown", Seal("s1", "messages", MODEL.id)),
        Reasoning("", Seal("cipher", "messages", MODEL.id), hidden=True),
        Text("I will look"),
    )


async def test_another_caller_does_not_get_them(sessions: Sessions) -> None:
    said = answer(ToolCall("a", "f", "{}", seal=Seal("sig", "gemini")))
    await sessions.remember(request(), "app", MODEL, said, None)

    for key_id in ("other", None):
        recalled = await sessions.recall(request(called("a")), key_id)
        assert recalled.messages[-1].tool_calls[0].seal is None


async def test_what_the_client_sent_back_itself_stands_where_nothing_was_kept(sessions: Sessions) -> None:
    recalled = await sessions.recall(request(called("a", seal=Seal("own", "gemini"))), None)

    assert recalled.messages[-1].tool_calls[0].seal == Seal("own", "gemini")


async def test_a_store_that_fails_costs_the_memory_and_not_the_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    sessions = Sessions(Frozen(), log.make("info", []))

    await sessions.remember(request(), None, MODEL, answer(ToolCall("a", "f", "{}", seal=Seal("s", "gemini"))), None)
    recalled = await sessions.recall(request(called("a")), None)

    assert recalled.messages[-1].tool_calls[0].seal is None
    assert await sessions.stored("resp_1", None) is None
