"""OpenAI Agents SDK: its chat completions model and its responses model."""

import asyncio
from collections.abc import Callable

import openai
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
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


class Person(BaseModel):
    name: str
    age: int


@function_tool
def get_weather(city: str) -> str:
    """The weather now."""
    return WEATHER


def checks(kind: type[OpenAIChatCompletionsModel] | type[OpenAIResponsesModel]) -> dict[str, Callable[[str], str]]:
    def agent(model: str, **options: object) -> Agent:
        client = openai.AsyncOpenAI(base_url=OPENAI_URL, api_key=KEY, max_retries=0)
        return Agent(name="Assistant", instructions="Be brief.", model=kind(model, client), **options)

    def chat(model: str) -> str:
        answer = asyncio.run(Runner.run(agent(model), HELLO))
        served_by(model, answer.final_output)
        return f"{answer.context_wrapper.usage.total_tokens} tokens"

    def stream(model: str) -> str:
        deltas, last = asyncio.run(_streamed(agent(model), HELLO))
        served_by(model, last)
        expect("".join(deltas) == last, deltas)
        return f"{len(deltas)} deltas"

    def tool_loop(model: str) -> str:
        told(model, asyncio.run(Runner.run(agent(model, tools=[get_weather]), ASK_WEATHER)).final_output)
        _, last = asyncio.run(_streamed(agent(model, tools=[get_weather]), ASK_WEATHER))
        told(model, last)
        return "whole and streamed"

    def structured_output(model: str) -> str:
        person = asyncio.run(Runner.run(agent(model, output_type=Person), EXTRACT)).final_output
        return is_person(person, person.name, person.age)

    def error(model: str) -> str:
        try:
            answer = asyncio.run(Runner.run(agent(f"{model}-{UNKNOWN}"), HELLO))
        except openai.NotFoundError as found:
            expect(found.code == "model_not_found", found.body)
            return "NotFoundError, model_not_found"
        raise AssertionError(f"no exception: {answer!r}")

    return {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    }


async def _streamed(agent: Agent, text: str) -> tuple[list[str], str]:
    answer = Runner.run_streamed(agent, text)
    deltas = [
        event.data.delta
        async for event in answer.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    return deltas, answer.final_output


run("openai-agents", "chat completions", checks(OpenAIChatCompletionsModel))
run("openai-agents", "responses", checks(OpenAIResponsesModel))
