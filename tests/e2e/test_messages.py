"""Anthropic's clients as callers: chats, streams, tool loops, images, errors and counts, whichever provider answers."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from router.sse import EventParser
from tests.providers import Cut, Dialect, Providers, Status
from tests.running import Running

MODELS = ("claude-opus-4.7", "gpt-5.5", "gemini-3.1-pro")
DIALECTS: dict[str, Dialect] = {"claude-opus-4.7": "anthropic", "gpt-5.5": "openai", "gemini-3.1-pro": "gemini"}
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "interleaved-thinking-2025-05-14"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 by 1

each_model = pytest.mark.parametrize("model", MODELS)


def ask(proxy: Running, model: str, *said: object, path: str = "", **members: Any) -> httpx.Response:
    turns = [{"role": "user", "content": one} if isinstance(one, str | list) else one for one in said]
    body = {"model": model, "max_tokens": 4000, "messages": turns, **members}
    return proxy.client.post(f"/v1/messages{path}", json=body, headers=HEADERS)


def answered(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def read_stream(response: httpx.Response) -> tuple[list[str], Any]:
    """The names of a stream's events, and the message that they add up to, as Anthropic's own clients add."""
    assert response.headers["content-type"].startswith("text/event-stream")
    names: list[str] = []
    message: Any = {}
    pieces: dict[int, str] = {}
    for event in EventParser().feed(response.content):
        data = json.loads(event.data)
        names.append(event.name)
        match event.name:
            case "message_start":
                message = data["message"]
            case "content_block_start":
                assert data["index"] == len(message["content"])
                message["content"].append(data["content_block"])
            case "content_block_delta":
                _add(message["content"][data["index"]], data["delta"], data["index"], pieces)
            case "message_delta":
                message |= data["delta"]
                message["usage"] |= data["usage"]
    for index, text in pieces.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    return names, message


def _add(block: dict[str, Any], delta: dict[str, Any], index: int, pieces: dict[int, str]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            pieces[index] = pieces.get(index, "") + delta["partial_json"]


def texts(message: Mapping[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def counts(message: Mapping[str, Any]) -> tuple[int, int]:
    return message["usage"]["input_tokens"], message["usage"]["output_tokens"]


@each_model
def test_a_chat_whole_and_streamed_is_the_same(proxy: Running, model: str) -> None:
    whole = answered(ask(proxy, model, "Hello there", system="Be brief."))
    response = ask(proxy, model, "Hello there", system="Be brief.", stream=True)
    names, streamed = read_stream(response)

    assert (whole["type"], whole["role"], whole["model"]) == ("message", "assistant", model)
    assert whole["id"].startswith("msg_") and [block["type"] for block in whole["content"]] == ["text"]
    assert (whole["stop_reason"], whole["stop_sequence"]) == ("end_turn", None)
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"]
    assert (texts(streamed), streamed["stop_reason"]) == (texts(whole), "end_turn")
    assert counts(streamed) == counts(whole) and counts(whole)[1] > 0
    assert streamed["model"] == response.headers["x-router-model"] == model


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop(proxy: Running, providers: Providers, model: str, stream: bool) -> None:
    def step(*said: object) -> Any:
        response = ask(proxy, model, *said, tools=[WEATHER], stream=stream)
        return read_stream(response)[1] if stream and response.status_code == 200 else answered(response)

    first = step("What does get_weather say of Köln?")
    (call,) = [block for block in first["content"] if block["type"] == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "18 °C"}]}
    turn = {"role": "user", "content": [result, {"type": "text", "text": "And what does that mean?"}]}
    second = step("What does get_weather say of Köln?", {"role": "assistant", "content": first["content"]}, turn)

    assert first["stop_reason"] == "tool_use" and call["name"] == "get_weather"
    assert isinstance(call["input"]["city"], str)
    assert second["stop_reason"] in ("end_turn", "tool_use") and second["content"]
    assert "18 °C" in json.dumps(providers.calls(DIALECTS[model])[-1].json, ensure_ascii=False)


@each_model
def test_claude_codes_own_fields_keep_nobody_from_answering(proxy: Running, providers: Providers, model: str) -> None:
    response = ask(
        proxy,
        model,
        [
            {"type": "text", "text": "<system-reminder>Be careful.</system-reminder>"},
            {"type": "text", "text": "Say hello", "cache_control": {"type": "ephemeral"}},
        ],
        path="?beta=true",
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        tools=[WEATHER],
        metadata={"user_id": "user_" + "0" * 150},
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        stream=True,
    )

    assert response.status_code == 200, response.text
    assert read_stream(response)[1]["stop_reason"] == "end_turn"
    sent = providers.calls(DIALECTS[model])[-1]
    assert "You are Claude Code." in sent.body.decode()
    if model == "claude-opus-4.7":  # its own provider gets everything
        assert sent.json["context_management"] and sent.json["metadata"]["user_id"].endswith("000")
        assert sent.headers["anthropic-beta"] == HEADERS["anthropic-beta"]


@each_model
def test_images(proxy: Running, providers: Providers, model: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    answered(ask(proxy, model, [image, {"type": "text", "text": "What is it?"}]))

    assert PIXEL in providers.calls(DIALECTS[model])[-1].body.decode()


@each_model
def test_a_schema_is_kept(proxy: Running, model: str) -> None:
    schema = {**SCHEMA, "additionalProperties": False}
    config = {"format": {"type": "json_schema", "schema": schema}}
    answer = answered(ask(proxy, model, "Where is the cathedral?", output_config=config))

    assert isinstance(json.loads(texts(answer))["city"], str)


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_is_shown_where_it_was_asked_for(proxy: Running, stream: bool) -> None:
    def blocks(model: str, thinking: object) -> list[Any]:
        response = ask(proxy, model, "Think of a prime. [[think]]", thinking=thinking, stream=stream)
        message = read_stream(response)[1] if stream else answered(response)
        return [block for block in message["content"] if block["type"] == "thinking"]

    (signed,) = blocks("claude-opus-4.7", {"type": "adaptive", "display": "summarized"})
    (unsigned,) = blocks("gemini-3.1-pro", {"type": "enabled", "budget_tokens": 2000})
    assert signed["thinking"] and signed["signature"]
    assert unsigned["thinking"] and unsigned["signature"] == ""
    assert blocks("gemini-3.1-pro", None) == []


def test_thinking_of_one_provider_in_the_history_does_not_stop_another(proxy: Running) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    history = {"role": "assistant", "content": [thinking, {"type": "text", "text": "Hello."}]}

    for model in MODELS:
        assert answered(ask(proxy, model, "Hello", history, "And now?"))["stop_reason"] == "end_turn"


def test_what_only_anthropic_has_goes_to_anthropic_or_is_refused_by_name(proxy: Running, providers: Providers) -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}

    answered(ask(proxy, "auto", "Who won?", tools=[search]))
    assert providers.received[-1].dialect == "anthropic"
    refused = ask(proxy, "gpt-5.5", "Who won?", tools=[search])

    assert refused.status_code == 400 and refused.json()["error"]["type"] == "invalid_request_error"
    assert "tools[0].web_search_20250305" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("model", "members", "status", "kind"),
    [
        ("gpt-9", {}, 404, "not_found_error"),
        ("auto", {"messages": []}, 400, "invalid_request_error"),
        ("auto", {"max_tokens": None}, 400, "invalid_request_error"),
    ],
)
def test_errors_of_ours_have_anthropics_form(
    proxy: Running, model: str, members: dict[str, Any], status: int, kind: str
) -> None:
    response = ask(proxy, model, "Hello", **members)

    error = response.json()
    assert (response.status_code, error["type"], error["error"]["type"]) == (status, "error", kind)
    assert error["request_id"] == response.headers["x-request-id"] and error["error"]["message"]


@each_model
def test_errors_of_providers_have_anthropics_form(proxy: Running, providers: Providers, model: str) -> None:
    providers.fail(DIALECTS[model], Status(429, retry_after_s=7))
    response = ask(proxy, model, "Hello")

    assert response.status_code == 429 and response.headers["retry-after"] == "7"
    assert response.json()["error"]["type"] == "rate_limit_error"


@each_model
@pytest.mark.parametrize("then", ["error", "end"])
def test_a_stream_that_breaks_off_ends_in_an_error_and_never_in_a_stop(
    proxy: Running, providers: Providers, model: str, then: Any
) -> None:
    providers.fail(DIALECTS[model], Cut(3, then))
    response = ask(proxy, model, "Hello", stream=True)

    events = EventParser().feed(response.content)
    error = json.loads(events[-1].data)
    assert events[-1].name == "error" and error["error"]["type"] in ("api_error", "overloaded_error")
    assert error["request_id"] == response.headers["x-request-id"]
    assert not {"message_delta", "message_stop"} & {event.name for event in events}


def test_the_explanation_rides_on_the_message(proxy: Running) -> None:
    body = {"model": "gpt-5.5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-router-explain": "full"}

    whole = proxy.client.post("/v1/messages", json=body, headers=headers).json()
    stream = proxy.client.post("/v1/messages", json={**body, "stream": True}, headers=headers)

    assert whole["router"]["request_id"].startswith("req_")
    (explained,) = [json.loads(event.data) for event in EventParser().feed(stream.content) if b'"router"' in event.data]
    assert explained["type"] == "message_delta"


def test_tokens_are_counted_by_the_models_own_provider(proxy: Running, providers: Providers) -> None:
    counted = ask(proxy, "claude-opus-4.7", "How long is this?", path="/count_tokens", tools=[WEATHER])
    called = answered(ask(proxy, "claude-opus-4.7", "How long is this?", tools=[WEATHER]))
    count = next(call for call in reversed(providers.received) if call.path.endswith("/count_tokens"))

    assert answered(counted) == {"input_tokens": called["usage"]["input_tokens"]}
    assert "x-router-estimated" not in counted.headers
    assert (count.json["model"], "max_tokens" in count.json) == ("claude-opus-4-7", False)


def test_tokens_are_estimated_where_nobody_counts_them(proxy: Running, providers: Providers) -> None:
    providers.fail("anthropic", Status(404))
    for model in ("gpt-5.5", "claude-opus-4.7"):
        response = ask(proxy, model, "Hello there, what a day. " * 10, path="/count_tokens")
        assert answered(response) == {"input_tokens": 63}
        assert (response.headers["x-router-estimated"], response.headers["x-router-model"]) == ("true", model)


def test_a_count_that_is_wrong_is_refused_in_anthropics_form(proxy: Running) -> None:
    response = ask(proxy, "gpt-5.5", path="/count_tokens")

    assert response.status_code == 400 and response.json()["type"] == "error"
    assert proxy.client.get("/v1/messages/count_tokens").status_code == 405


def test_models_are_listed_in_anthropics_form_for_its_clients(proxy: Running) -> None:
    listed = proxy.client.get("/v1/models?limit=100", headers=HEADERS).json()
    ids = [model["id"] for model in listed["data"]]

    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (ids[0], ids[-1], False)
    assert set(MODELS) < set(ids) and ids[0] == "auto"
    assert proxy.client.get("/v1/models/claude-opus-4.7", headers=HEADERS).json() == {
        "type": "model",
        "id": "claude-opus-4.7",
        "display_name": "claude-opus-4.7",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }
    assert proxy.client.get("/v1/models/gpt-9", headers=HEADERS).status_code == 404


def test_what_answered_is_recorded(proxy: Running) -> None:
    response = ask(proxy, "gpt-5.5", "Hello")

    (row,) = [row for row in proxy.rows() if row.request_id == response.headers["x-request-id"]]
    assert (row.model, row.outcome, row.finish_reason) == ("gpt-5.5", "ok", "stop")
