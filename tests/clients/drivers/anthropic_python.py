"""The official Anthropic client for Python, messages."""

from typing import Any

import anthropic
from common import ASK_WEATHER, EXTRACT, HELLO, KEY, UNKNOWN, URL, WEATHER, expect, is_person, run, served_by, told
from pydantic import BaseModel

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)

TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "The weather now",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


class Person(BaseModel):
    name: str
    age: int


def messages(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def chat(model: str) -> str:
    answer = client.messages.create(model=model, max_tokens=1000, messages=messages(HELLO))
    served_by(model, text_of(answer))
    expect(answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0, answer)
    client.messages.count_tokens(model=model, messages=messages(HELLO))
    return f"{answer.usage.output_tokens} output tokens, and count_tokens"


def stream(model: str) -> str:
    with client.messages.stream(model=model, max_tokens=1000, messages=messages(HELLO)) as events:
        pieces = list(events.text_stream)
        last = events.get_final_message()
    served_by(model, "".join(pieces))
    expect(last.stop_reason == "end_turn" and last.usage.output_tokens > 0, last)
    return f"{len(pieces)} pieces"


def tool_loop(model: str) -> str:
    """Whole, then streamed through the client's own accumulator."""
    first: Any = client.messages.create(model=model, max_tokens=1000, messages=messages(ASK_WEATHER), tools=TOOLS)
    _answered(model, first)
    with client.messages.stream(model=model, max_tokens=1000, messages=messages(ASK_WEATHER), tools=TOOLS) as events:
        first = events.get_final_message()
    _answered(model, first)
    return "whole and streamed"


def _answered(model: str, first: Any) -> None:
    expect(first.stop_reason == "tool_use", first)
    calls = [block for block in first.content if block.type == "tool_use"]
    expect([call.name for call in calls] == ["get_weather"] and "city" in calls[0].input, first)
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": WEATHER} for call in calls]
    history: Any = [
        *messages(ASK_WEATHER),
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    told(model, text_of(client.messages.create(model=model, max_tokens=1000, messages=history, tools=TOOLS)))


def structured_output(model: str) -> str:
    answer = client.messages.parse(model=model, max_tokens=1000, messages=messages(EXTRACT), output_format=Person)
    person = answer.parsed_output
    expect(person is not None, answer)
    return is_person(person, person and person.name, person and person.age)


def error(model: str) -> str:
    try:
        answer = client.messages.create(model=f"{model}-{UNKNOWN}", max_tokens=1000, messages=messages(HELLO))
    except anthropic.NotFoundError as found:
        expect(found.type == "not_found_error", found.body)
        return "NotFoundError, not_found_error"
    raise AssertionError(f"no exception: {answer!r}")


run(
    "anthropic",
    "messages",
    {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    },
)
