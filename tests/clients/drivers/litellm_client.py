"""LiteLLM's client: its openai provider on chat completions, and its anthropic provider on messages."""

import json
from collections.abc import Callable

import litellm
from common import (
    ASK_WEATHER,
    EXTRACT,
    HELLO,
    KEY,
    OPENAI_URL,
    UNKNOWN,
    URL,
    WEATHER,
    expect,
    is_person,
    run,
    served_by,
    told,
)
from pydantic import BaseModel

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Person(BaseModel):
    name: str
    age: int


def checks(prefix: str, api_base: str) -> dict[str, Callable[[str], str]]:
    def ask(model: str, text: str | list[object], **options: object) -> litellm.ModelResponse:
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        return litellm.completion(
            model=f"{prefix}/{model}", messages=messages, api_base=api_base, api_key=KEY, max_retries=0, **options
        )

    def chat(model: str) -> str:
        answer = ask(model, HELLO)
        served_by(model, answer.choices[0].message.content)
        expect(answer.choices[0].finish_reason == "stop", answer)
        return f"{answer.usage.total_tokens} tokens"

    def stream(model: str) -> str:
        chunks = list(ask(model, HELLO, stream=True, stream_options={"include_usage": True}))
        served_by(model, "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        expect(chunks[-1].usage.total_tokens > 0, chunks[-1])
        return f"{len(chunks)} chunks"

    def tool_loop(model: str) -> str:
        """Streamed and put together by its stream_chunk_builder, then whole."""
        question = {"role": "user", "content": ASK_WEATHER}
        first = litellm.stream_chunk_builder(list(ask(model, ASK_WEATHER, tools=[TOOL], stream=True))).choices[0]
        (call,) = first.message.tool_calls
        expect(call.function.name == "get_weather" and "city" in json.loads(call.function.arguments), first)
        result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
        last = ask(model, [question, first.message, result], tools=[TOOL])
        told(model, last.choices[0].message.content)
        return "streamed, then whole"

    def structured_output(model: str) -> str:
        answer = ask(model, EXTRACT, response_format=Person)
        person = Person.model_validate_json(answer.choices[0].message.content)
        return is_person(person, person.name, person.age)

    def error(model: str) -> str:
        try:
            answer = ask(f"{model}-{UNKNOWN}", HELLO)
        except litellm.NotFoundError as found:
            expect(UNKNOWN in found.message, found.message)
            return "NotFoundError"
        raise AssertionError(f"no exception: {answer!r}")

    return {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    }


run("litellm", "chat completions (openai/)", checks("openai", OPENAI_URL))
run("litellm", "messages (anthropic/)", checks("anthropic", URL))
