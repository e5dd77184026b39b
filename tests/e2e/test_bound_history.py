"""What a provider wants back survives a plain OpenAI client; what another provider made is made valid for this one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.providers import Providers
from tests.running import Running, running, with_keys

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ASKED = {"role": "user", "content": "What is the weather in Oslo?"}
DUMMY = "skip_thought_signature_validator"


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """The message as a client sends it back that knows OpenAI's own fields only."""
    calls = [
        {"id": call["id"], "type": "function", "function": dict(call["function"])} for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": message["content"], "tool_calls": calls}


def first_call(proxy: Running, model: str, *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    response = proxy.chat(model=model, messages=[ASKED], tools=[TOOL], tool_choice="auto", stream=stream, **fields)
    assert response.status_code == 200, response.text
    if not stream:
        message: dict[str, Any] = response.json()["choices"][0]["message"]
        return message
    calls: list[dict[str, Any]] = []
    for line in response.text.split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                for call in choice["delta"].get("tool_calls", []):
                    if call.get("id"):
                        calls.append({**call, "function": {**call["function"]}})
                    else:
                        calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def second_turn(proxy: Running, model: str, message: dict[str, Any], **fields: Any) -> Any:
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": '{"temperature": 7}'} for call in message["tool_calls"]
    ]
    return proxy.chat(model=model, messages=[ASKED, plain(message), *results], tools=[TOOL], **fields)


def signatures(body: Any) -> list[str]:
    return [
        part["thoughtSignature"]
        for content in body["contents"]
        for part in content["parts"]
        if "functionCall" in part and "thoughtSignature" in part
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_geminis_signature_comes_back_from_a_plain_client(proxy: Running, providers: Providers, stream: bool) -> None:
    message = first_call(proxy, "gemini-3.1-pro", stream=stream)
    assert all(len(call["id"]) <= 40 for call in message["tool_calls"])

    assert second_turn(proxy, "gemini-3.1-pro", message).status_code == 200

    (signature,) = signatures(providers.calls("gemini")[-1].json)
    assert signature != DUMMY


@pytest.mark.parametrize("stream", [False, True])
def test_signed_thinking_comes_back_from_a_plain_client(proxy: Running, providers: Providers, stream: bool) -> None:
    message = first_call(proxy, "claude-opus-4.7", stream=stream, reasoning_effort="high")

    assert second_turn(proxy, "claude-opus-4.7", message, reasoning_effort="high").status_code == 200

    turn = providers.calls("anthropic")[-1].json["messages"][1]["content"]
    assert turn[0]["type"] == "thinking" and turn[0]["signature"]
    assert turn[-1]["type"] == "tool_use"


def test_openais_reasoning_comes_back_to_responses(proxy: Running, providers: Providers) -> None:
    message = first_call(proxy, "gpt-5.5", reasoning_effort="high")
    assert providers.calls("openai")[-1].path.endswith("/responses")

    assert second_turn(proxy, "gpt-5.5", message, reasoning_effort="high").status_code == 200

    items = providers.calls("openai")[-1].json["input"]
    assert [item.get("type", "message") for item in items] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert items[1]["encrypted_content"]


@pytest.mark.parametrize("maker", ["claude-opus-4.7", "gpt-5.5", "gemini-3.1-pro"])
@pytest.mark.parametrize("taker", ["claude-opus-4.7", "gpt-5.5", "gemini-3.1-pro", "gemini-3.8-flash"])
def test_a_conversation_goes_on_with_any_other_model(
    proxy: Running, providers: Providers, maker: str, taker: str
) -> None:
    message = first_call(proxy, maker, reasoning_effort="high")

    response = second_turn(proxy, taker, message, reasoning_effort="high")

    assert response.status_code == 200, response.text
    if taker.startswith("gemini"):
        (signature,) = signatures(providers.calls("gemini")[-1].json)
        assert (signature == DUMMY) == (taker != maker)


def test_what_is_kept_survives_a_restart_and_is_each_callers_own(tmp_path: Path, providers: Providers) -> None:
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two")}
    config = {
        "state": {"url": "sqlite:///state.db"},
        "keys": [{"id": name, "sha256": digest, "roles": ["call", "admin"]} for name, digest in keys.items()],
    }
    with running(tmp_path, with_keys(providers), config) as proxy:
        proxy.client.headers["authorization"] = "Bearer one"
        message = first_call(proxy, "gemini-3.1-pro")
    with running(tmp_path, with_keys(providers), config) as proxy:
        proxy.client.headers["authorization"] = "Bearer one"
        assert second_turn(proxy, "gemini-3.1-pro", message).status_code == 200
        (own,) = signatures(providers.calls("gemini")[-1].json)
        proxy.client.headers["authorization"] = "Bearer two"
        assert second_turn(proxy, "gemini-3.1-pro", message).status_code == 200
        (others,) = signatures(providers.calls("gemini")[-1].json)

    assert own != DUMMY and others == DUMMY
