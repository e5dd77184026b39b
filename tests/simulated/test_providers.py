"""The scripted provider servers that other tests rely on: each fault looks as it does from outside."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.providers import EMPTY, HTML, Close, Cut, Dialect, Providers, Reset, Stall, Status

USER = {"role": "user", "content": "What is a monad?"}
PATHS: dict[Dialect, str] = {
    "openai": "/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse",
}
BODIES: dict[Dialect, dict[str, Any]] = {
    "openai": {"model": "gpt-5.5", "messages": [USER], "stream": True},
    "anthropic": {"model": "claude-opus-4-7", "max_tokens": 999, "messages": [USER], "stream": True},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "What is a monad?"}]}]},
}
ENDS: dict[Dialect, bytes] = {"openai": b"[DONE]", "anthropic": b"message_stop", "gemini": b"finishReason"}
KEYS = {"authorization": "Bearer k", "x-goog-api-key": "k", "anthropic-version": "2023-06-01"}
HEAD = (
    b"POST /v1/messages HTTP/1.1\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
)
DIALECTS: list[Dialect] = ["openai", "anthropic", "gemini"]

each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture
def providers() -> Iterator[Providers]:
    with Providers() as providers:
        yield providers


def post(providers: Providers, dialect: Dialect, **changes: Any) -> httpx.Response:
    body = {**BODIES[dialect], **changes}
    return httpx.post(providers.base_url[dialect] + PATHS[dialect], json=body, headers=KEYS, timeout=5)


@each_dialect
def test_a_call_is_answered_and_recorded(providers: Providers, dialect: Dialect) -> None:
    response = post(providers, dialect)
    assert response.status_code == 200
    assert ENDS[dialect] in response.content
    (received,) = providers.calls(dialect)
    assert received.json == BODIES[dialect]
    assert received.path.endswith(PATHS[dialect].partition("?")[0])
    assert received.headers["x-goog-api-key"] == "k"


@each_dialect
def test_a_status_is_the_dialects_own_error_for_the_next_calls_only(providers: Providers, dialect: Dialect) -> None:
    providers.fail(dialect, Status(429, retry_after_s=7), times=2)
    for _ in range(2):
        response = post(providers, dialect)
        error = response.json()["error"]
        assert response.status_code == 429
        assert response.headers.get("retry-after") == (None if dialect == "gemini" else "7")
    kinds = {"openai": error.get("code"), "anthropic": error.get("type"), "gemini": error.get("status")}
    assert kinds[dialect] in ("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED")
    if dialect == "gemini":
        assert error["details"][0]["retryDelay"] == "7s"
    assert post(providers, dialect).status_code == 200


def test_a_fault_meets_its_own_dialect_only(providers: Providers) -> None:
    providers.fail("openai", Status(500))
    assert post(providers, "anthropic").status_code == 200
    assert post(providers, "openai").status_code == 500


def test_bodies_and_headers_can_be_written_out(providers: Providers) -> None:
    providers.fail("openai", Status(529, b"{}", {"x-should-retry": "false"}), HTML, EMPTY)
    first, html, empty = (post(providers, "openai") for _ in range(3))
    assert (first.status_code, first.content, first.headers["x-should-retry"]) == (529, b"{}", "false")
    assert (html.status_code, html.headers["content-type"], html.content[:6]) == (200, "text/html", b"<html>")
    assert (empty.status_code, empty.content) == (200, b"")


def test_a_reset_and_a_close_leave_no_answer(providers: Providers) -> None:
    providers.fail("openai", Reset(), Close())
    with pytest.raises(httpx.ReadError):
        post(providers, "openai")
    with pytest.raises(httpx.RemoteProtocolError):
        post(providers, "openai")


@each_dialect
def test_a_stream_can_end_cleanly_without_the_dialects_end(providers: Providers, dialect: Dialect) -> None:
    providers.fail(dialect, Cut(2, "end"))
    content = post(providers, dialect).content
    assert b"This is a" in content
    assert ENDS[dialect] not in content


@each_dialect
def test_a_stream_can_say_an_error_before_or_after_content(providers: Providers, dialect: Dialect) -> None:
    providers.fail(dialect, Cut(0, "error"), Cut(1, "error"))
    before, after = post(providers, dialect).content, post(providers, dialect).content
    assert b'"error":{' in before
    assert b'"error":{' in after
    assert b"This is a" not in before
    assert b"This is a" in after
    assert ENDS[dialect] not in after


@each_dialect
def test_a_stream_can_be_reset_after_content(providers: Providers, dialect: Dialect) -> None:
    providers.fail(dialect, Cut(1, "reset"))
    with pytest.raises(httpx.TransportError):
        post(providers, dialect)


def test_a_whole_answer_can_be_cut_in_its_middle(providers: Providers) -> None:
    providers.fail("openai", Cut(0, "end"))
    with pytest.raises(httpx.RemoteProtocolError):
        post(providers, "openai", stream=False)


@pytest.mark.parametrize("fault", [Stall(), Cut(1, "stall")])
def test_a_client_that_leaves_a_stall_is_counted_and_its_connection_closed(providers: Providers, fault: Any) -> None:
    providers.fail("anthropic", fault)
    port = int(providers.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        body = json.dumps(BODIES["anthropic"]).encode()
        client.sendall(HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        providers.wait_until(lambda: len(providers.received) == 1)
        if fault != Stall():
            assert b"200" in client.recv(1000)
        assert (providers.open_connections, providers.aborted) == (1, 0)
    providers.wait_until(lambda: providers.open_connections == 0)
    assert providers.aborted == 1


async def test_a_connection_serves_many_calls_and_none_counts_as_aborted() -> None:
    async with Providers() as providers, httpx.AsyncClient(headers=KEYS) as client:
        for _ in range(3):
            for dialect in DIALECTS:
                response = await client.post(providers.base_url[dialect] + PATHS[dialect], json=BODIES[dialect])
                assert response.status_code == 200
        assert (providers.connections, providers.open_connections, providers.aborted) == (1, 1, 0)
    assert len(providers.received) == 9
    assert providers.open_connections == 0


async def test_a_paced_stream_that_is_left_counts_as_aborted() -> None:
    async with Providers(pace_s=0.02) as providers, httpx.AsyncClient(headers=KEYS) as client:
        url = providers.base_url["openai"] + PATHS["openai"]
        async with client.stream("POST", url, json=BODIES["openai"]) as response:
            await anext(response.aiter_raw())
        await providers.until(lambda: providers.aborted == 1)


def test_a_call_without_a_key_is_refused(providers: Providers) -> None:
    response = httpx.post(providers.base_url["openai"] + PATHS["openai"], json=BODIES["openai"])
    assert response.status_code == 401
