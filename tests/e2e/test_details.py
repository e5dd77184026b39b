"""Details that gateways get wrong, each seen from the outside."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.providers import Providers, Status
from tests.running import Running, events

MODELS = {"openai": "gpt-5.5", "anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


WHOLE = {
    "openai": '{"id":"x","model":"m","choices":[{"index":0,"finish_reason":"stop",'
    '"message":{"role":"assistant","content":%s}}]}',
    "anthropic": '{"id":"x","type":"message","role":"assistant","model":"m","stop_reason":"end_turn",'
    '"content":[{"type":"text","text":%s}],"usage":{"input_tokens":1,"output_tokens":1}}',
    "gemini": '{"candidates":[{"content":{"role":"model","parts":[{"text":%s}]},"finishReason":"STOP"}]}',
}
STREAMED = {
    "openai": 'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":%s},"finish_reason":"stop"}]}'
    "\n\ndata: [DONE]\n\n",
    "anthropic": 'data: {"type":"message_start","message":{"id":"x","type":"message","model":"m","content":[]}}\n\n'
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}\n\n'
    'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
    'data: {"type":"message_stop"}\n\n',
}


@pytest.fixture
def sdk(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("dialect", MODELS)
def test_streams_keep_their_upstream_connection(proxy: Running, providers: Providers, dialect: str) -> None:
    proxy.chat("Tell a story", model=MODELS[dialect], stream=True)
    before = providers.connections
    for _ in range(8):
        assert events(proxy.chat("Tell a story", model=MODELS[dialect], stream=True))[-1] == "[DONE]"
    assert providers.connections - before <= 1


@pytest.mark.parametrize("source", MODELS.values())
@pytest.mark.parametrize("target", MODELS.values())
def test_a_conversation_moves_from_any_model_to_any_other(sdk: OpenAI, source: str, target: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "Think hard: which is larger, 9.9 or 9.11?"}]
    effort = "low" if source == "gemini-3.1-pro" else "high"
    answer = sdk.chat.completions.create(model=source, messages=messages, reasoning_effort=effort)
    messages += [answer.choices[0].message.model_dump(), {"role": "user", "content": "Are you sure?"}]
    assert sdk.chat.completions.create(model=target, messages=messages).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", MODELS.values())
def test_what_the_sdk_streams_goes_back_as_it_dumps_it(sdk: OpenAI, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    with sdk.chat.completions.stream(
        model=model,
        messages=messages,
        tools=[TOOL],
        tool_choice="required",  # type: ignore[list-item]
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls
    messages += [message.model_dump()]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "7 degrees"} for call in message.tool_calls]
    answer = sdk.chat.completions.create(model="gpt-5.5", messages=messages, tools=[TOOL])  # type: ignore[list-item]
    assert answer.choices[0].message.content


@pytest.mark.parametrize("dialect", MODELS)
def test_streamed_and_whole_give_the_same_usage_and_cost(proxy: Running, dialect: str) -> None:
    before = len(proxy.rows())
    for stream in (False, True):
        proxy.chat("Count to ten", model=MODELS[dialect], stream=stream)
    whole, streamed = proxy.rows(before + 2)[-2:]
    for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "usage_source"):
        assert getattr(whole, name) == getattr(streamed, name)
    assert whole.cost_usd and whole.usage_source == "provider"


@pytest.mark.parametrize("dialect", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_half_a_surrogate_pair_does_not_fail_the_answer(
    proxy: Running, providers: Providers, dialect: str, stream: bool
) -> None:
    text = '"hi \\ud83d there \\ud83d\\ude00"'
    whole = WHOLE[dialect]
    streamed = STREAMED.get(dialect, f"data: {whole}\n\n")
    body = ((streamed if stream else whole) % text).encode()
    kind = "text/event-stream" if stream else "application/json"
    providers.fail(dialect, Status(200, body, {"content-type": kind}))  # type: ignore[arg-type]
    response = proxy.chat("Hello", model=MODELS[dialect], stream=stream)
    if stream:
        said = "".join(event["choices"][0]["delta"].get("content") or "" for event in events(response)[:-1])
    else:
        said = response.json()["choices"][0]["message"]["content"]
    assert said == "hi \ufffd there 😀"


@pytest.mark.parametrize("dialect", MODELS)
def test_a_provider_that_quotes_our_key_is_not_quoted(proxy: Running, providers: Providers, dialect: str) -> None:
    message = f"bad request with secret-{dialect}"
    body = {"error": {"type": "invalid_request_error", "message": message, "code": 400, "status": "INVALID_ARGUMENT"}}
    providers.fail(dialect, Status(400, json.dumps(body).encode()))  # type: ignore[arg-type]
    response = proxy.chat("Hello", model=MODELS[dialect])
    assert response.status_code == 400
    assert "[redacted]" in response.text and f"secret-{dialect}" not in response.text


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_wait_is_passed_on_and_never_undercut(proxy: Running, providers: Providers, dialect: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    for given, least in (("7.4", 8), (later, 28)):
        providers.fail(dialect, Status(429, headers={"retry-after": given}))  # type: ignore[arg-type]
        response = proxy.chat("Hello", model=MODELS[dialect])
        assert response.status_code == 429 and least <= int(response.headers["retry-after"]) <= least + 3


def test_a_provider_without_credit_is_passed_over_and_a_retry_is_not_asked_for(
    proxy: Running, providers: Providers
) -> None:
    broke = Status(402, b'{"type":"error","error":{"type":"billing_error","message":"no credit"}}')
    providers.fail("anthropic", broke)
    assert proxy.chat("Fix it", model="auto:coding_deep_review").headers["x-router-model"] == "gpt-5.5"
    providers.fail("anthropic", broke)
    pinned = proxy.chat("Fix it", model="claude-opus-4.7")
    assert pinned.json()["error"]["code"] == "insufficient_quota" and pinned.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("billed", "usd"),
    [("default", 0.0035), ("priority", 0.00875), ("flex", 0.00175), ("scale", None)],
)
def test_a_call_costs_what_the_tier_costs_that_it_was_billed_as(
    proxy: Running, providers: Providers, billed: str, usd: float | None
) -> None:
    before = len(proxy.rows())
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    answer = json.dumps({**body, "service_tier": billed}).encode()
    providers.fail("openai", Status(200, answer, {"content-type": "application/json"}))

    assert proxy.chat("Hello", model="gpt-5.5", service_tier="priority").status_code == 200

    assert proxy.rows(before + 1)[-1].cost_usd == (usd if usd is None else pytest.approx(usd))


def test_an_explanation_says_who_served_after_a_fallback(proxy: Running, providers: Providers) -> None:
    providers.fail("anthropic", Status(529))
    response = proxy.chat("Fix it", model="auto:coding_deep_review", headers={"x-router-explain": "full"})
    document = response.json()["router"]
    assert (document["model"], document["served_by"]) == ("claude-opus-4.7", "gpt-5.5")
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["error", "ok"]


def test_a_decision_is_still_told_after_a_restart(tmp_path: Path, simulated: Running) -> None:
    headers = simulated.chat("Hello").headers
    from tests.running import running

    (tmp_path / "router.db").write_bytes((simulated.folder / "router.db").read_bytes())
    for suffix in ("-wal", "-shm"):
        beside = simulated.folder / f"router.db{suffix}"
        if beside.exists():
            (tmp_path / f"router.db{suffix}").write_bytes(beside.read_bytes())
    with running(tmp_path) as again:
        document = again.client.get(f"/v1/router/decisions/{headers['x-router-decision']}").json()
    assert document["served_by"] == headers["x-router-model"] and document["task_class"] == "general"


def test_what_a_malformed_call_used_up_is_in_its_row(proxy: Running, providers: Providers) -> None:
    before = len(proxy.rows())
    golden = Path(__file__).parents[1] / "golden" / "gemini" / "malformed_call.json"
    providers.fail("gemini", Status(200, golden.read_bytes(), {"content-type": "application/json"}))

    assert proxy.chat("Hello", model="gemini-3.1-pro").status_code == 502

    row = proxy.rows(before + 1)[-1]
    assert (row.outcome, row.error_kind, row.input_tokens) == ("error", "protocol", 120)
    assert row.cost_usd == pytest.approx(0.00024)
