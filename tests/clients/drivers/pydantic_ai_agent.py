"""pydantic-ai: an agent with its OpenAI models, on chat completions and on responses."""

import asyncio
from collections.abc import Callable

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
from pydantic_ai import Agent, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider


class Person(BaseModel):
    name: str
    age: int


def checks(kind: type[OpenAIChatModel] | type[OpenAIResponsesModel]) -> dict[str, Callable[[str], str]]:
    def of(model: str) -> OpenAIChatModel | OpenAIResponsesModel:
        return kind(model, provider=OpenAIProvider(base_url=OPENAI_URL, api_key=KEY))

    def chat(model: str) -> str:
        answer = Agent(of(model)).run_sync(HELLO)
        served_by(model, answer.output)
        return f"{answer.usage.total_tokens} tokens"

    def stream(model: str) -> str:
        async def pieces() -> list[str]:
            async with Agent(of(model)).run_stream(HELLO) as answer:
                return [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]

        said = asyncio.run(pieces())
        served_by(model, "".join(said))
        return f"{len(said)} pieces"

    def tool_loop(model: str) -> str:
        """Whole, then with every step streamed."""
        agent, asked = Agent(of(model)), []

        @agent.tool_plain
        def get_weather(city: str) -> str:
            """The weather now."""
            asked.append(city)
            return WEATHER

        async def streamed() -> str:
            async with agent.iter(ASK_WEATHER) as steps:
                async for step in steps:
                    if Agent.is_model_request_node(step):
                        async with step.stream(steps.ctx) as events:
                            async for _ in events:
                                pass
                return steps.result.output

        told(model, agent.run_sync(ASK_WEATHER).output)
        told(model, asyncio.run(streamed()))
        expect(len(asked) == 2, asked)
        return "whole and streamed"

    def structured_output(model: str) -> str:
        """By a tool, which is its way by default, and by response_format."""
        person = Agent(of(model), output_type=Person).run_sync(EXTRACT).output
        is_person(person, person.name, person.age)
        person = Agent(of(model), output_type=NativeOutput(Person)).run_sync(EXTRACT).output
        return "by a tool and natively: " + is_person(person, person.name, person.age)

    def error(model: str) -> str:
        try:
            answer = Agent(of(f"{model}-{UNKNOWN}")).run_sync(HELLO)
        except ModelHTTPError as found:
            expect(found.status_code == 404 and found.body["code"] == "model_not_found", found.body)
            return f"{type(found).__mro__[1].__name__}, model_not_found"
        raise AssertionError(f"no exception: {answer!r}")

    return {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    }


run("pydantic-ai-slim", "chat completions", checks(OpenAIChatModel))
run("pydantic-ai-slim", "responses", checks(OpenAIResponsesModel))
