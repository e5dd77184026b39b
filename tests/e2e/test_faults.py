"""What providers and callers do wrong: the next model takes over, one row an attempt, and never a lie in a stream."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.providers import EMPTY, HTML, Close, Cut, Fault, Providers, Reset, Stall, Status
from tests.running import Running, events

# The class's first model is Anthropic's, its second OpenAI's, its third Gemini's.
CODING = {"x-router-task-class": "coding_deep_review"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Status(429, retry_after_s=2), "rate_limited"),
        (Status(500), "server"),
        (Status(503), "overloaded"),
        (Status(529), "overloaded"),
        (Reset(), "connect"),
        (Close(), "protocol"),
        (HTML, "protocol"),
        (EMPTY, "protocol"),
    ],
)
def test_the_next_model_takes_over_before_anything_is_said(
    proxy: Running, providers: Providers, fault: Fault, kind: str, stream: bool
) -> None:
    before = len(proxy.rows())
    times = 2 if isinstance(fault, Close | Reset) else 1  # a closed kept-alive connection is tried afresh once
    providers.fail("anthropic", fault, times=times)
    response = proxy.chat("Fix it", headers=CODING, stream=stream)
    assert response.status_code == 200
    assert response.headers["x-router-model"] == "gpt-5.5"
    assert response.headers["x-router-attempts"] == "2" and response.headers["x-router-reason"] == "fallback"
    failed, answered = proxy.rows(before + 2)[-2:]
    assert (failed.model, failed.attempt, failed.outcome) == ("claude-opus-4.7", 1, "error")
    assert failed.cost_usd is None and failed.error_kind in (kind, "connect", "protocol")
    assert (answered.model, answered.attempt, answered.outcome) == ("gpt-5.5", 2, "ok")
    assert failed.request_id == answered.request_id
    providers._faults.clear()


@pytest.mark.parametrize("dialect", ["anthropic", "openai", "gemini"])
def test_an_error_event_before_content_still_falls_back(proxy: Running, providers: Providers, dialect: str) -> None:
    model = {"anthropic": "claude-opus-4.7", "openai": "gpt-5.5", "gemini": "gemini-3.1-pro"}[dialect]
    task_class = {"anthropic": "coding_deep_review", "openai": "agentic_terminal_work"}.get(
        dialect, "long_context_synthesis"
    )
    providers.fail(dialect, Cut(0, "error"))  # type: ignore[arg-type]
    response = proxy.chat("Go", stream=True, headers={"x-router-task-class": task_class})
    assert response.headers["x-router-model"] != model
    assert events(response)[-1] == "[DONE]"


@pytest.mark.parametrize("how", ["end", "reset", "error"])
@pytest.mark.parametrize("model", ["claude-opus-4.7", "gpt-5.5", "gemini-3.1-pro"])
def test_a_stream_that_breaks_after_content_ends_in_an_error_and_not_in_done(
    proxy: Running, providers: Providers, model: str, how: str
) -> None:
    before = len(proxy.rows())
    dialect = {"claude-opus-4.7": "anthropic", "gpt-5.5": "openai", "gemini-3.1-pro": "gemini"}[model]
    providers.fail(dialect, Cut(2, how))  # type: ignore[arg-type]
    found = events(proxy.chat("Tell a long story", model=model, stream=True))
    assert set(found[-1]) == {"error"} and found[-1]["error"]["message"]
    assert not any(choice["finish_reason"] for event in found[:-1] for choice in event["choices"])
    row = proxy.rows(before + 1)[-1]
    assert row.outcome in ("error", "truncated") and row.time_to_first_useful_s is not None


@pytest.mark.parametrize(
    ("status", "seen", "code"), [(401, 502, "upstream_credentials"), (404, 502, "upstream_model_not_found")]
)
def test_the_operators_mistakes_are_not_the_callers(
    proxy: Running, providers: Providers, status: int, seen: int, code: str
) -> None:
    providers.fail("openai", Status(status))
    response = proxy.chat("Hello", model="gpt-5.5")
    assert response.status_code == seen and response.json()["error"]["code"] == code
    assert "secret-openai" not in response.text
    assert response.headers["x-router-attempts"] == "1"


def test_when_all_fail_the_last_failure_is_told_with_its_wait(proxy: Running, providers: Providers) -> None:
    before = len(proxy.rows())
    for dialect in ("anthropic", "openai", "gemini"):
        providers.fail(dialect, Status(429, retry_after_s=7))  # type: ignore[arg-type]
    response = proxy.chat("Fix it", headers=CODING)
    assert response.status_code == 429 and response.headers["retry-after"] == "7"
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert [row.attempt for row in proxy.rows(before + 3)[-3:]] == [1, 2, 3]


def test_a_pinned_model_is_not_replaced(proxy: Running, providers: Providers) -> None:
    providers.fail("openai", Status(503))
    response = proxy.chat("Hello", model="gpt-5.5")
    assert response.status_code == 503 and response.headers["x-router-model"] == "gpt-5.5"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Stall(), Cut(2, "stall")])
def test_a_caller_who_leaves_ends_the_upstream_call_and_still_has_a_row(
    proxy: Running, providers: Providers, stream: bool, fault: Fault
) -> None:
    before, aborted = len(proxy.rows()), providers.aborted
    providers.fail("anthropic", fault)
    body = {"model": "claude-opus-4.7", "stream": stream, "messages": [{"role": "user", "content": "Tell a story"}]}
    with contextlib.suppress(httpx.TimeoutException):
        httpx.post(f"{proxy.url}/v1/chat/completions", json=body, timeout=0.5, trust_env=False)
    left = time.monotonic()
    providers.wait_until(lambda: providers.aborted == aborted + 1)
    assert time.monotonic() - left < 1
    row = proxy.rows(before + 1)[-1]
    assert row.outcome == "cancelled" and row.model == "claude-opus-4.7"
    if stream and isinstance(fault, Cut):
        assert row.usage_source == "estimated" or row.output_tokens
        assert row.time_to_first_useful_s is not None


def test_metrics_count_what_happened(proxy: Running, providers: Providers) -> None:
    providers.fail("anthropic", Status(529))
    proxy.chat("Fix it", headers=CODING)
    text = proxy.client.get("/metrics").text
    assert 'llm_router_fallbacks_total{from_model="claude-opus-4.7",reason="overloaded",to_model="gpt-5.5"}' in text
    assert 'llm_router_upstream_attempts_total{kind="live",model="claude-opus-4.7",outcome="overloaded"' in text
    assert (
        'llm_router_requests_total{model="gpt-5.5",outcome="ok",stream="false",task_class="coding_deep_review"}' in text
    )
    assert 'llm_router_evidence_rows_total{result="written",source="live"}' in text
    assert "llm_router_requests_in_progress 0.0" in text


def test_prompts_and_keys_are_never_logged(proxy: Running) -> None:
    proxy.chat("a very private sentence", model="gpt-5.5")
    assert "private" not in proxy.log and "secret-" not in proxy.log


def test_a_caller_who_sends_half_a_body_and_leaves_harms_nobody(proxy: Running) -> None:
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname, address.port)) as half:
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    assert proxy.chat("Hello").status_code == 200
