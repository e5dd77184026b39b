"""Who answers, and why: the model asked for, the class, the headers, the explanation; what is unknown is refused."""

import pytest

from router.table import load
from tests.providers import Providers
from tests.running import Running, events

CODE = "Fix the bug in this Python function and add a unit test:\n```python\ndef mean(x): return sum(x) / len(x\n```"


def test_a_routed_answer_says_who_and_why_in_its_headers(proxy: Running) -> None:
    response = proxy.chat(CODE)
    assert response.json()["model"] == "claude-opus-4.7"
    headers = response.headers
    assert headers["x-router-model"] == "claude-opus-4.7"
    assert headers["x-router-task-class"] == "coding_deep_review"
    assert headers["x-router-reason"] == "table"
    assert headers["x-router-attempts"] == "1"
    assert headers["x-router-table"] == proxy.client.get("/v1/router/table").json()["version"]
    assert headers["x-request-id"].startswith("req_") and headers["x-router-decision"].startswith("dec_")
    assert float(headers["x-router-overhead-ms"]) > 0 and float(headers["x-router-cost-usd"]) > 0
    assert "x-router-simulated" not in headers
    assert "x-router-confidence" not in headers  # rules have no calibrated probability


@pytest.mark.parametrize(
    ("task_class", "model"),
    [
        ("agentic_terminal_work", "gpt-5.5"),
        ("coding_deep_review", "claude-opus-4.7"),
        ("long_context_synthesis", "gemini-3.1-pro"),
        ("strict_json_extraction", "gpt-5.5"),
    ],
)
def test_the_first_table_is_the_documents(proxy: Running, task_class: str, model: str) -> None:
    assert proxy.chat("Anything", model=f"auto:{task_class}").json()["model"] == model
    by_header = proxy.chat("Anything", headers={"x-router-task-class": task_class})
    assert by_header.headers["x-router-model"] == model
    assert by_header.headers["x-router-task-class"] == task_class


def test_a_model_is_pinned_by_its_name_or_by_header(proxy: Running) -> None:
    assert proxy.chat(CODE, model="gemini-3.1-pro").headers["x-router-reason"] == "pinned_by_user"
    response = proxy.chat(CODE, headers={"x-router-model": "gpt-5.5"})
    assert response.json()["model"] == "gpt-5.5"
    assert proxy.rows()[-1].assigned == "user"


def test_an_effort_variant_is_a_model_of_its_own(proxy: Running, providers: Providers) -> None:
    response = proxy.chat("Prove it", model="gpt-5.5-high")
    assert response.json()["model"] == "gpt-5.5-high"
    sent = providers.calls("openai")[-1].json
    assert sent["model"] == "gpt-5.5" and sent["reasoning_effort"] == "high"


def test_thrift_takes_the_cheapest_for_this_request(proxy: Running) -> None:
    response = proxy.chat(CODE, headers={"x-router-objective": "thrift"})
    assert response.json()["model"] == "gemini-3.1-pro"  # 2 / 12 USD per million against 5 / 25 and 5 / 30
    assert response.headers["x-router-reason"] == "objective"


