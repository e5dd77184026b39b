"""LlamaIndex: OpenAILike on chat completions, and OpenAILikeResponses."""

from collections.abc import Callable
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
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from llama_index.llms.openai_like.responses import OpenAILikeResponses
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather now."""
    return WEATHER


def chat_completions(model: str) -> Any:
    return OpenAILike(
        model=model, api_base=OPENAI_URL, api_key=KEY, max_retries=0, is_chat_model=True,
        is_function_calling_model=True, should_use_structured_outputs=True, context_window=200_000,
    )  # fmt: skip


def responses(model: str) -> Any:
    return OpenAILikeResponses(
        model=model, api_base=OPENAI_URL, api_key=KEY, max_retries=0, is_function_calling_model=True,
        context_window=200_000,
    )  # fmt: skip


def checks(llm: Callable[[str], Any]) -> dict[str, Callable[[str], str]]:
    def chat(model: str) -> str:
        served_by(model, llm(model).chat([ChatMessage(HELLO)]).message.content)
        return "chat"

    def stream(model: str) -> str:
        pieces = [piece.delta or "" for piece in llm(model).stream_chat([ChatMessage(HELLO)])]
        served_by(model, "".join(pieces))
        return f"{len(pieces)} pieces"

    def tool_loop(model: str) -> str:
        tool, history = FunctionTool.from_defaults(get_weather), [ChatMessage(ASK_WEATHER)]
        first = llm(model).chat_with_tools([tool], chat_history=history)
        calls = llm(model).get_tool_calls_from_response(first)
        expect([call.tool_name for call in calls] == ["get_weather"] and "city" in calls[0].tool_kwargs, first)
        said = tool(**calls[0].tool_kwargs)
        result = ChatMessage(said.content, role="tool", additional_kwargs={"tool_call_id": calls[0].tool_id})
        last = llm(model).chat_with_tools([tool], chat_history=[*history, first.message, result])
        told(model, last.message.content)
        return "chat_with_tools"

    def structured_output(model: str) -> str:
        person = llm(model).as_structured_llm(Person).complete(EXTRACT).raw
        return is_person(person, person.name, person.age)

    def error(model: str) -> str:
        try:
            answer = llm(f"{model}-{UNKNOWN}").chat([ChatMessage(HELLO)])
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


run("llama-index-llms-openai-like", "chat completions", checks(chat_completions))
run("llama-index-llms-openai-like", "responses", checks(responses))
