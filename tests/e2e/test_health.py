"""Sick providers: their circuits, the waits that they ask for, the retry budget, and a key that is refused."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.providers import Close, Cut, Dialect, Fault, Providers, Stall, Status
from tests.running import Running, events, running, with_keys

# The class's first model is Anthropic's, its second OpenAI's, its third Gemini's.
CODING = {"x-router-task-class": "coding_deep_review"}
OPUS = "claude-opus-4.7"
DIALECTS: tuple[Dialect, ...] = ("anthropic", "openai", "gemini")
SHIPPED: dict[str, Any] = {"breaker": {}, "retries": {}}
# Opens after four failures, for long; a call is tried once.
BREAKING = {"breaker": {"min_calls": 4, "open_s": 600}, "retries": {"max_attempts": 1}}


# Tries a sole model again, and remembers nothing from one test to the next.
PATIENT = {"retries": {"max_wait_s": 10}}


@pytest.fixture(scope="module")
def servers() -> Iterator[Providers]:
    with Providers() as providers:
        yield providers


@pytest.fixture
def providers(servers: Providers) -> Providers:
    """The servers as if nothing had happened."""
    servers._faults.clear()
    servers.received.clear()
    return servers


@pytest.fixture(scope="module")
def patient(servers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("patient"), with_keys(servers), PATIENT) as process:
        yield process


def metric(proxy: Running, name: str, **labels: str) -> float:
    """Its value now; labels in any order."""
    for line in proxy.client.get("/metrics").text.splitlines():
        if line.startswith(f"llm_router_{name}") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


def opened(proxy: Running, providers: Providers) -> None:
    """Four calls of OPUS fail."""
    providers.fail("anthropic", Status(500), times=4)
    assert {proxy.chat("Hello", model=OPUS).status_code for _ in range(4)} == {502}


# --- circuits ------------------------------------------------------------------------------------------


def test_a_model_that_fails_is_passed_over_at_once_whatever_happens_to_table_and_configuration(
    tmp_path: Path, providers: Providers
) -> None:
    with running(tmp_path, with_keys(providers), BREAKING) as proxy:
        opened(proxy, providers)

        def check() -> None:
            answer = proxy.chat("Fix it", headers={**CODING, "x-router-explain": "full"})
            assert answer.status_code == 200
            said = answer.headers
            assert (said["x-router-model"], said["x-router-attempts"]) == ("gpt-5.5", "1")
            assert said["x-router-reason"] == "unavailable"
            (excluded,) = [one for one in answer.json()["router"]["candidates"] if one["model"] == OPUS]
            assert excluded["excluded"] == "circuit_open"
            refused = proxy.chat("Hello", model=OPUS)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "circuit_open")
            assert 1 <= int(refused.headers["retry-after"]) <= 600

        check()
        assert proxy.client.post("/v1/router/reload").status_code == 200
        check()
        in_force = proxy.client.get("/v1/router/table").json()
        table = {**in_force, "classes": {"coding_deep_review": in_force["classes"]["coding_deep_review"]}}
        del table["version"]
        published = proxy.client.post("/v1/router/table/publish", json={"table": table, "why": "a test"})
        assert published.json()["in_force"] != in_force["version"]
        check()
        assert len(providers.calls("anthropic")) == 4
        assert metric(proxy, "circuit_state", provider="anthropic", model=OPUS) == 2
        assert metric(proxy, "circuit_transitions_total", model=OPUS, to="open") == 1


def test_one_probe_goes_through_and_closes_the_circuit_when_it_succeeds(tmp_path: Path, providers: Providers) -> None:
    config = {**BREAKING, "breaker": {"min_calls": 4, "open_s": 0.2}}
    with running(tmp_path, with_keys(providers), config) as proxy:
        opened(proxy, providers)
        time.sleep(0.3)  # the probe is due, however late this goes on
        providers.fail("anthropic", Cut(0, "stall"))
        with asking(proxy, OPUS):
            providers.wait_until(lambda: len(providers.calls("anthropic")) == 5)
            assert metric(proxy, "circuit_state", model=OPUS) == 1
            refused = [proxy.chat("Hello", model=OPUS) for _ in range(3)]
            assert {answer.status_code for answer in refused} == {503}
            assert proxy.chat("Fix it", headers=CODING).headers["x-router-model"] == "gpt-5.5"
            assert len(providers.calls("anthropic")) == 5
        proxy.until(lambda: metric(proxy, "circuit_state", model=OPUS) == 2)  # its client left, which says nothing
        assert proxy.chat("Hello", model=OPUS).status_code == 200
        assert metric(proxy, "circuit_state", model=OPUS) == 0
        assert proxy.chat("Fix it", headers=CODING).headers["x-router-model"] == OPUS


def asking(proxy: Running, model: str) -> socket.socket:
    """A connection on which `model` has been asked; leaving it is leaving."""
    address = urlsplit(proxy.url)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    )
    return connection


def test_what_callers_do_never_opens_a_circuit(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), BREAKING) as proxy:
        providers.fail("anthropic", Status(400), Status(413), Status(422), times=2)
        assert {proxy.chat("Hello", model=OPUS).status_code for _ in range(6)} == {400, 413}
        providers.fail("anthropic", Cut(0, "stall"), times=6)
        for _ in range(6):
            before = len(providers.calls("anthropic"))
            with asking(proxy, OPUS):
                providers.wait_until(lambda before=before: len(providers.calls("anthropic")) > before)  # type: ignore[misc]
        rows = proxy.rows(12)
        assert [row.outcome for row in rows].count("cancelled") == 6
        assert proxy.chat("Hello", model=OPUS).status_code == 200


# --- waits ---------------------------------------------------------------------------------------------


def test_a_provider_that_asks_to_wait_is_left_alone_while_another_can_answer(
    tmp_path: Path, providers: Providers
) -> None:
    with running(tmp_path, with_keys(providers), SHIPPED) as proxy:
        providers.fail("anthropic", Status(429, retry_after_s=300))
        assert proxy.chat("Fix it", headers=CODING).headers["x-router-attempts"] == "2"
        answer = proxy.chat("Fix it", headers={**CODING, "x-router-explain": "full"})
        assert (answer.headers["x-router-model"], answer.headers["x-router-attempts"]) == ("gpt-5.5", "1")
        assert answer.headers["x-router-reason"] == "unavailable"
        (excluded,) = [one for one in answer.json()["router"]["candidates"] if one["model"] == OPUS]
        assert excluded["excluded"] == "cooling"
        assert len(providers.calls("anthropic")) == 1
        assert proxy.chat("Hello", model=OPUS).status_code == 200  # nothing else could answer that


@pytest.mark.parametrize("fault", [Status(429, retry_after_s=3600), Status(503, retry_after_s=3600)])
def test_a_wait_that_is_too_long_is_passed_on_at_once(patient: Running, providers: Providers, fault: Status) -> None:
    providers.fail("anthropic", fault)
    refused = patient.chat("Hello", model=OPUS)
    assert (refused.status_code, refused.headers["retry-after"]) == (fault.status, "3600")
    assert refused.headers["x-router-attempts"] == "1" and len(providers.received) == 1


def test_a_wait_never_outlasts_the_calls_deadline(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), {**SHIPPED, "timeouts": {"total_s": 5}}) as proxy:
        providers.fail("anthropic", Status(429, retry_after_s=6))
        refused = proxy.chat("Hello", model=OPUS)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
        assert refused.headers["x-router-attempts"] == "1"


def test_a_503_without_a_wait_is_given_one(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), BREAKING) as proxy:
        providers.fail("anthropic", Status(529), times=4)
        waits = [int(proxy.chat("Hello", model=OPUS).headers["retry-after"]) for _ in range(4)]
        assert waits[:3] == [1, 1, 1] and 500 < waits[3] <= 600  # by then its circuit has opened


# --- retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Status(503), Status(500), Status(429, retry_after_s=1), Close(), Cut(0, "end")])
def test_a_model_that_stands_alone_is_tried_again(
    patient: Running, providers: Providers, fault: Fault, stream: bool
) -> None:
    patient.chat("Hello", model=OPUS)  # leaves a connection that is kept alive
    before = len(patient.rows())
    # Such a connection, when it is closed as it is used again, is replaced once, which is no attempt.
    providers.fail("anthropic", fault, times=2 if isinstance(fault, Close) else 1)
    began = time.monotonic()
    answer = patient.chat("Hello", model=OPUS, stream=stream)
    assert answer.status_code == 200, answer.text
    assert not stream or events(answer)[-1] == "[DONE]"
    assert (answer.headers["x-router-attempts"], answer.headers["x-router-reason"]) == ("2", "pinned_by_user")
    if isinstance(fault, Status) and fault.retry_after_s:
        assert time.monotonic() - began >= fault.retry_after_s  # never undercut
        assert float(answer.headers["x-router-overhead-ms"]) < 1000  # and no time of ours
    failed, answered = patient.rows(before + 2)[-2:]
    assert (failed.attempt, failed.outcome == "ok", answered.attempt, answered.outcome) == (1, False, 2, "ok")
    assert answered.assigned == "user"


def test_embeddings_are_tried_again_too(patient: Running, providers: Providers) -> None:
    before = len(patient.rows())
    providers.fail("openai", Status(500))
    answer = patient.client.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "one"})
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (200, "2")
    assert [row.outcome for row in patient.rows(before + 2)[-2:]] == ["error", "ok"]


def test_an_embedding_model_that_fails_is_refused_with_a_wait(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), BREAKING) as proxy:
        providers.fail("openai", Status(500), times=4)

        def ask() -> httpx.Response:
            return proxy.client.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "one"})

        assert [ask().status_code for _ in range(5)] == [502, 502, 502, 502, 503]
        assert ask().json()["error"]["code"] == "circuit_open" and "retry-after" in ask().headers
        assert len(providers.calls("openai")) == 4


@pytest.mark.parametrize("model", [OPUS, "auto:coding_deep_review"])
def test_no_call_has_more_than_three_attempts(patient: Running, providers: Providers, model: str) -> None:
    before = len(patient.rows())
    for dialect in DIALECTS:
        providers.fail(dialect, Status(500), times=9)
    failed = patient.chat("Fix it", model=model)
    assert (failed.status_code, failed.headers["x-router-attempts"]) == (502, "3")
    assert len(providers.received) == 3 == len(patient.rows(before + 3)) - before


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
@pytest.mark.parametrize("model", [OPUS, "auto:coding_deep_review"])
def test_what_would_fail_again_is_not_tried_again(
    patient: Running, providers: Providers, status: int, model: str
) -> None:
    providers.fail("anthropic", Status(status))
    failed = patient.chat("Fix it", model=model)
    assert failed.status_code == {401: 502, 403: 502, 404: 502, 422: 400}.get(status, status)
    assert len(providers.received) == 1


def test_a_sole_model_is_not_tried_again_unless_the_operator_says_so(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), SHIPPED) as proxy:
        providers.fail("anthropic", Status(429, retry_after_s=1))
        failed = proxy.chat("Hello", model=OPUS)
        assert (failed.status_code, failed.headers["retry-after"]) == (429, "1")
        assert len(providers.received) == 1


def test_when_many_fail_at_once_only_some_go_on(tmp_path: Path, providers: Providers) -> None:
    deadlines = {"first_byte_s": 30, "total_s": 3}
    config = {"breaker": {"min_calls": 1000}, "retries": {}, "timeouts": deadlines}
    with running(tmp_path, with_keys(providers), config) as proxy, ThreadPoolExecutor(8) as callers:
        providers.fail("anthropic", Status(500), times=8)
        providers.fail("openai", Stall(), times=8)
        answers = [
            future.result() for future in [callers.submit(proxy.chat, "Fix it", headers=CODING) for _ in range(8)]
        ]
        stalled = [answer for answer in answers if answer.headers["x-router-attempts"] == "2"]
        alone = [answer for answer in answers if answer.headers["x-router-attempts"] == "1"]
        assert (len(stalled), len(alone)) == (3, 5)
        assert {(answer.status_code, answer.headers.get("retry-after")) for answer in alone} == {(502, "1")}
        assert metric(proxy, "retries_refused_total") == 5


# --- keys ----------------------------------------------------------------------------------------------


def test_a_refused_key_is_a_502_and_an_alarm(tmp_path: Path, providers: Providers) -> None:
    with running(tmp_path, with_keys(providers), SHIPPED) as proxy:
        providers.fail("anthropic", Status(401), Status(403))
        answers = [proxy.chat("Fix it", headers=CODING) for _ in range(2)]
        assert {(one.status_code, one.json()["error"]["code"]) for one in answers} == {(502, "upstream_credentials")}
        assert len(providers.received) == 2
        lines = [json.loads(line) for line in proxy.log.splitlines() if line.startswith("{")]
        (alarm,) = [line for line in lines if line["level"] == "error"]
        assert alarm["provider"] == "anthropic" and "key" in alarm["event"]
        assert metric(proxy, "credential_alarms_total", provider="anthropic") == 2
