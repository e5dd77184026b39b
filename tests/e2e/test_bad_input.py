"""Bad input over HTTP: OpenAI's envelope with `param` named, never a 5xx, and the proxy goes on."""

import json
from typing import Any

import pytest

from tests.providers import Providers
from tests.running import Running

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, "invalid_json"),
        (b"{", None, "invalid_json"),
        (b'{"model": "auto", "messages": [}', None, "invalid_json"),
        (b"[]", None, "invalid_json"),
        (b"\xff\xfe", None, "invalid_json"),
        (b"[" * 100_000, None, "invalid_json"),
        ({"messages": HELLO}, "model", "missing_required_parameter"),
        ({"model": 7, "messages": HELLO}, "model", "invalid_type"),
        ({"model": "auto"}, "messages", "missing_required_parameter"),
        ({"model": "auto", "messages": []}, "messages", "empty_array"),
        ({"model": "auto", "messages": "hi"}, "messages", "invalid_type"),
        ({"model": "auto", "messages": [7]}, "messages[0]", "invalid_type"),
        ({"model": "auto", "messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", None),
        ({"model": "auto", "messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"model": "auto", "messages": HELLO, "temperature": "hot"}, "temperature", "invalid_type"),
        ({"model": "auto", "messages": HELLO, "temperature": 3}, "temperature", None),
        ({"model": "auto", "messages": HELLO, "stream": "yes"}, "stream", "invalid_type"),
        ({"model": "auto", "messages": HELLO, "max_tokens": 0}, "max_tokens", None),
        (
            {"model": "auto", "messages": HELLO, "tools": [{"type": "function"}]},
            "tools[0].function",
            "missing_required_parameter",
        ),
        ({"model": "auto", "messages": HELLO, "response_format": {"type": "xml"}}, "response_format.type", None),
        ({"model": "gpt-5.5", "messages": HELLO, "stop": "."}, "stop", "unsupported_parameter"),
    ],
)
def test_a_bad_body_is_a_400_that_names_what_is_wrong(
    proxy: Running, body: Any, param: str | None, code: str | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = proxy.client.post("/v1/chat/completions", content=content)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error" and error["param"] == param
    assert code is None or error["code"] == code
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_an_oversized_body_is_refused_by_its_length_and_by_count(proxy: Running) -> None:
    large = b'{"model": "auto", "messages": [{"role": "user", "content": "' + b"x" * 11_000_000 + b'"}]}'
    by_length = proxy.client.post("/v1/chat/completions", content=large)
    by_count = proxy.client.post("/v1/chat/completions", content=iter([large[:6_000_000], large[6_000_000:]]))
    for response in (by_length, by_count):
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "request_too_large"


def test_a_packed_body_is_refused(proxy: Running) -> None:
    response = proxy.client.post("/v1/chat/completions", content=b"x", headers={"content-encoding": "gzip"})
    assert response.status_code == 415


def test_an_unknown_path_and_method_get_the_envelope(proxy: Running) -> None:
    assert proxy.client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert proxy.client.get("/v1/chat/completions").status_code == 405
    assert proxy.client.delete("/v1/models").json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt-9", "/v1/responses/resp_x", "/v1/nothing", "/v1/router/table"]
)
def test_what_is_only_looked_up_has_a_request_id_too(proxy: Running, path: str) -> None:
    first, second = (proxy.client.get(path).headers["x-request-id"] for _ in range(2))
    assert first.startswith("req_") and first != second


def test_what_no_model_can_take_is_a_400_that_says_why(proxy: Running) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    fields = {"messages": [{"role": "user", "content": [audio]}], "logit_bias": {"1": 1}}
    response = proxy.client.post("/v1/chat/completions", json={"model": "auto", **fields})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "no_capable_model"
    assert "no_audio" in response.json()["error"]["message"]


def test_a_request_that_only_some_models_can_take_goes_to_one_of_them(proxy: Running, providers: Providers) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": "What is this?"}, image]
    with_stop = {"messages": [{"role": "user", "content": content}], "stop": ["."]}
    response = proxy.client.post("/v1/chat/completions", json={"model": "auto:agentic_terminal_work", **with_stop})
    assert response.status_code == 200
    assert response.headers["x-router-model"] != "gpt-5.5" and response.headers["x-router-reason"] == "requirement"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "version"),
        ({"version": "nothing"}, None),
        ({"table": {"schema": 9}}, "table.schema"),
        ({"table": {"schema": 1, "policy": "x", "classes": {"general": {"models": ["gpt-9"]}}}}, None),
        ({"table": {"schema": 1, "policy": "x", "classes": {"general": {"models": []}}}}, "table.classes.general"),
    ],
)
def test_a_broken_table_is_refused_and_the_old_stays(proxy: Running, body: Any, param: str | None) -> None:
    before = proxy.client.get("/v1/router/table").json()["version"]
    response = proxy.client.post("/v1/router/table/publish", json=body)
    assert response.status_code == 400
    assert param is None or response.json()["error"]["param"] == param
    assert proxy.client.get("/v1/router/table").json()["version"] == before
    assert proxy.chat("Hello").headers["x-router-table"] == before


def test_evidence_is_read_in_pages(proxy: Running) -> None:
    for _ in range(3):
        proxy.chat("Hello")
    first = proxy.client.get("/v1/router/evidence", params={"format": "ndjson", "limit": 2})
    assert len(first.text.splitlines()) == 2
    rest = proxy.client.get("/v1/router/evidence", params={"format": "ndjson", "after": first.headers["x-router-next"]})
    ids = [json.loads(line)["row_id"] for line in (first.text + rest.text).splitlines()]
    assert len(set(ids)) == len(ids) == len(proxy.rows())
    assert proxy.client.get("/v1/router/evidence").text.startswith("task_id,task_type,model,score,")
    assert proxy.client.get("/v1/router/evidence", params={"format": "xml"}).status_code == 400
    assert proxy.client.get("/v1/router/evidence", params={"after": "nothing"}).status_code == 400
