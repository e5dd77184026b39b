"""LangChain for Python: ChatOpenAI on chat completions, and on responses."""

from collections.abc import Callable

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
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """The weather now."""
    return WEATHER


def checks(responses: bool) -> dict[str, Callable[[str], str]]:
    def llm(model: str) -> ChatOpenAI:
        return ChatOpenAI(
            model=model, base_url=OPENAI_URL, api_key=KEY, max_retries=0, use_responses_api=responses,
            stream_usage=True,
        )  # fmt: skip

    def chat(model: str) -> str:
        answer = llm(model).invoke(HELLO)
        served_by(model, answer.text)
        expect(answer.usage_metadata["output_tokens"] > 0, answer)
        return f"{answer.usage_metadata['total_tokens']} tokens"

    def stream(model: str) -> str:
        chunks = list(llm(model).stream(HELLO))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        served_by(model, whole.text)
        expect(whole.usage_metadata["output_tokens"] > 0, whole)
        return f"{len(chunks)} chunks"

    def tool_loop(model: str) -> str:
        """Streamed: the calls are put together from their pieces."""
        bound = llm(model).bind_tools([get_weather])
        history = [HumanMessage(ASK_WEATHER)]
        first, *more = list(bound.stream(history))
        for chunk in more:
            first += chunk
        expect([call["name"] for call in first.tool_calls] == ["get_weather"], first)
        expect("city" in first.tool_calls[0]["args"], first)
        call = first.tool_calls[0]
        history += [first, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
        told(model, bound.invoke(history).text)
        return "streamed, then whole"

    def structured_output(model: str) -> str:
        person = llm(model).with_structured_output(Person).invoke(EXTRACT)
        return is_person(person, person.name, person.age)

    def error(model: str) -> str:
        try:
            answer = llm(f"{model}-{UNKNOWN}").invoke(HELLO)
        except openai.NotFoundError as found:
            expect(found.code == "model_not_found", found.body)
            return f"{type(found).__name__}, model_not_found"
        raise AssertionError(f"no exception: {answer!r}")

    return {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    }


run("langchain-openai", "chat completions", checks(responses=False))
run("langchain-openai", "responses", checks(responses=True))
