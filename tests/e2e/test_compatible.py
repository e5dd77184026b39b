"""An OpenAI-compatible server is a block of configuration, however careless the server is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.providers import Providers, Status
from tests.running import Running, running

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def local(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("compatible")
    config = {
        "providers": {"vllm": {"dialect": "openai", "base_url": providers.base_url["openai"]}},
        "models": {"qwen": {"provider": "vllm", "id": "Qwen/Qwen3-8B", "max_tokens_field": "max_tokens"}},
        "aliases": {"gpt-4o": "qwen"},
    }
    with running(folder, {}, config) as process:
        yield process


@pytest.fixture
def client(local: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{local.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


def stream(*lines: str, ending: str = "\n\n") -> Status:
    return Status(200, ending.join([*lines, ""]).encode(), EVENTS)


def test_a_whole_answer_that_leaves_everything_out_reaches_the_sdk_whole(client: OpenAI, providers: Providers) -> None:
    body = {"choices": [{"message": {"content": "Hi"}}]}
    providers.fail("openai", Status(200, json.dumps(body).encode(), JSON))

    answer = client.chat.completions.create(model="qwen", messages=[{"role": "user", "content": "Hello"}])

    assert answer.id and answer.object == "chat.completion" and answer.model == "qwen"
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content == "Hi"
    assert (answer.choices[0].index, answer.choices[0].finish_reason) == (0, "stop")
    sent = providers.calls("openai")[-1]
    assert sent.json["model"] == "Qwen/Qwen3-8B" and "authorization" not in sent.headers


def test_a_careless_stream_adds_up_and_ends(client: OpenAI, local: Running, providers: Providers) -> None:
    before = len(local.rows())
    providers.fail(
        "openai",
        stream(
            ": ping",
            'data:{"choices":[{"delta":{"reasoning_content":"Hm"}}]}',
            'data:{"choices":[{"delta":{"content":"One\u2028"}}]}',
            ": ping",
            'data:{"choices":[{"delta":{"content":"two"}}]}',
            'data:{"choices":[{"delta":{},"finish_reason":"stop"}]}',
            "data:[DONE]",
        ),
    )

    chunks = list(
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "One\u2028two"
    assert "".join(getattr(chunk.choices[0].delta, "reasoning_content", "") or "" for chunk in chunks) == "Hm"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1 and chunks[0].id and {chunk.model for chunk in chunks} == {"qwen"}
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    row = local.rows(before + 1)[-1]
    assert (row.outcome, row.usage_source, row.cost_usd) == ("ok", "estimated", None)


@pytest.mark.parametrize("arguments", ['"{\\"city\\": \\"Oslo\\"}"', '{"city": "Oslo"}'])
def test_a_tool_call_in_one_piece_without_id_or_index_is_one(
    client: OpenAI, providers: Providers, arguments: str
) -> None:
    call = f'{{"function":{{"name":"get_weather","arguments":{arguments}}}}}'
    providers.fail(
        "openai",
        stream(
            f'data: {{"choices":[{{"delta":{{"tool_calls":[{call}]}}}}]}}',
            'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}',
            "data: [DONE]",
        ),
    )

    with client.chat.completions.stream(
        model="qwen",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=[TOOL],  # type: ignore[list-item]
    ) as streamed:
        choice = streamed.get_final_completion().choices[0]

    assert choice.finish_reason == "tool_calls"
    (made,) = choice.message.tool_calls or []
    assert made.id and json.loads(made.function.arguments) == {"city": "Oslo"}


def test_an_error_without_an_envelope_is_told(local: Running, providers: Providers) -> None:
    body = {"object": "error", "message": "This model's maximum context length is 8 tokens", "code": 400}
    providers.fail("openai", Status(400, json.dumps(body).encode(), JSON))

    response = local.chat("Hello", model="qwen")

    assert response.status_code == 400 and response.json()["error"]["code"] == "context_length_exceeded"


def test_responses_and_messages_work_with_it_too(local: Running, providers: Providers) -> None:
    body = {"choices": [{"message": {"content": "Hi"}}]}
    providers.fail("openai", Status(200, json.dumps(body).encode(), JSON), times=2)

    response = local.client.post("/v1/responses", json={"model": "qwen", "input": "Hello"}).json()
    message = local.client.post(
        "/v1/messages",
        json={"model": "qwen", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]},
    ).json()

    assert response["output"][-1]["content"][0]["text"] == "Hi" and response["status"] == "completed"
    assert message["content"] == [{"type": "text", "text": "Hi"}] and message["stop_reason"] == "end_turn"
