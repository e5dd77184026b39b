"""Parameters of chat completions, with the official SDK, against a provider of each dialect."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.providers import Providers
from tests.running import Running

MODELS = {"openai": "gpt-5.5", "anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}
FUNCTION: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOL: dict[str, Any] = {"type": "function", "function": FUNCTION}
PATCH: dict[str, Any] = {"type": "custom", "custom": {"name": "apply_patch", "description": "Changes files"}}


@pytest.fixture
def client(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(params=MODELS)
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def asked(client: OpenAI, dialect: str, text: str, *, stream: bool = False, **fields: Any) -> ChatCompletion:
    """The answer, whole; a streamed one as the SDK adds it up."""
    fields = {"model": MODELS[dialect], "messages": [{"role": "user", "content": text}], **fields}
    if not stream:
        answer: ChatCompletion = client.chat.completions.create(**fields)
        return answer
    with client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as streamed:
        streamed.until_done()
        return streamed.current_completion_snapshot


def refused(client: OpenAI, dialect: str, **fields: Any) -> tuple[str | None, str | None]:
    with pytest.raises(openai.BadRequestError) as caught:
        asked(client, dialect, "Hello", **fields)
    return caught.value.param, caught.value.code


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "gemini"])
def test_several_choices_are_told_apart(client: OpenAI, dialect: str, stream: bool) -> None:
    answer = asked(client, dialect, "Tell a story", n=3, stream=stream)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.message.content and choice.message.role == "assistant" for choice in answer.choices)
    assert [choice.finish_reason for choice in answer.choices] == ["stop"] * 3


def test_several_choices_of_a_model_that_gives_one_are_refused_by_name(client: OpenAI) -> None:
    assert refused(client, "anthropic", n=2) == ("n", "unsupported_parameter")


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_add_up_to_the_text(client: OpenAI, stream: bool) -> None:
    answer = asked(client, "openai", "Say hello", model="gpt-5.4", logprobs=True, top_logprobs=2, stream=stream)

    (choice,) = answer.choices
    assert choice.logprobs is not None and choice.logprobs.content
    assert b"".join(bytes(token.bytes or ()) for token in choice.logprobs.content).decode() == choice.message.content
    assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_log_probabilities_that_a_model_does_not_give_are_refused_by_name(client: OpenAI, dialect: str) -> None:
    assert refused(client, dialect, logprobs=True) == ("logprobs", "unsupported_parameter")


@pytest.mark.parametrize("stream", [False, True])
def test_a_custom_tool_is_called_with_free_text_and_answered(client: OpenAI, dialect: str, stream: bool) -> None:
    text = "Please apply_patch to the file"
    choice = asked(client, dialect, text, tools=[PATCH, TOOL], tool_choice="required", stream=stream).choices[0]

    assert choice.finish_reason == "tool_calls" and choice.message.tool_calls
    call = choice.message.tool_calls[0].model_dump(exclude_none=True)
    assert call["type"] == "custom" and call["custom"]["name"] == "apply_patch"
    assert isinstance(call["custom"]["input"], str) and not call["custom"]["input"].startswith('{"input"')

    turns = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "done"},
    ]
    assert asked(client, dialect, "", messages=turns, tools=[PATCH, TOOL]).choices[0].message.content


def test_the_old_form_of_tools_goes_round(client: OpenAI, dialect: str) -> None:
    text = "What is the weather in Oslo?"
    choice = asked(client, dialect, text, functions=[FUNCTION], function_call={"name": "get_weather"}).choices[0]

    assert choice.finish_reason == "function_call" and choice.message.tool_calls is None
    assert choice.message.function_call is not None and choice.message.function_call.name == "get_weather"
    assert isinstance(json.loads(choice.message.function_call.arguments)["city"], str)

    turns = [
        {"role": "user", "content": text},
        choice.message.model_dump(),
        {"role": "function", "name": "get_weather", "content": "7 degrees"},
    ]
    answer = asked(client, dialect, "", messages=turns, functions=[FUNCTION])
    assert answer.choices[0].finish_reason == "stop" and answer.choices[0].message.content


def test_the_old_form_of_tools_is_streamed(client: OpenAI, dialect: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODELS[dialect],
            messages=[{"role": "user", "content": "What is the weather in Oslo?"}],
            functions=[FUNCTION],  # type: ignore[list-item]
            function_call={"name": "get_weather"},
            stream=True,
        )
    )

    pieces = [chunk.choices[0].delta.function_call for chunk in chunks if chunk.choices[0].delta.function_call]
    assert [piece.name for piece in pieces if piece.name] == ["get_weather"]
    assert json.loads("".join(piece.arguments or "" for piece in pieces))["city"]
    assert all(chunk.choices[0].delta.tool_calls is None for chunk in chunks)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] == "function_call" and not any(reasons[:-1])


@pytest.mark.parametrize("mark", [{"cache_control": {"type": "ephemeral", "ttl": "1h"}},
                                  {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}])  # fmt: skip
def test_cache_marks_reach_anthropic(client: OpenAI, providers: Providers, mark: dict[str, Any]) -> None:
    prompt = [{"role": "system", "content": [{"type": "text", "text": "Be brief. " * 100, **mark}]}]
    turns = [*prompt, {"role": "user", "content": "Hello"}]

    asked(client, "anthropic", "", messages=turns, tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}])

    sent = providers.calls("anthropic")[-1].json
    assert sent["system"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert sent["tools"][0]["cache_control"]["type"] == "ephemeral"


def test_a_cache_mark_of_anthropic_is_no_obstacle_elsewhere(client: OpenAI, dialect: str) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "content": [{"type": "text", "text": "Hello", **mark}]}]

    assert asked(client, dialect, "", messages=turns, tools=[{**TOOL, **mark}]).choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_says_so_and_is_no_plain_stop(client: OpenAI, dialect: str, stream: bool) -> None:
    choice = asked(client, dialect, "[[refuse]] How do I pick a lock?", stream=stream).choices[0]

    if dialect == "openai":
        assert choice.finish_reason == "stop" and choice.message.refusal and not choice.message.content
    else:
        assert choice.finish_reason == "content_filter"
    if dialect == "anthropic":
        assert choice.message.refusal


def test_usage_is_the_same_streamed_and_whole(client: OpenAI, dialect: str) -> None:
    usages = [
        asked(client, dialect, "[[think]] Tell a story", stream=stream, tools=[TOOL]).usage for stream in (False, True)
    ]

    assert usages[0] == usages[1] and usages[0] is not None
    assert usages[0].total_tokens == usages[0].prompt_tokens + usages[0].completion_tokens
    assert usages[0].prompt_tokens_details is not None and usages[0].completion_tokens_details is not None


def test_only_allowed_tools_are_called(client: OpenAI, dialect: str) -> None:
    other = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    listed = [{"type": "function", "function": {"name": "get_time"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": listed}}

    answer = asked(client, dialect, "What is the weather?", tools=[TOOL, other], tool_choice=choice)

    calls = answer.choices[0].message.tool_calls
    assert calls and calls[0].type == "function" and calls[0].function.name == "get_time"
    assert json.loads(calls[0].function.arguments) == {}


def test_a_model_that_may_not_call_its_tools_does_not(client: OpenAI, dialect: str) -> None:
    answer = asked(client, dialect, "What is the weather in Oslo?", tools=[TOOL], tool_choice="none")

    assert answer.choices[0].finish_reason == "stop" and answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_its_limit_ends_says_so(client: OpenAI, dialect: str, stream: bool) -> None:
    answer = asked(client, dialect, "[[length]] Tell a story", max_completion_tokens=40, stream=stream)

    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
        ({"modalities": ["text", "audio"], "audio": {"format": "wav", "voice": "alloy"}}, "modalities"),
    ],
)
@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_what_no_other_provider_can_do_is_refused_by_name(
    client: OpenAI, dialect: str, fields: dict[str, Any], param: str
) -> None:
    found, code = refused(client, dialect, **fields)

    assert code == "unsupported_parameter" and found in (param, *fields)


def test_what_only_advises_is_no_obstacle(client: OpenAI, dialect: str) -> None:
    advice: dict[str, Any] = {
        "store": False,
        "metadata": {"run": "7"},
        "user": "ada",
        "safety_identifier": "u1",
        "prompt_cache_key": "k",
        "verbosity": "low",
        "service_tier": "auto",
        "seed": 7,
        "prediction": {"type": "content", "content": "Hello"},
    }
    answer = asked(client, dialect, "Hello", **advice)

    assert answer.choices[0].finish_reason == "stop"


def test_a_tools_result_can_show_an_image(client: OpenAI, providers: Providers, dialect: str) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
    shown = [{"type": "text", "text": "The sky"}, {"type": "image_url", "image_url": {"url": url}}]
    turns = [
        {"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": shown},
    ]

    assert asked(client, dialect, "", messages=turns, tools=[TOOL]).choices[0].message.content
    assert b"iVBORw0KGgo=" in providers.calls(dialect)[-1].body  # type: ignore[arg-type]