def test_a_cost_limit_rules_models_out_and_says_so_when_none_is_left(proxy: Running) -> None:
    limited = proxy.chat(CODE, max_tokens=1000, headers={"x-router-max-cost-usd": "0.013"})
    assert limited.json()["model"] == "gemini-3.1-pro"
    none_left = proxy.chat(CODE, model="claude-opus-4.7", headers={"x-router-max-cost-usd": "0.0000001"})
    assert none_left.status_code == 400
    assert none_left.json()["error"]["code"] == "no_capable_model"
    assert "over_max_cost" in none_left.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-router-task-class", "poetry"),
        ("x-router-model", "gpt-9"),
        ("x-router-objective", "cheap"),
        ("x-router-max-cost-usd", "much"),
        ("x-router-max-cost-usd", "-1"),
        ("x-router-max-cost-usd", "nan"),
        ("x-router-explain", "yes"),
        ("x-router-record", "maybe"),
        ("x-router-session", ""),
        ("x-router-taskclass", "general"),
    ],
)
def test_an_unknown_override_is_refused_by_name(proxy: Running, header: str, value: str) -> None:
    response = proxy.chat("Hello", headers={header: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == header
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", ["gpt-9", "auto:poetry", "Auto", "claude", "simulated/gpt-5.5"])
def test_an_unknown_model_is_never_approximated(proxy: Running, model: str) -> None:
    response = proxy.chat("Hello", model=model)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


def test_the_explanation_rides_in_the_body_and_on_the_last_chunk(proxy: Running) -> None:
    asked = {"x-router-explain": "full"}
    for model in ("gpt-5.5", "claude-opus-4.7", "gemini-3.1-pro"):
        whole = proxy.chat(CODE, model=model, headers=asked).json()["router"]
        streamed = events(proxy.chat(CODE, model=model, stream=True, headers=asked))
        assert streamed[-1] == "[DONE]"
        assert [index for index, event in enumerate(streamed) if "router" in event] == [len(streamed) - 2]
        for document in (whole, streamed[-2]["router"]):
            assert document["model"] == model
            assert document["task_class"] == "coding_deep_review"
            assert document["why_class"] and document["candidates"]
            assert document["attempts"][0]["outcome"] == "ok"


def test_a_dry_run_decides_without_an_upstream_call(proxy: Running, providers: Providers) -> None:
    before = len(providers.received)
    body = {"model": "auto", "messages": [{"role": "user", "content": CODE}]}
    document = proxy.client.post("/v1/router/route", json=body).json()
    assert document["model"] == "claude-opus-4.7" and document["reason"] == "table"
    assert document["candidates"][0]["model"] == "claude-opus-4.7"
    assert document["attempts"] == []
    assert len(providers.received) == before


def test_a_past_decision_is_told_by_its_id(proxy: Running) -> None:
    headers = proxy.chat(CODE).headers
    for known_as in (headers["x-router-decision"], headers["x-request-id"]):
        document = proxy.client.get(f"/v1/router/decisions/{known_as}").json()
        assert document["decision"] == headers["x-router-decision"]
        assert document["model"] == "claude-opus-4.7"
        assert document["attempts"][0]["outcome"] == "ok"
    assert proxy.client.get("/v1/router/decisions/dec_0").status_code == 404


def test_models_lists_what_model_may_say(proxy: Running) -> None:
    listed = proxy.client.get("/v1/models").json()
    names = [model["id"] for model in listed["data"]]
    assert listed["object"] == "list" and names[0] == "auto"
    assert {"auto:general", "gpt-5.5", "gpt-5.5-high", "claude-opus-4.7", "gemini-3.1-pro"} <= set(names)
    assert proxy.client.get("/v1/models/gpt-5.5").json()["owned_by"] == "openai"
    assert proxy.client.get("/v1/models/gpt-9").json()["error"]["code"] == "model_not_found"


def test_the_table_over_http_is_one_that_loads(proxy: Running) -> None:
    table = load(proxy.client.get("/v1/router/table").content)
    assert table.classes["coding_deep_review"].models[0] == "claude-opus-4.7"


def test_simulated_answers_say_so_everywhere(simulated: Running) -> None:
    response = simulated.chat(CODE)
    assert response.json()["model"] == response.headers["x-router-model"] == "simulated/claude-opus-4.7"
    assert response.headers["x-router-simulated"] == "true"
    (row,) = simulated.rows(1)
    assert row.source == "simulated" and row.model == "simulated/claude-opus-4.7"
    assert "SIMULATED" in simulated.log
    assert simulated.chat(CODE, model="gpt-5.5").json()["model"] == "simulated/gpt-5.5"
    assert "simulated" in simulated.client.get("/health/ready").json()["checks"]["models"]
