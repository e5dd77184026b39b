"""The official OpenAI client for Python, chat completions and responses."""

import json
from typing import Any

import openai
from common import (
    ASK_WEATHER,
    EXTRACT,
    HELLO,
    KEY,
    OPENAI_URL,
    UNKNOWN,
    WEATHER,
    expect,
    is_person,
    run,
    served_by,
    told,
)
from pydantic import BaseModel

client = openai.OpenAI(base_url=OPENAI_URL, api_key=KEY, max_retries=0)

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION: dict[str, Any] = {"name": "get_weather", "description": "The weather now", "parameters": PARAMETERS}
CHAT_TOOLS: Any = [{"type": "function", "function": {**FUNCTION, "strict": True}}]
RESPONSES_TOOLS: Any = [{"type": "function", **FUNCTION, "strict": True}]


class Person(BaseModel):
    name: str
    age: int


def messages(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def chat(model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=messages(HELLO))
    served_by(model, answer.choices[0].message.content)
    expect(answer.choices[0].finish_reason == "stop" and answer.usage is not None, answer)
    return f"{answer.usage.total_tokens} tokens" if answer.usage else ""


def stream(model: str) -> str:
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages(HELLO), stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    served_by(model, "".join(pieces))
    expect(chunks[-1].usage is not None and chunks[-1].choices == [], chunks[-1])
    return f"{len(chunks)} chunks"


def tool_loop(model: str) -> str:
    """Whole, then streamed through the client's own accumulator."""
    history = messages(ASK_WEATHER)
    first = client.chat.completions.create(model=model, messages=history, tools=CHAT_TOOLS).choices[0]
    expect(first.finish_reason == "tool_calls", first)
    for again in (False, True):
        calls = first.message.tool_calls or []
        expect([call.function.name for call in calls if call.type == "function"] == ["get_weather"], first)
        expect("city" in json.loads(calls[0].function.arguments), calls[0])  # type: ignore[union-attr]
        answers = [{"role": "tool", "tool_call_id": call.id, "content": WEATHER} for call in calls]
        history = [*messages(ASK_WEATHER), first.message, *answers]
        last = client.chat.completions.create(model=model, messages=history, tools=CHAT_TOOLS)
        told(model, last.choices[0].message.content)
        if again:
            break
        with client.chat.completions.stream(model=model, messages=messages(ASK_WEATHER), tools=CHAT_TOOLS) as events:
            first = events.get_final_completion().choices[0]
        expect(first.finish_reason == "tool_calls", first)
    return "whole and streamed"


def structured_output(model: str) -> str:
    answer = client.chat.completions.parse(model=model, messages=messages(EXTRACT), response_format=Person)
    person = answer.choices[0].message.parsed
    expect(person is not None, answer)
    return is_person(person, person and person.name, person and person.age)


def error(model: str) -> str:
    return _not_found(lambda: client.chat.completions.create(model=f"{model}-{UNKNOWN}", messages=messages(HELLO)))


def _not_found(call: Any) -> str:
    try:
        answer = call()
    except openai.NotFoundError as found:
        expect(found.code == "model_not_found" and found.param == "model", found.body)
        return "NotFoundError, model_not_found"
    raise AssertionError(f"no exception: {answer!r}")


def responses_chat(model: str) -> str:
    answer = client.responses.create(model=model, input=HELLO)
    served_by(model, answer.output_text)
    expect(answer.status == "completed" and answer.usage is not None, answer)
    return f"{answer.usage.total_tokens} tokens" if answer.usage else ""


def responses_stream(model: str) -> str:
    events = list(client.responses.create(model=model, input=HELLO, stream=True))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    served_by(model, "".join(pieces))
    expect(events[-1].type == "response.completed", events[-1])
    numbers = [event.sequence_number for event in events]
    expect(numbers == list(range(len(events))), numbers)
    return f"{len(events)} events"


def responses_tool_loop(model: str) -> str:
    """Once with the history sent again, once streamed and by previous_response_id."""
    first = client.responses.create(model=model, input=ASK_WEATHER, tools=RESPONSES_TOOLS)
    history: Any = [*messages(ASK_WEATHER), *first.output, *_outputs(first)]
    last = client.responses.create(model=model, input=history, tools=RESPONSES_TOOLS)
    told(model, last.output_text)
    with client.responses.stream(model=model, input=ASK_WEATHER, tools=RESPONSES_TOOLS) as events:
        first = events.get_final_response()
    last = client.responses.create(
        model=model, input=_outputs(first), tools=RESPONSES_TOOLS, previous_response_id=first.id
    )
    told(model, last.output_text)
    return "stateless, and streamed with previous_response_id"


def _outputs(response: Any) -> Any:
    calls = [item for item in response.output if item.type == "function_call"]
    expect([call.name for call in calls] == ["get_weather"] and "city" in json.loads(calls[0].arguments), response)
    return [{"type": "function_call_output", "call_id": call.call_id, "output": WEATHER} for call in calls]


def responses_structured_output(model: str) -> str:
    answer = client.responses.parse(model=model, input=EXTRACT, text_format=Person)
    person = answer.output_parsed
    expect(person is not None, answer)
    return is_person(person, person and person.name, person and person.age)


def responses_error(model: str) -> str:
    return _not_found(lambda: client.responses.create(model=f"{model}-{UNKNOWN}", input=HELLO))


run(
    "openai",
    "chat completions",
    {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    },
)
run(
    "openai",
    "responses",
    {
        "chat": responses_chat,
        "stream": responses_stream,
        "tool loop": responses_tool_loop,
        "structured output": responses_structured_output,
        "error": responses_error,
    },
)
