"""Strict output is a promise: an answer that misses its schema is never a 200, and every miss is a row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers import Providers, Status
from tests.running import Running, events, running, with_keys

# The class's first model is OpenAI's, its second Gemini's, its third Anthropic's.
STRICT = {"x-router-task-class": "strict_json_extraction"}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
PROSE = "Her name is Ann."
OUT_OF_BOUNDS = '{"name": "Ann", "age": -1}'


def openai_says(text: str) -> Status:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Status(200, json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                                   "choices": [choice]}).encode(), {"content-type": "application/json"})  # fmt: skip


def gemini_says(text: str) -> Status:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    return Status(200, json.dumps({"candidates": [candidate]}).encode(), {"content-type": "application/json"})


def openai_streams(*pieces: str) -> Status:
    deltas: list[tuple[Any, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces]
    deltas.append(({}, "stop"))
    chunks = [
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
         "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in deltas
    ]  # fmt: skip
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Status(200, body.encode(), {"content-type": "text/event-stream"})


@pytest.mark.parametrize("miss", [PROSE, OUT_OF_BOUNDS])
def test_the_next_model_answers_when_the_first_misses_the_schema(
    proxy: Running, providers: Providers, miss: str
) -> None:
    before = len(proxy.rows())
    providers.fail("openai", openai_says(miss))

    response = proxy.chat("Ann is 31", headers=STRICT, response_format=FORMAT)

    assert response.status_code == 200 and response.headers["x-router-model"] == "gemini-3.1-pro"
    assert json.loads(response.json()["choices"][0]["message"]["content"]).keys() == {"name", "age"}
    missed, answered = proxy.rows(before + 2)[-2:]
    assert (missed.model, missed.outcome, missed.error_kind) == ("gpt-5.5", "error", "invalid_output")
    assert (answered.model, answered.outcome) == ("gemini-3.1-pro", "ok")


def test_two_misses_are_an_error_and_nobody_else_is_asked(proxy: Running, providers: Providers) -> None:
    before = len(proxy.rows())
    providers.fail("openai", openai_says(PROSE))
    providers.fail("gemini", gemini_says(PROSE))

    response = proxy.chat("Ann is 31", headers=STRICT, response_format=FORMAT)

    assert response.status_code == 502 and response.json()["error"]["code"] == "invalid_output"
    assert PROSE not in response.text
    assert [row.model for row in proxy.rows(before + 2)[-2:]] == ["gpt-5.5", "gemini-3.1-pro"]


def test_a_caller_can_ask_for_the_answer_as_it_is(proxy: Running, providers: Providers) -> None:
    providers.fail("openai", openai_says(PROSE))

    response = proxy.chat("Ann is 31", headers={**STRICT, "x-router-validate": "off"}, response_format=FORMAT)

    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == PROSE


def test_a_stream_that_misses_ends_in_an_error(proxy: Running, providers: Providers) -> None:
    before = len(proxy.rows())
    providers.fail("openai", openai_streams("Her name ", "is Ann."))

    response = proxy.chat("Ann is 31", headers=STRICT, response_format=FORMAT, stream=True)

    *said, last = events(response)
    assert last["error"]["code"] == "invalid_output"
    assert not any(choice["finish_reason"] for chunk in said for choice in chunk["choices"])
    assert proxy.rows(before + 1)[-1].error_kind == "invalid_output"


def test_json_mode_is_kept_where_the_provider_only_gets_a_sentence(proxy: Running, providers: Providers) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
               "content": [{"type": "text", "text": PROSE}], "usage": usage}  # fmt: skip
    providers.fail("anthropic", Status(200, json.dumps(message).encode(), {"content-type": "application/json"}))

    response = proxy.chat("Give JSON", model="claude-opus-4.7", response_format={"type": "json_object"})

    assert response.status_code == 502 and response.json()["error"]["code"] == "invalid_output"


@pytest.fixture(scope="module")
def local(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A proxy whose only model is one of a compatible server without a constrained mode."""
    folder: Path = tmp_path_factory.mktemp("local")
    config = {
        "providers": {"local": {"dialect": "openai", "base_url": providers.base_url["openai"], "api_key": "any"}},
        "models": {"llama": {"provider": "local", "id": "gpt-4o", "json_schema": False}},
    }
    with running(folder, with_keys(providers, "anthropic"), config) as process:
        yield process


def test_a_model_without_a_constrained_mode_is_told_the_schema_and_checked(
    local: Running, providers: Providers
) -> None:
    providers.fail("openai", openai_says('{"name": "Ann", "age": 31}'))

    response = local.chat("Ann is 31", model="llama", response_format=FORMAT)

    assert response.status_code == 200
    sent = providers.calls("openai")[-1].json
    assert "response_format" not in sent
    assert '"minimum":0' in json.dumps(sent["messages"][0]["content"]).replace("\\", "").replace(" ", "")

    providers.fail("openai", openai_says(PROSE))
    assert local.chat("Ann is 31", model="llama", response_format=FORMAT).status_code == 502


def test_a_stream_of_a_schema_goes_to_a_model_that_constrains(local: Running, providers: Providers) -> None:
    document = local.client.post(
        "/v1/router/route",
        json={"model": "auto", "stream": True, "response_format": FORMAT,
              "messages": [{"role": "user", "content": "Ann is 31"}]},
    ).json()  # fmt: skip
    assert document["model"] == "claude-opus-4.7"
