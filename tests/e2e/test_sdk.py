"""The official OpenAI SDK against a running proxy, each answer coming from a provider of another dialect."""

import json
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.providers import Cut, Providers
from tests.running import Running

MODELS = {"openai": "gpt-5.5", "anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@pytest.fixture
def client(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return MODELS[request.param]


def test_a_whole_answer_names_its_model_and_its_usage(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Say hello"}])
    assert answer.model == model
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    assert (
        answer.usage is not None
        and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    )


def test_system_prompt_and_several_turns_are_taken(client: OpenAI, model: str, providers: Providers) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "The capital of France?"},
        {"role": "assistant", "content": "Paris"},
        {"role": "user", "content": "And of Spain?"},
    ]
    answer = client.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content
    sent = providers.received[-1].body.decode()
    for text in ("Answer in one word.", "The capital of France?", "Paris", "And of Spain?"):
        assert text in sent


def test_a_stream_adds_up_to_an_answer_with_usage_last(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Tell a story"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert {chunk.model for chunk in chunks} == {model}
    assert len({chunk.id for chunk in chunks}) == 1
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len(pieces) > 3 and "".join(pieces).strip()
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert reasons == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and chunks[-1].usage.completion_tokens > 0


def test_a_stream_without_usage_asked_for_has_no_usage_chunk(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)
    )
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_goes_round(client: OpenAI, model: str, stream: bool) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    if stream:
        with client.chat.completions.stream(
            model=model, messages=messages, tools=[TOOL], tool_choice="required"
        ) as streamed:
            choice = streamed.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(
            model=model, messages=messages, tools=[TOOL], tool_choice="required"
        ).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    call = choice.message.tool_calls[0]
    assert call.type == "function" and call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    function = {"name": call.function.name, "arguments": call.function.arguments}
    messages += [
        {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 7}'},
    ]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert answer.choices[0].finish_reason == "stop" and answer.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_kept(client: OpenAI, model: str, stream: bool) -> None:
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": "Ann is 31 and likes chess"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
    }
    if stream:
        pieces = client.chat.completions.create(**asked, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices)
    else:
        text = client.chat.completions.create(**asked).choices[0].message.content
    person = json.loads(text)
    assert set(person) == {"name", "age", "tags"} and isinstance(person["age"], int)


def test_a_json_object_is_one(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Give the facts as JSON"}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_a_refusal_of_the_provider_is_the_sdks_own_error(client: OpenAI, providers: Providers) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.code == "model_not_found" and caught.value.param == "model"


def test_a_stream_that_breaks_raises_in_the_sdk(client: OpenAI, model: str, providers: Providers) -> None:
    dialect = next(name for name, known in MODELS.items() if known == model)
    providers.fail(dialect, Cut(2, "end"))
    seen = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Tell a story"}], stream=True
        ):
            seen += [choice.finish_reason for choice in chunk.choices]
    assert caught.value.code == "upstream_truncated"
    assert seen and not any(seen)
