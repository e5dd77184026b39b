"""Embeddings through a running proxy, with the official SDK and with a raw body."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.providers import Providers, Status
from tests.running import Running


@pytest.fixture
def client(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.mark.parametrize(("model", "size"), [("text-embedding-3-small", 1536), ("gemini-embedding-001", 3072)])
def test_texts_become_vectors_and_a_row(client: OpenAI, proxy: Running, model: str, size: int) -> None:
    before = len(proxy.rows())

    answer = client.embeddings.create(model=model, input=["one", "two"])

    assert answer.model == model and [len(one.embedding) for one in answer.data] == [size, size]
    assert answer.data[0].embedding != answer.data[1].embedding
    row = proxy.rows(before + 1)[-1]
    assert (row.task_type, row.model, row.outcome, row.assigned) == ("embedding", model, "ok", "user")
    assert row.input_tokens and row.output_tokens == 0


def test_floats_and_base64_say_the_same(client: OpenAI, proxy: Running) -> None:
    decoded = client.embeddings.create(model="text-embedding-3-small", input="one", dimensions=256).data[0].embedding
    body = {"model": "text-embedding-3-small", "input": "one", "dimensions": 256, "encoding_format": "float"}
    plain = proxy.client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]

    assert len(plain) == 256 and plain == pytest.approx(decoded)


def test_token_arrays_are_passed_on(client: OpenAI, providers: Providers) -> None:
    client.embeddings.create(model="text-embedding-3-large", input=[[1, 2], [3]])

    assert providers.calls("openai")[-1].json["input"] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("model", "code"), [("auto", "invalid_value"), ("gpt-5.5", "unsupported_value"), ("nothing", "model_not_found")]
)
def test_a_model_is_named_and_makes_embeddings(client: OpenAI, model: str, code: str) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model=model, input="one")
    assert (caught.value.code == code and "text-embedding-3-small" in caught.value.message) or model == "nothing"


def test_chat_does_not_go_to_an_embedding_model(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="text-embedding-3-small", messages=[{"role": "user", "content": "Hi"}])
    assert "no_chat" in caught.value.message


def test_a_failing_provider_is_an_error_and_a_row(client: OpenAI, proxy: Running, providers: Providers) -> None:
    before = len(proxy.rows())
    providers.fail("openai", Status(429, retry_after_s=2))

    with pytest.raises(openai.RateLimitError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input="one")

    assert caught.value.response.headers["retry-after"] == "2"
    row = proxy.rows(before + 1)[-1]
    assert (row.outcome, row.error_kind, row.cost_usd) == ("error", "rate_limited", None)


def test_rows_of_embeddings_are_in_no_routing_table(client: OpenAI, proxy: Running) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="one")
    proxy.rows()

    table = proxy.client.get("/v1/router/table").json()

    assert "embedding" not in table["classes"]


def test_what_steers_a_choice_of_models_is_refused_and_the_rest_is_done(proxy: Running) -> None:
    def ask(**headers: str) -> Any:
        body = {"model": "text-embedding-3-small", "input": "one", "encoding_format": "float"}
        return proxy.client.post(
            "/v1/embeddings",
            json=body,
            headers={f"x-router-{name.replace('_', '-')}": headers[name] for name in headers},
        )

    before = len(proxy.rows())
    assert ask(objective="thrift").json()["error"]["param"] == "x-router-objective"
    assert ask(task_class="general").json()["error"]["param"] == "x-router-task-class"
    limited = ask(max_cost_usd="0.00000000001")
    assert limited.status_code == 400 and "over_max_cost" in limited.json()["error"]["message"]
    document = ask(explain="full", session="s-1").json()["router"]
    assert (document["task_class"], document["served_by"]) == ("embedding", "text-embedding-3-small")
    assert [row.session for row in proxy.rows(before + 1)[before:]] == ["s-1"]


def test_more_dimensions_than_the_model_has_are_refused(proxy: Running) -> None:
    body = {"model": "text-embedding-3-small", "input": "one", "dimensions": 4000}
    error = proxy.client.post("/v1/embeddings", json=body).json()["error"]
    assert error["param"] == "dimensions" and "at most 1536" in error["message"]


def test_requests_for_embeddings_are_counted(proxy: Running, client: OpenAI) -> None:
    def count() -> float:
        lines = proxy.client.get("/metrics").text.split("\n")
        found = [
            line for line in lines if line.startswith("llm_router_requests_total") and "text-embedding-3-large" in line
        ]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    before = count()
    client.embeddings.create(model="text-embedding-3-large", input="one")
    assert count() == before + 1
