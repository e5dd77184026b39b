"""Bugs of other gateways (numbered as in the list of 28) with what a request asks and what an error says: none is ours.

Tool calls and streams have files of their own beside this one.
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.callers import DOORS, Call, Caller, Door, Result, Said
from tests.providers import Providers, Stall, Status
from tests.running import Running, running, with_keys
from tests.scripts import (
    DIALECTS,
    MODELS,
    SPEECHES,
    Speech,
    calls_answer,
    candidates,
    chat_events,
    chunk,
    completion,
    dumped,
    function_call,
    message,
    message_end,
    message_start,
    named_events,
    response,
    script,
    text_answer,
    with_local,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"get_weather": CITY}
BOTH = {"get_weather": CITY, "get_time": None}
OSLO = Call("call_bugs_1", "get_weather", '{"city":"Oslo"}')

CALLERS = [Caller(door, stream) for door in DOORS for stream in (False, True)]
TALKING: tuple[Door, ...] = ("chat", "responses", "messages")  # legacy completions have one prompt and no tools
OPENAI: tuple[Door, ...] = ("chat", "responses", "completions")

each_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda one: f"{one.door}-{'stream' * one.stream}")
each_door = pytest.mark.parametrize("door", TALKING)
each_speech = pytest.mark.parametrize("speech", SPEECHES)


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


def sent(providers: Providers) -> Any:
    return providers.received[-1].json


def within(document: Any) -> Iterator[dict[str, Any]]:
    """Every object in `document`."""
    if isinstance(document, dict):
        yield document
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for value in inner:
        yield from within(value)


# --- errors ------------------------------------------------------------------------------------------------------


# 14: Gemini has no such header, but says so in the body.
@each_caller
@each_speech
def test_a_wait_asked_for_by_a_provider_is_passed_on_under_its_own_name(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, Status(429, retry_after_s=7))

    refused = caller.ask(proxy, MODELS[speech], "Hello")

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert [name for name in refused.headers if "retry-after" in name] == ["retry-after"]
    error = caller.failure(refused)
    assert error["type"] == "rate_limit_error" if caller.door == "messages" else error["code"] == "rate_limit_exceeded"


# 14
@pytest.mark.parametrize("door", DOORS)
def test_a_refusal_of_our_own_says_how_long_to_wait(tmp_path: Path, door: Door) -> None:
    limits = {"limits": {"in_flight": 1, "queue_s": 0}}
    caller = Caller(door)
    with Providers() as slow, running(tmp_path, with_keys(slow), limits) as busy:
        slow.fail("openai", Stall())
        waiting = threading.Thread(target=lambda: caller.ask(busy, "gpt-5.5", "Hello"))
        waiting.start()
        slow.wait_until(lambda: len(slow.received) == 1)

        refused = caller.ask(busy, "gpt-5.5", "Hello")

        busy.stop()
        waiting.join()
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
    assert caller.failure(refused)["message"]


def openai_error(**members: Any) -> Any:
    return {"error": {"message": "Bad thing", "type": "invalid_request_error", "param": None, "code": None, **members}}


BAD: dict[str, tuple[Speech, Any]] = {
    "chat, None as text": ("chat", openai_error(type="None", param="None", code="None")),
    "chat, a status as text": ("chat", openai_error(type=None, code="400")),
    "chat, a number": ("chat", openai_error(code=400)),
    "responses": ("responses", openai_error(code=400)),
    "messages": ("messages", {"type": "error", "error": {"type": "invalid_request_error", "message": "Bad thing"}}),
    "gemini": ("gemini", {"error": {"code": 400, "message": "Bad thing", "status": "INVALID_ARGUMENT"}}),
}


# 25
@each_caller
@pytest.mark.parametrize("how", BAD)
def test_the_code_of_an_error_is_a_word_or_nothing(
    proxy: Running, providers: Providers, caller: Caller, how: str
) -> None:
    speech, body = BAD[how]
    script(providers, speech, Status(400, dumped(body)))

    refused = caller.ask(proxy, MODELS[speech], "Hello")

    assert refused.status_code == 400
    error = caller.failure(refused)
    assert (error["message"], error["type"]) == ("Bad thing", "invalid_request_error")
    if caller.door != "messages":
        assert set(error) == {"message", "type", "param", "code"}
        assert error["param"] is None and re.fullmatch("[a-z_]+", error["code"])


# 25
@pytest.mark.parametrize("door", OPENAI)
@pytest.mark.parametrize("speech", ["chat", "responses"])
def test_a_code_of_the_providers_is_kept(proxy: Running, providers: Providers, door: Door, speech: Speech) -> None:
    body = openai_error(code="unsupported_value", param="temperature")
    script(providers, speech, Status(400, dumped(body)))

    error = Caller(door).failure(Caller(door).ask(proxy, MODELS[speech], "Hello"))

    assert (error["code"], error["param"]) == ("unsupported_value", "temperature")


TOO_LONG: dict[Speech, Any] = {
    "chat": openai_error(message="This model's maximum context length is 8192 tokens.", code=400),  # as vLLM has it
    "responses": openai_error(message="Your input exceeds the context window of this model.",
                              code="context_length_exceeded", param="input"),
    "messages": {"type": "error", "error": {"type": "invalid_request_error",
                                            "message": "prompt is too long: 1000001 tokens > 1000000 maximum"}},
    "gemini": {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (1048577) "
                         "exceeds the maximum number of tokens allowed (1048576)."}},
}  # fmt: skip


# 25
@each_caller
@each_speech
def test_too_long_a_prompt_is_told_in_the_callers_own_way(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, Status(400, dumped(TOO_LONG[speech])))

    refused = caller.ask(proxy, MODELS[speech], "Hello")

    assert refused.status_code == 400
    error = caller.failure(refused)
    assert error["type"] == "invalid_request_error"
    if caller.door == "messages":
        assert "prompt is too long" in error["message"]
    else:
        assert error["code"] == "context_length_exceeded"


# --- what is said in a turn --------------------------------------------------------------------------------------

BLANK: dict[Door, Any] = {
    "chat": {"messages": [
        {"role": "system", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_blank", "type": "function", "function": {
            "name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_blank", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "And?"}, {"type": "text", "text": " \n"}]},
    ]},
    "responses": {"input": [
        {"role": "developer", "content": ""},
        {"role": "user", "content": [{"type": "input_text", "text": ""}, {"type": "input_text", "text": "Hi"}]},
        {"role": "assistant", "content": ""},
        {"type": "function_call", "call_id": "call_blank", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_blank", "output": ""},
        {"role": "user", "content": [{"type": "input_text", "text": "And?"}, {"type": "input_text", "text": " \n"}]},
    ]},
    "messages": {"system": [{"type": "text", "text": ""}], "messages": [
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": ""}, {
            "type": "tool_use", "id": "call_blank", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_blank", "content": ""},
                                     {"type": "text", "text": "And?"}, {"type": "text", "text": " \n"}]},
    ]},
}  # fmt: skip


# 16: but a caller of Anthropic's own format and provider hears what the provider says of it.
@pytest.mark.parametrize(
    ("door", "speech"),
    [(d, s) for d in TALKING for s in ("messages", "gemini") if (d, s) != ("messages", "messages")],
)
def test_blank_texts_are_left_out_and_nothing_stands_in_for_them(
    proxy: Running, providers: Providers, door: Door, speech: Speech
) -> None:
    answer = Caller(door).ask(proxy, MODELS[speech], "", tools=WEATHER, **BLANK[door])

    assert answer.status_code == 200, answer.text
    body = sent(providers)
    texts = [one["text"] for one in within(body) if "text" in one]
    if speech == "messages":
        assert texts == ["Hi", "And?"] and "system" not in body
    else:
        assert [text for text in texts if text.strip()] == ["Hi", "And?"] and "" not in texts
        assert "systemInstruction" not in body


# 16
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("speech", ["messages", "gemini"])
def test_a_conversation_without_a_word_is_refused_and_not_filled(
    proxy: Running, providers: Providers, door: Door, speech: Speech
) -> None:
    before = len(providers.received)

    refused = Caller(door).ask(proxy, MODELS[speech], "")

    assert refused.status_code == 400 and Caller(door).failure(refused)["type"] == "invalid_request_error"
    assert len(providers.received) == before or door == speech == "messages"


# 19
@each_door
@pytest.mark.parametrize("text", ['{"$ref":"#/a","ok":true}', '{"schema":{"items":[{"$ref":"#/$defs/B"}]}}'])
def test_a_result_that_holds_a_ref_goes_to_gemini_as_text(
    proxy: Running, providers: Providers, door: Door, text: str
) -> None:
    turns = ["Show the schema", Said(calls=[OSLO]), Result(OSLO.id, text)]

    assert Caller(door).ask(proxy, "gemini-3.1-pro", *turns, tools=WEATHER).status_code == 200

    (told,) = [one["functionResponse"] for one in within(sent(providers)) if "functionResponse" in one]
    assert told["response"] == {"result": text}


# 23: whoever answered the turn before, and whoever answers now.
@pytest.mark.parametrize("first", SPEECHES)
@pytest.mark.parametrize("second", SPEECHES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_continued_response_remembers_what_was_said(
    proxy: Running, providers: Providers, first: Speech, second: Speech, stream: bool
) -> None:
    caller = Caller("responses", stream)
    if first != "responses":  # which remembers its own answers
        script(providers, first, text_answer(first, "Hello, ", "Ann!", stream=stream))
    begun = caller.read(caller.ask(proxy, MODELS[first], "My name is Ann."))
    id_ = begun.document["id"]

    said = caller.read(caller.ask(proxy, MODELS[second], "What is my name?", previous_response_id=id_))

    assert said.document["previous_response_id"] == id_
    body = sent(providers)
    if first == second == "responses":
        assert body["previous_response_id"] == id_
    else:
        told = providers.received[-1].body.decode()
        assert told.index("My name is Ann.") < told.index(begun.text) < told.index("What is my name?")
        assert "previous_response_id" not in body


# 23
def test_a_response_that_nobody_knows_is_not_continued(proxy: Running, providers: Providers) -> None:
    before = len(providers.received)
    caller = Caller("responses")

    refused = caller.ask(proxy, "gemini-3.1-pro", "And?", previous_response_id="resp_unknown")

    assert refused.status_code == 400 and caller.failure(refused)["param"] == "previous_response_id"
    assert len(providers.received) == before


_CHAT_MESSAGE = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal"}


# 24: an answer with all that we add to it goes back whole to a strict server of the same format.
@pytest.mark.parametrize("source", ["gemini", "messages", "responses"])
@pytest.mark.parametrize("called", [False, True])
def test_what_we_add_to_a_message_does_not_reach_the_next_provider(
    proxy: Running, providers: Providers, source: Speech, called: bool
) -> None:
    caller = Caller("chat")
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    use = {"type": "tool_use", "id": OSLO.id, "name": OSLO.name, "input": {"city": "Oslo"}}
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}],
                 "encrypted_content": "Y2lwaGVy"}  # fmt: skip
    text = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    call = {"id": "fc_1", "type": "function_call", "call_id": OSLO.id, "name": OSLO.name, "status": "completed",
            "arguments": OSLO.arguments}  # fmt: skip
    thinks = {"text": "Hm.", "thought": True}
    answers: dict[Speech, Any] = {
        "gemini": candidates(thinks, function_call(OSLO, "c2ln") if called else {"text": "Hi"}, end="STOP"),
        "messages": message(thought, use if called else {"type": "text", "text": "Hi"}, end="tool_use" if called else
                            "end_turn"),
        "responses": response(reasoning, call if called else item),
    }  # fmt: skip
    script(providers, source, answers[source])
    asked = {"tools": WEATHER, "reasoning_effort": "high", "headers": {"x-router-explain": "full"}}
    answered = caller.read(caller.ask(proxy, MODELS[source], "Hello", **asked)).document["choices"][0]["message"]
    assert answered["reasoning_content"] == "Hm."
    result = [{"role": "tool", "tool_call_id": OSLO.id, "content": "7"}] if called else []
    history = [{"role": "user", "content": "Hello"}, answered, *result, {"role": "user", "content": "And?"}]

    assert caller.ask(proxy, "local", "", tools=WEATHER, messages=history).status_code == 200

    for told in sent(providers)["messages"]:
        assert set(told) <= _CHAT_MESSAGE and None not in [told[name] for name in set(told) - {"content"}]
        for made in told.get("tool_calls", ()):
            assert set(made) == {"id", "type", "function"} and set(made["function"]) == {"name", "arguments"}


# 24: LangChain.js chokes on an `images: []`.
@pytest.mark.parametrize("speech", SPEECHES)
def test_an_answer_has_no_fields_that_say_nothing(proxy: Running, providers: Providers, speech: Speech) -> None:
    script(providers, speech, text_answer(speech, "Hi", stream=False))
    caller = Caller("chat")

    document = caller.read(caller.ask(proxy, MODELS[speech], "Hello")).document

    assert set(document) <= {"id", "object", "created", "model", "choices", "usage", "service_tier"}
    assert set(document["choices"][0]) == {"index", "message", "logprobs", "finish_reason"}
    assert set(document["choices"][0]["message"]) == {"role", "content", "refusal"}


# 24
@pytest.mark.parametrize("door", ["messages", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_another_provider_goes_back_to_the_formats_own(
    proxy: Running, providers: Providers, door: Door, stream: bool
) -> None:
    caller = Caller(door, stream)
    own: Speech = "messages" if door == "messages" else "responses"
    thinks = {"text": "Hm.", "thought": True}
    answer = candidates(thinks, {"text": "Hi"}, function_call(OSLO, "c2ln"), end="STOP")
    script(providers, "gemini", b"data: " + dumped(answer) + b"\r\n\r\n" if stream else answer)
    wish: dict[str, Any] = {
        "messages": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "responses": {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False},
    }[door]
    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", "Hello", tools=WEATHER, **wish))
    assert said.thoughts == "Hm." and said.calls == [OSLO._replace(arguments=said.calls[0].arguments)]
    if door == "responses":
        items = [{"role": "user", "content": "Hello"}, *said.document["output"]]
        items.append({"type": "function_call_output", "call_id": OSLO.id, "output": "7"})
        told = caller.ask(proxy, MODELS[own], "", tools=WEATHER, input=items, **wish)
    else:
        told = caller.ask(proxy, MODELS[own], "Hello", said, Result(OSLO.id, "7"), tools=WEATHER, **wish)

    assert told.status_code == 200, told.text
    thoughts = [one for one in within(sent(providers)) if one.get("type") in ("thinking", "reasoning")]
    assert not any(one.get("signature") == "" or "encrypted_content" in one for one in thoughts)


# --- what is asked for -------------------------------------------------------------------------------------------

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
@each_door
def test_a_tools_schema_reaches_gemini_whole(proxy: Running, providers: Providers, door: Door) -> None:
    assert Caller(door).ask(proxy, "gemini-3.1-pro", "Draw it", tools={"draw": SCHEMA}).status_code == 200

    (declaration,) = sent(providers)["tools"][0]["functionDeclarations"]
    assert "parameters" not in declaration
    check_schema(declaration["parametersJsonSchema"])


# 18
@each_door
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
@pytest.mark.parametrize("door", DOORS)
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
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["local", "claude-opus-4.6", "gemini-3.1-pro"])
def test_a_temperature_of_zero_is_told(proxy: Running, providers: Providers, door: Door, model: str) -> None:
    assert Caller(door).ask(proxy, model, "Hello", temperature=0).status_code == 200

    body = sent(providers)
    assert body.get("generationConfig", body)["temperature"] == 0


EFFORT: dict[Door, Any] = {
    "chat": {"reasoning_effort": "high"},
    "responses": {"reasoning": {"effort": "high"}},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 12_000}},
}
FORCED: dict[Door, list[Any]] = {
    "chat": ["required", {"type": "function", "function": {"name": "get_weather"}}],
    "responses": ["required", {"type": "function", "name": "get_weather"}],
    "messages": [{"type": "any"}, {"type": "tool", "name": "get_weather"}],
}


# 21
@each_door
@pytest.mark.parametrize("model", ["claude-opus-4.7", "claude-opus-4.8", "claude-opus-5", "claude-sonnet-5.5"])
def test_an_adaptive_model_is_told_to_think_in_its_own_way(
    proxy: Running, providers: Providers, door: Door, model: str
) -> None:
    assert Caller(door).ask(proxy, model, "Hello", **EFFORT[door]).status_code == 200

    body = sent(providers)
    assert body["thinking"]["type"] == "adaptive" and "budget_tokens" not in body["thinking"]
    assert body["output_config"]["effort"] in ("medium", "high")


# 21
@each_door
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
@pytest.mark.parametrize("door", TALKING)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.5-high", "gpt-5.6"])
def test_tools_together_with_an_effort_go_where_openai_takes_them(
    proxy: Running, providers: Providers, door: Door, stream: bool, model: str
) -> None:
    caller = Caller(door, stream)
    wish = EFFORT[door] if model == "gpt-5.5" else {}  # gpt-5.6 refuses them even so
    script(
        providers,
        "responses",
        calls_answer("responses", OSLO, stream=stream),
        text_answer("responses", "Mild.", stream=stream),
    )
    said = caller.read(caller.ask(proxy, model, "How is Oslo?", tools=WEATHER, **wish))
    assert (said.end, [call.id for call in said.calls]) == ("tool_calls", [OSLO.id])

    done = caller.read(
        caller.ask(proxy, model, "How is Oslo?", said, Result(OSLO.id, "18"), tools=WEATHER, **wish)
    )

    assert (done.text, done.end) == ("Mild.", "stop")
    for received in providers.received[-2:]:
        assert received.path.endswith("/responses")
        (tool,) = received.json["tools"]
        assert (tool["type"], tool["name"], tool["parameters"]["type"]) == ("function", "get_weather", "object")
    if model != "gpt-5.6":
        assert sent(providers)["reasoning"]["effort"] in ("medium", "high")
    kinds = [item.get("type", "message") for item in sent(providers)["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]


# 22: chat completions takes tools without an effort, and custom tools with one.
def test_what_chat_completions_takes_goes_there(proxy: Running, providers: Providers) -> None:
    custom = {"type": "custom", "custom": {"name": "shell", "description": "Runs it"}}

    for wish in ({"tools": WEATHER}, {**EFFORT["chat"]}, {**EFFORT["chat"], "tools": None}):
        tools = wish.pop("tools", WEATHER) if "tools" in wish else {}
        more = {"tools": [custom]} if tools is None else {}
        body = Caller("chat").body("gpt-5.5", "Hello", tools=tools or None, **wish)
        assert proxy.client.post("/v1/chat/completions", json={**body, **more}).status_code == 200
        assert providers.received[-1].path.endswith("/chat/completions")


def allowed(door: Door, mode: str) -> Any:
    if door == "chat":
        tools = [{"type": "function", "function": {"name": "get_weather"}}]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "get_weather"}]}


# 26
@pytest.mark.parametrize("door", ["chat", "responses"])
@each_speech
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_those_that_the_model_may_call(
    proxy: Running, providers: Providers, door: Door, speech: Speech, mode: str
) -> None:
    answer = Caller(door).ask(proxy, MODELS[speech], "Hello", tools=BOTH, tool_choice=allowed(door, mode))

    assert answer.status_code == 200, answer.text
    body = sent(providers)
    match speech:
        case "messages":
            assert [tool["name"] for tool in body["tools"]] == ["get_weather"]
            assert body["tool_choice"]["type"] == {"auto": "auto", "required": "any"}[mode]
        case "gemini":
            offered = [one["name"] for one in body["tools"][0]["functionDeclarations"]]
            config = body["toolConfig"]["functionCallingConfig"]
            assert offered == ["get_weather"] or config["allowedFunctionNames"] == ["get_weather"]
            assert config["mode"] == {"auto": "AUTO", "required": "ANY"}[mode] or mode == "auto"
        case _:
            choice = body["tool_choice"]
            if choice == mode:  # the others are left out
                assert [tool.get("function", tool)["name"] for tool in body["tools"]] == ["get_weather"]
            else:
                assert choice.get("allowed_tools", choice)["mode"] == mode
                assert choice.get("allowed_tools", choice)["tools"] == allowed(door, mode).get(
                    "allowed_tools", allowed(door, mode)
                )["tools"]


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


# --- the list ----------------------------------------------------------------------------------------------------


def test_each_of_the_28_bugs_has_a_test() -> None:
    found = set()
    for file in Path(__file__).parent.glob("test_gateway_bugs*.py"):
        for numbers in re.findall(r"^# (\d[\d, and]*)(?::[^\n]*)?\n(?:@[^\n]*\n(?:[ )\]][^\n]*\n)*)*def test_", file.read_text(), re.M):
            found |= {int(number) for number in re.findall(r"\d+", numbers)}

    assert found == set(range(1, 29))
