"""instructor over the OpenAI client, in its modes of tools and of JSON Schema."""

from collections.abc import Iterable

import instructor
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
from instructor.core import InstructorRetryException
from pydantic import BaseModel

plain = openai.OpenAI(base_url=OPENAI_URL, api_key=KEY, max_retries=0)
by_tools = instructor.from_openai(plain, mode=instructor.Mode.TOOLS)
by_schema = instructor.from_openai(plain, mode=instructor.Mode.JSON_SCHEMA)
in_parallel = instructor.from_openai(plain, mode=instructor.Mode.PARALLEL_TOOLS)


SAID = "I will look that up."  # instructor 1.17 sends an empty content as [], which OpenAI itself refuses


class Person(BaseModel):
    name: str
    age: int


class GetWeather(BaseModel):
    """The weather now."""

    city: str


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def chat(model: str) -> str:
    answer = by_tools.chat.completions.create(model=model, messages=messages(HELLO), response_model=None)
    served_by(model, answer.choices[0].message.content)
    return "response_model=None"


def stream(model: str) -> str:
    """Its own streams: an object that fills up."""
    seen = list(by_tools.create_partial(model=model, messages=messages(EXTRACT), response_model=Person))
    is_person(seen[-1], seen[-1].name, seen[-1].age)
    expect(len(seen) > 1, seen)
    return f"{len(seen)} partial objects"


def tool_loop(model: str) -> str:
    """It makes the calls objects; the loop is the caller's."""
    calls = list(in_parallel.create(model=model, messages=messages(ASK_WEATHER), response_model=Iterable[GetWeather]))
    expect(len(calls) >= 1 and isinstance(calls[0], GetWeather), calls)
    call = {"id": "call_1", "type": "function"}
    call["function"] = {"name": "GetWeather", "arguments": calls[0].model_dump_json()}
    history = [
        *messages(ASK_WEATHER),
        {"role": "assistant", "content": SAID, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": WEATHER},
    ]
    last = by_tools.chat.completions.create(model=model, messages=history, response_model=None)
    told(model, last.choices[0].message.content)
    return "PARALLEL_TOOLS, then the result by hand"


def structured_output(model: str) -> str:
    for client in (by_tools, by_schema):
        person = client.create(model=model, messages=messages(EXTRACT), response_model=Person)
        is_person(person, person.name, person.age)
    return "TOOLS and JSON_SCHEMA"


def error(model: str) -> str:
    try:
        answer = by_tools.create(
            model=f"{model}-{UNKNOWN}", messages=messages(EXTRACT), response_model=Person, max_retries=0
        )
    except InstructorRetryException as raised:
        found = raised.__cause__
        expect(isinstance(found, openai.NotFoundError) and found.code == "model_not_found", found)
        return "InstructorRetryException over NotFoundError, model_not_found"
    raise AssertionError(f"no exception: {answer!r}")


run(
    "instructor",
    "chat completions",
    {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    },
)
