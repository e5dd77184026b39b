"""Callers of the four doors: one conversation said in each wire format, by hand from the references."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import pytest

from tests.reading import Door, Said, read, refusal
from tests.running import Running

DOORS: tuple[Door, ...] = ("chat", "responses", "messages", "completions")
TALKING: tuple[Door, ...] = ("chat", "responses", "messages")  # legacy completions have one prompt and no tools
PATHS: dict[Door, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
}


# How each door asks for much thinking.
EFFORT: dict[Door, dict[str, Any]] = {
    "chat": {"reasoning_effort": "high"},
    "responses": {"reasoning": {"effort": "high"}},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 12_000}},
}


class Result(NamedTuple):
    """What a tool gave back for the call of this id."""

    id: str
    text: str


Turn = str | Said | Result
Tools = Mapping[str, Any]  # name -> JSON Schema of its arguments, None where it takes none


@dataclass(frozen=True)
class Caller:
    """One door, streamed or not."""

    door: Door
    stream: bool = False

    def ask(
        self,
        proxy: Running,
        model: str,
        *turns: Turn,
        tools: Tools | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        body = self.body(model, *turns, tools=tools, **fields)
        return proxy.client.post(PATHS[self.door], json=body, headers=dict(headers or {}))

    def body(self, model: str, *turns: Turn, tools: Tools | None = None, **fields: Any) -> dict[str, Any]:
        body = {"model": model, **_conversation(self.door, turns)}
        if tools:
            body["tools"] = [_tool(self.door, name, schema) for name, schema in tools.items()]
        if self.door in ("messages", "completions"):
            body["max_tokens"] = 4000
        if self.stream:
            body["stream"] = True
            if self.door in ("chat", "completions"):
                body["stream_options"] = {"include_usage": True}
        return {**body, **fields}

    def read(self, response: httpx.Response) -> Said:
        """The answer of a 200, which is streamed if that was asked for."""
        said = read(self.door, response)
        assert response.headers["content-type"].startswith("text/event-stream" if self.stream else "application/json")
        return said

    def failure(self, response: httpx.Response) -> dict[str, Any]:
        """The error object of a refusal, or of a stream that an error ended."""
        error = self.read(response).error if response.status_code == 200 else refusal(self.door, response)
        assert isinstance(error, dict) and isinstance(error["message"], str), response.text
        return error

    def __str__(self) -> str:
        return f"{self.door} stream" if self.stream else self.door


CALLERS = [Caller(door, stream) for door in DOORS for stream in (False, True)]
TALKERS = [caller for caller in CALLERS if caller.door in TALKING]

each_caller = pytest.mark.parametrize("caller", CALLERS, ids=str)
each_talker = pytest.mark.parametrize("caller", TALKERS, ids=str)
each_door = pytest.mark.parametrize("door", DOORS)
each_talking_door = pytest.mark.parametrize("door", TALKING)


# --- requests ----------------------------------------------------------------------------------------------------


def _conversation(door: Door, turns: tuple[Turn, ...]) -> dict[str, Any]:
    match door:
        case "completions":
            return {"prompt": "\n".join(str(turn) for turn in turns)}
        case "responses":
            return {"input": [item for turn in turns for item in _items(turn)]}
        case "chat":
            return {"messages": [_chat_message(turn) for turn in turns]}
        case "messages":
            return {"messages": _anthropic_messages(turns)}


def _chat_message(turn: Turn) -> dict[str, Any]:
    """As a client keeps it that knows OpenAI's own fields only."""
    if isinstance(turn, str):
        return {"role": "user", "content": turn}
    if isinstance(turn, Result):
        return {"role": "tool", "tool_call_id": turn.id, "content": turn.text}
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        message["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in turn.calls
        ]
    return message


def _items(turn: Turn) -> list[dict[str, Any]]:
    if isinstance(turn, str):
        return [{"role": "user", "content": turn}]
    if isinstance(turn, Result):
        return [{"type": "function_call_output", "call_id": turn.id, "output": turn.text}]
    said = [{"role": "assistant", "content": turn.text}] if turn.text else []
    return [
        *said,
        *(
            {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
            for id_, name, arguments in turn.calls
        ),
    ]


def _anthropic_messages(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    """An answer goes back block by block as it came; results and what the user says behind them are one turn."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if isinstance(turn, Said):
            content = turn.document["content"] if turn.document else _blocks(turn)
            messages.append({"role": "assistant", "content": content})
            continue
        if not messages or messages[-1]["role"] == "assistant":
            messages.append({"role": "user", "content": []})
        text = {"type": "text", "text": turn}
        told = (
            {"type": "tool_result", "tool_use_id": turn.id, "content": turn.text} if isinstance(turn, Result) else text
        )
        messages[-1]["content"].append(told)
    return messages


def _blocks(turn: Said) -> list[dict[str, Any]]:
    texts = [{"type": "text", "text": turn.text}] if turn.text else []
    calls = [{"type": "tool_use", "id": id_, "name": name, "input": json.loads(a)} for id_, name, a in turn.calls]
    return [*texts, *calls]


def _tool(door: Door, name: str, schema: Any) -> dict[str, Any]:
    parameters = {} if schema is None else {"parameters": schema}
    match door:
        case "messages":
            return {"name": name, "input_schema": schema or {"type": "object", "properties": {}}}
        case "responses":
            return {"type": "function", "name": name, "strict": False, "parameters": None, **parameters}
        case _:
            return {"type": "function", "function": {"name": name, **parameters}}
