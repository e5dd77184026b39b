"""Legacy completions with the official SDK, each answer coming from a chat model of another dialect."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.providers import Cut, Providers
from tests.running import Running, events

MODELS = {"openai": "gpt-5.5", "anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}


@pytest.fixture
def client(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.mark.parametrize("dialect", MODELS)
def test_a_prompt_is_answered_whole(client: OpenAI, dialect: str) -> None:
    answer = client.completions.create(model=MODELS[dialect], prompt="Tell a story", max_tokens=2000)

    assert answer.object == "text_completion" and answer.id.startswith("cmpl-") and answer.model == MODELS[dialect]
    assert answer.choices[0].text and answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.completion_tokens > 0


@pytest.mark.parametrize("dialect", MODELS)
def test_a_prompt_is_answered_in_a_stream(client: OpenAI, dialect: str) -> None:
    asked = {"model": MODELS[dialect], "prompt": "Tell a story", "max_tokens": 2000}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))

    assert {chunk.object for chunk in chunks} == {"text_completion"} and len({chunk.id for chunk in chunks}) == 1
    pieces = [chunk.choices[0].text for chunk in chunks[:-1]]
    assert len(pieces) > 3 and "".join(pieces) == whole.choices[0].text
    reasons = [chunk.choices[0].finish_reason for chunk in chunks[:-1]]
    assert reasons[-1] == "stop" and not any(reasons[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage


def test_several_answers_with_log_probabilities(client: OpenAI) -> None:
    answer = client.completions.create(model="gpt-5.4", prompt=["Say hello"], n=2, logprobs=2, max_tokens=2000)

    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert choice.logprobs is not None and "".join(choice.logprobs.tokens or ()) == choice.text
        assert choice.logprobs.text_offset is not None and choice.logprobs.text_offset[0] == 0


def test_what_a_caller_leaves_unsaid_is_as_openai_has_it(client: OpenAI, providers: Providers) -> None:
    client.completions.create(model="claude-opus-4.7", prompt="Say hello")

    sent = providers.calls("anthropic")[-1].json
    assert sent["max_tokens"] == 16
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hello"}]}]


def test_a_model_is_chosen_for_a_prompt(client: OpenAI, proxy: Running) -> None:
    response = client.completions.with_raw_response.create(model="auto", prompt="Fix this bug: def f(: pass")

    assert response.headers["x-router-task-class"] and response.headers["x-router-model"] == response.parse().model


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"suffix": "x"}, "suffix"),
     ({"echo": True}, "echo"), ({"best_of": 3}, "best_of")],
)  # fmt: skip
def test_what_chat_models_can_not_do_is_refused_by_name(client: OpenAI, fields: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": "auto", "prompt": "x", **fields})  # type: ignore[call-overload]
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


def test_a_stream_that_breaks_raises_in_the_sdk(client: OpenAI, proxy: Running, providers: Providers) -> None:
    providers.fail("openai", Cut(2, "end"), times=2)

    with pytest.raises(openai.APIError) as caught:
        list(client.completions.create(model="gpt-5.5", prompt="Tell a story", stream=True, max_tokens=2000))
    body = {"model": "gpt-5.5", "prompt": "Tell a story", "stream": True, "max_tokens": 2000}
    seen = events(proxy.client.post("/v1/completions", json=body))

    assert caught.value.code == "upstream_truncated"
    assert seen[-1]["error"]["code"] == "upstream_truncated" and "[DONE]" not in seen
