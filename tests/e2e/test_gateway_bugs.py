"""Bugs of other gateways, numbered as in the list of 28: what a request asks for. The last test counts all of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.callers import (
    EFFORT,
    Caller,
    Result,
    each_caller,
    each_door,
    each_talker,
    each_talking_door,
)
from tests.providers import Providers
from tests.reading import Door
from tests.running import Running, running, with_keys
from tests.scripts import (
    MODELS,
    OSLO,
    TOOLS,
    WEATHER,
    Speech,
    calls_answer,
    candidates,
    chat_events,
    chunk,
    completion,
    dumped,
    each_speech,
    message,
    message_end,
    message_start,
    named_events,
    script,
    sent,
    text_answer,
    with_local,
    within,
)


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:  # which don't wait between pieces
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


SCHEMA: Any = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    "type": "object",
    "properties": {
        "at": {"$ref": "#/$defs/Point"},
        "from": {"$ref": "#/$defs/Point", "description": "Where it began"},
        "kind": {"const": "fixed"},
        "note": {"type": ["string", "null"]},
        "box": {"type": ["object", "null"], "properties": {"size": {"type": "object", "properties": {
            "width": {"type": "integer"}}}}},
        "place": {"anyOf": [{"type": "object", "properties": {"street": {"type": "string"}}}, {"type": "null"}]},
    },
    "required": ["at", "kind"],
}  # fmt: skip


def check_schema(schema: Any) -> None:
    """What Gemini reads of SCHEMA: all of it, but for `const` and what stands beside a $ref."""
    properties = schema["properties"]
    assert schema["$defs"]["Point"]["properties"] == {"x": {"type": "number"}}
    assert properties["at"] == {"$ref": "#/$defs/Point"}
    beside = [one for one in within(schema) if "$ref" in one]
    assert len(beside) == 2 and all(key.startswith("$") for one in beside for key in one)
    assert properties["from"]["description"] == "Where it began"
    assert properties["kind"]["enum"] == ["fixed"] and "const" not in properties["kind"]
    assert properties["note"]["type"] == ["string", "null"]
    assert properties["box"]["properties"]["size"]["properties"]["width"] == {"type": "integer"}
    assert properties["place"]["anyOf"][0]["properties"]["street"] == {"type": "string"}
    assert schema["required"] == ["at", "kind"]


# 18
@each_talking_door
def test_a_tools_schema_reaches_gemini_whole(proxy: Running, providers: Providers, door: Door) -> None:
    assert Caller(door).ask(proxy, "gemini-3.1-pro", "Draw it", tools={"draw": SCHEMA}).status_code == 200

    (declaration,) = sent(providers)["tools"][0]["functionDeclarations"]
    assert "parameters" not in declaration
    check_schema(declaration["parametersJsonSchema"])


# 18
@each_talking_door
def test_an_answers_schema_reaches_gemini_whole(proxy: Running, providers: Providers, door: Door) -> None:
    script(providers, "gemini", text_answer("gemini", '{"at":{"x":1},"kind":"fixed"}', stream=False))
    wish: dict[str, Any] = {
        "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        "responses": {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    }[door]

    answer = Caller(door).ask(proxy, "gemini-3.1-pro", "Draw it", **wish)

    assert answer.status_code == 200, answer.text
    config = sent(providers)["generationConfig"]
    assert "responseSchema" not in config and config["responseMimeType"] == "application/json"
    check_schema(config["responseJsonSchema"])


# 20
@each_door
@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.5-pro", "gpt-5.6", "claude-opus-4.7", "claude-opus-5.5",
                                   "gemini-3.8-flash"])  # fmt: skip
def test_a_model_without_temperature_is_not_told_one(
    proxy: Running, providers: Providers, door: Door, model: str
) -> None:
    answer = Caller(door).ask(proxy, model, "Hello", temperature=0.2, top_p=0.5)

    assert answer.status_code == 200, answer.text
    body = sent(providers)
    assert not any(name in one for one in within(body) for name in ("temperature", "top_p", "topP"))


# 20: and the others are told, 0 too.
@each_door
@pytest.mark.parametrize("model", ["local", "claude-opus-4.6", "gemini-3.1-pro"])
def test_a_temperature_of_zero_is_told(proxy: Running, providers: Providers, door: Door, model: str) -> None:
    assert Caller(door).ask(proxy, model, "Hello", temperature=0).status_code == 200

    body = sent(providers)
    assert body.get("generationConfig", body)["temperature"] == 0


# 20: of the two, these take one, and no more than 1.
@each_door
@pytest.mark.parametrize("model", ["claude-opus-4.6", "claude-haiku-4.5"])
def test_earlier_models_of_anthropic_are_told_one_of_the_two(
    proxy: Running, providers: Providers, door: Door, model: str
) -> None:
    high = 1 if door == "messages" else 1.5

    assert Caller(door).ask(proxy, model, "Hello", temperature=high, top_p=0.5).status_code == 200

    assert sent(providers)["temperature"] == 1 and "top_p" not in sent(providers)


FORCED: dict[Door, list[Any]] = {
    "chat": ["required", {"type": "function", "function": {"name": "get_weather"}}],
    "responses": ["required", {"type": "function", "name": "get_weather"}],
    "messages": [{"type": "any"}, {"type": "tool", "name": "get_weather"}],
}


# 21
@each_talking_door
@pytest.mark.parametrize("model", ["claude-opus-4.7", "claude-opus-4.8", "claude-opus-5", "claude-sonnet-5.5"])
def test_an_adaptive_model_is_told_to_think_in_its_own_way(
    proxy: Running, providers: Providers, door: Door, model: str
) -> None:
    assert Caller(door).ask(proxy, model, "Hello", **EFFORT[door]).status_code == 200

    body = sent(providers)
    assert body["thinking"]["type"] == "adaptive" and "budget_tokens" not in body["thinking"]
    assert body["output_config"]["effort"] in ("medium", "high")


# 21
@each_talking_door
@pytest.mark.parametrize("kind", [0, 1], ids=["any", "named"])
@pytest.mark.parametrize("model", ["claude-opus-4.7", "claude-haiku-4.5"])
def test_a_tool_is_forced_without_thinking(
    proxy: Running, providers: Providers, door: Door, kind: int, model: str
) -> None:
    wish = {**EFFORT[door], "tool_choice": FORCED[door][kind]}

    answer = Caller(door).ask(proxy, model, "Hello", tools=WEATHER, **wish)

    assert answer.status_code == 200, answer.text
    body = sent(providers)
    assert body["tool_choice"]["type"] in ("any", "tool")
    assert body.get("thinking", {}).get("type") not in ("enabled", "adaptive")


# 22: with what comes back, and back again.
@each_talker
@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.5-high", "gpt-5.6"])
def test_tools_together_with_an_effort_go_where_openai_takes_them(
    proxy: Running, providers: Providers, caller: Caller, model: str
) -> None:
    wish = EFFORT[caller.door] if model == "gpt-5.5" else {}  # gpt-5.6 refuses them even so
    script(
        providers,
        "responses",
        calls_answer("responses", OSLO, stream=caller.stream),
        text_answer("responses", "Mild.", stream=caller.stream),
    )
    said = caller.read(caller.ask(proxy, model, "How is Oslo?", tools=WEATHER, **wish))
    assert (said.end, [call.id for call in said.calls]) == ("tool_calls", [OSLO.id])

    done = caller.read(caller.ask(proxy, model, "How is Oslo?", said, Result(OSLO.id, "18"), tools=WEATHER, **wish))

    assert (done.text, done.end) == ("Mild.", "stop")
    for received in providers.received[-2:]:
        assert received.path.endswith("/responses")
        (tool,) = received.json["tools"]
        assert (tool["type"], tool["name"], tool["parameters"]["type"]) == ("function", "get_weather", "object")
    if model != "gpt-5.6":
        assert sent(providers)["reasoning"]["effort"] in ("medium", "high")
    kinds = [item.get("type", "message") for item in sent(providers)["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]


CUSTOM = {"type": "custom", "custom": {"name": "shell", "description": "Runs it"}}


# 22
@pytest.mark.parametrize("wish", [{"tools": [CUSTOM], "reasoning_effort": "high"}, {"reasoning_effort": "high"}])
def test_an_effort_with_custom_tools_or_none_goes_to_chat_completions(
    proxy: Running, providers: Providers, wish: Any
) -> None:
    body = {**Caller("chat").body("gpt-5.5", "Hello"), **wish}

    assert proxy.client.post("/v1/chat/completions", json=body).status_code == 200
    assert providers.received[-1].path.endswith("/chat/completions")
    assert sent(providers)["reasoning_effort"] == "high"


# 22
def test_tools_without_an_effort_go_to_chat_completions(proxy: Running, providers: Providers) -> None:
    assert Caller("chat").ask(proxy, "gpt-5.5", "Hello", tools=WEATHER).status_code == 200
    assert providers.received[-1].path.endswith("/chat/completions")


def allowed(door: Door, mode: str) -> Any:
    if door == "chat":
        tools = [{"type": "function", "function": {"name": "get_weather"}}]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "get_weather"}]}


# 26: either it is said, or what isn't allowed is left out.
@pytest.mark.parametrize("door", ["chat", "responses"])
@each_speech
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_those_that_the_model_may_call(
    proxy: Running, providers: Providers, door: Door, speech: Speech, mode: str
) -> None:
    choice = allowed(door, mode)

    answer = Caller(door).ask(proxy, MODELS[speech], "Hello", tools=TOOLS, tool_choice=choice)

    assert answer.status_code == 200, answer.text
    body = sent(providers)
    if door == speech:
        assert body["tool_choice"] == choice and len(body["tools"]) == 2
        return
    offered = [one["name"] for one in within(body["tools"]) if "name" in one]
    assert offered == ["get_weather"]
    if speech == "messages":
        assert body["tool_choice"]["type"] == {"auto": "auto", "required": "any"}[mode]
    elif speech == "gemini":
        assert body["toolConfig"]["functionCallingConfig"]["mode"] == {"auto": "AUTO", "required": "ANY"}[mode]
    else:
        assert body["tool_choice"] == mode


# 26
@pytest.mark.parametrize("door", ["chat", "completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_several_choices_are_given_or_refused_by_name(
    proxy: Running, providers: Providers, door: Door, stream: bool
) -> None:
    caller = Caller(door, stream)
    parts = [{"index": index, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
             for index, text in enumerate(("One", "Two"))]  # fmt: skip
    answer = candidates(candidates=parts)
    script(providers, "gemini", b"data: " + dumped(answer) + b"\r\n\r\n" if stream else answer)

    given = caller.read(caller.ask(proxy, "gemini-3.1-pro", "Hello", n=2))
    assert sent(providers)["generationConfig"]["candidateCount"] == 2
    assert given.choices == ["One", "Two"]
    before = len(providers.received)
    for model in ("claude-opus-4.7", "gpt-5.5-pro"):
        refused = caller.failure(caller.ask(proxy, model, "Hello", n=2))
        assert re.search(r"\bn\b", refused["message"]), refused
    assert len(providers.received) == before


NO = "I can't help with that."
REFUSALS: dict[Speech, tuple[Any, bytes]] = {
    "chat": (
        completion({"refusal": NO}),
        chat_events(chunk({"role": "assistant", "content": "", "refusal": None}), chunk({"refusal": NO[:7]}),
                    chunk({"refusal": NO[7:]}), chunk({}, "stop"), b"[DONE]"),
    ),
    "messages": (
        message(end="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": NO}),
        named_events(message_start(), {**message_end("refusal")[0], "delta": {
            "stop_reason": "refusal", "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": "cyber", "explanation": NO}}}, message_end("refusal")[1]),
    ),
}  # fmt: skip


# 26: the refusal stands where the caller's format has it; legacy completions have text alone.
@each_caller
@pytest.mark.parametrize("speech", REFUSALS)
def test_a_refusal_is_told_as_one(proxy: Running, providers: Providers, caller: Caller, speech: Speech) -> None:
    script(providers, speech, REFUSALS[speech][caller.stream])

    said = caller.read(caller.ask(proxy, MODELS[speech], "Hello"))

    if caller.door == "completions":
        assert said.text == NO
    else:
        assert said.refusal == NO
    if speech == "messages" or caller.door == "messages":
        assert said.end == "content_filter"


# 28: OpenAI refuses it on chat completions, and nowhere else.
@each_speech
@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_calls_without_tools_ask_for_no_choice_of_one(
    proxy: Running, providers: Providers, speech: Speech, stream: bool
) -> None:
    chat, responses = Caller("chat", stream), Caller("responses", stream)
    before = len(providers.received)

    refused = chat.ask(proxy, MODELS[speech], "Hello", parallel_tool_calls=False)
    assert refused.status_code == 400 and chat.failure(refused)["param"] == "parallel_tool_calls"
    assert len(providers.received) == before

    unset = chat.ask(proxy, MODELS[speech], "Hello", parallel_tool_calls=None, tools=None, tool_choice=None)
    taken = responses.ask(proxy, MODELS[speech], "Hello", parallel_tool_calls=False)
    assert (unset.status_code, taken.status_code) == (200, 200), taken.text
    for received in providers.received[before:]:
        assert not {"tool_choice", "toolConfig", "tools"} & set(received.json)
        assert "parallel_tool_calls" not in received.json or received.path.endswith("/responses")


# 28: one call at a time, where there are tools.
@pytest.mark.parametrize("door", ["chat", "responses"])
def test_one_call_at_a_time_is_asked_for_in_anthropics_way(proxy: Running, providers: Providers, door: Door) -> None:
    caller = Caller(door)
    assert caller.ask(proxy, "claude-opus-4.7", "Hello", tools=WEATHER, parallel_tool_calls=False).status_code == 200

    assert sent(providers)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


_NUMBERED = re.compile(r"^# (\d+(?:(?:, | and )\d+)*)\b[^\n]*\n(?:(?!\n\n)[\s\S])*?^def (test_\w+)", re.MULTILINE)


def test_each_of_the_28_bugs_has_a_test() -> None:
    tests: dict[int, list[str]] = {number: [] for number in range(1, 29)}
    for file in Path(__file__).parent.glob("test_gateway_bugs*.py"):
        for numbers, name in _NUMBERED.findall(file.read_text("utf-8")):
            for number in re.findall(r"\d+", numbers):
                tests[int(number)].append(name)

    assert [number for number, names in tests.items() if not names] == []
