"""The simulated providers behind httpx and on a loopback port, read by the real OpenAI client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from router.simulated.transport import SimulatedTransport

ASK = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "What is a monad?"}]}


async def test_the_transport_answers_in_the_process_in_all_three_dialects() -> None:
    user = {"role": "user", "content": "Hello"}
    bodies = {
        "https://api.openai.com/v1/chat/completions": {"model": "gpt-5.5", "messages": [user]},
        "https://api.anthropic.com/v1/messages": {"model": "claude-opus-4-7", "max_tokens": 99, "messages": [user]},
        "https://google/v1beta/models/gemini-3.1-pro-preview:generateContent": {
            "contents": [{"parts": [{"text": "a"}]}]
        },
    }
    async with SimulatedTransport() as transport:
        for url, body in bodies.items():
            headers = {"Anthropic-Version": "2023-06-01"}
            response = await transport.handle_async_request(httpx.Request("POST", url, json=body, headers=headers))
            assert response.status_code == 200
            assert "simulated answer" in (await response.aread()).decode()


async def test_a_stream_of_the_transport_comes_in_pieces() -> None:
    transport = SimulatedTransport(pace_s=0.0001)
    request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions", json={**ASK, "stream": True})
    response = await transport.handle_async_request(request)
    pieces = [piece async for piece in response.aiter_raw()]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert len(pieces) > 6
    assert pieces[-1] == b"data: [DONE]\n\n"


async def test_two_calls_have_two_ids() -> None:
    transport = SimulatedTransport()
    ids = []
    for _ in range(2):
        request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions", json=ASK)
        ids.append(json.loads(await (await transport.handle_async_request(request)).aread())["id"])
    assert ids[0] != ids[1]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "router.simulated"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_the_openai_client_reads_a_whole_answer(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(**ASK)
    assert completion.model == "gpt-5.5-2026-04-23"
    assert "simulated answer" in (completion.choices[0].message.content or "")
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 128


def test_the_openai_client_reads_a_stream_with_its_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == client.chat.completions.create(**ASK).choices[0].message.content
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_the_openai_client_goes_once_round_a_tool_loop(client: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    messages = [{"role": "user", "content": "How is the weather?"}]
    with client.chat.completions.stream(model="gpt-5.5", messages=messages, tools=tools) as stream:
        said = stream.get_final_completion().choices[0].message
    assert said.tool_calls is not None
    assert said.tool_calls[0].function.name == "get_weather"
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "12 degrees"}
    echo = {"role": "assistant", "tool_calls": [{"id": said.tool_calls[0].id, "type": "function",
            "function": {"name": "get_weather", "arguments": said.tool_calls[0].function.arguments}}]}  # fmt: skip
    final = client.chat.completions.create(model="gpt-5.5", messages=[*messages, echo, result], tools=tools)
    assert "12 degrees" in (final.choices[0].message.content or "")


def test_the_openai_client_raises_its_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**ASK, temperature=0.1)
    assert (refused.value.code, refused.value.param) == ("unsupported_value", "temperature")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**ASK, "model": "gpt-nothing"})


def test_without_a_key_every_dialect_answers_401_in_its_own_form(url: str) -> None:
    with httpx.Client(base_url=url) as plain:
        openai_error = plain.post("/v1/chat/completions", json=ASK)
        anthropic_error = plain.post("/v1/messages", json={})
        gemini_error = plain.post("/v1beta/models/gemini-3.1-pro-preview:generateContent", json={})
    assert [error.status_code for error in (openai_error, anthropic_error, gemini_error)] == [401, 401, 401]
    assert openai_error.json()["error"]["code"] == "invalid_api_key"
    assert anthropic_error.json()["error"]["type"] == "authentication_error"
    assert gemini_error.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["x-goog-api-key", "authorization"])
def test_gemini_takes_its_key_in_a_header(url: str, header: str) -> None:
    body = {"contents": [{"parts": [{"text": "a"}]}]}
    path = f"{url}/v1beta/models/gemini-3.1-pro-preview:generateContent"
    assert httpx.post(path, json=body, headers={header: "Bearer k"}).status_code == 200


def test_a_path_of_no_provider_is_not_found(url: str) -> None:
    answered = httpx.post(f"{url}/v1/nothing", json={}, headers={"authorization": "Bearer k"})
    assert (answered.status_code, answered.json()["error"]["message"]) == (404, "Invalid URL (POST /v1/nothing)")


def test_the_openai_client_continues_a_stored_response_and_deletes_it(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-5.5-pro", input="Hello")
    second = client.responses.create(model="gpt-5.5-pro", input="Go on", previous_response_id=first.id)
    assert "You wrote: Go on" in second.output_text
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_the_openai_client_reads_a_stream_of_typed_events(client: openai.OpenAI) -> None:
    tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]
    with client.responses.stream(model="gpt-5.5", input="How is the weather?", tools=tools) as stream:
        final = stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "function_call"]


def test_the_openai_client_reads_embeddings(client: openai.OpenAI) -> None:
    created = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(data.embedding) for data in created.data] == [1536, 1536]


async def test_the_transport_remembers_responses_between_calls() -> None:
    transport = SimulatedTransport()
    url, body = "https://api.openai.com/v1/responses", {"model": "gpt-5.5", "input": "Hello"}
    first = await transport.handle_async_request(httpx.Request("POST", url, json=body))
    again = {**body, "previous_response_id": json.loads(await first.aread())["id"]}
    for speaker, status in ((transport, 200), (SimulatedTransport(), 400)):
        assert (await speaker.handle_async_request(httpx.Request("POST", url, json=again))).status_code == status
