"""Bugs of other gateways, numbered as in the list of 28: conversations on their way to the next provider."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.callers import (
    EFFORT,
    Caller,
    Result,
    each_door,
    each_talker,
    each_talking_door,
)
from tests.providers import Providers
from tests.reading import Call, Door, Said
from tests.running import Running, running, with_keys
from tests.scripts import (
    MODELS,
    OSLO,
    ROME,
    TIME,
    TOOLS,
    WEATHER,
    Speech,
    block_start,
    block_stop,
    candidates,
    each_speech,
    function_call,
    gemini_events,
    message,
    message_end,
    message_start,
    named_events,
    script,
    sent,
    text_answer,
    thinking_block,
    tool_block,
    with_local,
    within,
)

QUESTION = "What is the weather in Oslo and in Rome?"
OLD = (OSLO._replace(id="call_old_1"), ROME._replace(id="call_old_2"))
DUMMY = "skip_thought_signature_validator"


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:  # which don't wait between pieces
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


def blocks(turn: Any) -> list[str]:
    return [block["type"] for block in turn["content"]]


# 4 and 5: a signature as long as they are, on the first of parallel calls, and another in the next step.
@each_talker
def test_signatures_come_back_from_plain_clients_and_ids_stay_short(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    first, second = "c2ln" * 500, "bmV4" * 500
    steps = [candidates(function_call(OSLO, first), function_call(ROME)), candidates(function_call(TIME, second))]
    for step in steps:
        end = candidates(end="STOP")
        whole = {**step, "candidates": [{**step["candidates"][0], "finishReason": "STOP"}]}
        script(providers, "gemini", gemini_events(step, end) if caller.stream else whole)
    turns: list[Any] = [QUESTION]
    for _ in steps:
        said = caller.read(caller.ask(proxy, "gemini-3.1-pro", *turns, tools=TOOLS))
        assert all(re.fullmatch("[a-zA-Z0-9_-]{1,40}", call.id) for call in said.calls)
        turns += [said, *(Result(call.id, "18 degrees") for call in said.calls)]

    script(providers, "gemini", text_answer("gemini", "Mild.", stream=caller.stream))
    assert caller.read(caller.ask(proxy, "gemini-3.1-pro", *turns, tools=TOOLS)).text == "Mild."

    parts = [part for content in sent(providers)["contents"] for part in content["parts"]]
    signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert signatures == [first, None, second]


# 4: who does keep unknown fields needs no memory of ours.
def test_a_signature_rides_on_the_call_in_googles_own_way(proxy: Running, providers: Providers) -> None:
    script(providers, "gemini", candidates(function_call(OSLO, "c2ln"), end="STOP"))
    caller = Caller("chat")

    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", QUESTION, tools=TOOLS))

    (call,) = said.document["choices"][0]["message"]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}


# 4: what another provider made, or nobody remembers, is made valid.
@each_talker
def test_history_without_a_signature_is_accepted_by_gemini(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    history = [QUESTION, Said(calls=[*OLD]), Result("call_old_1", "7"), Result("call_old_2", "21")]

    assert caller.ask(proxy, "gemini-3.1-pro", *history, tools=TOOLS).status_code == 200

    parts = [part for content in sent(providers)["contents"] for part in content["parts"]]
    signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert signatures == [DUMMY, None]


def signed(thinking: str, signature: str, call: Call, *, stream: bool) -> Any:
    if stream:
        begun = [message_start(), *thinking_block(0, thinking, signature), *tool_block(1, call)]
        return named_events(*begun, *message_end("tool_use"))
    block = {"type": "thinking", "thinking": thinking, "signature": signature}
    use = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
    return message(block, use, end="tool_use")


# 15: two steps, the thinking of the first signed but empty, as Opus 4.7 gives it unless asked to show it.
@each_talker
def test_signed_thinking_goes_back_before_its_own_call_even_when_empty(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    script(
        providers,
        "messages",
        signed("", "c2lnMQ==", OSLO, stream=caller.stream),
        signed("Rome too.", "c2lnMg==", ROME, stream=caller.stream),
        text_answer("messages", "Mild.", stream=caller.stream),
    )
    wish: dict[str, Any] = {
        "chat": {"reasoning_effort": "high"},
        "responses": {"reasoning": {"effort": "high"}},
        "messages": {"thinking": {"type": "adaptive", "display": "summarized"}},
    }[caller.door]
    turns: list[Any] = [QUESTION]
    for _ in range(2):
        said = caller.read(caller.ask(proxy, "claude-opus-4.7", *turns, tools=TOOLS, **wish))
        turns += [said, Result(said.calls[0].id, "18 degrees")]

    assert caller.read(caller.ask(proxy, "claude-opus-4.7", *turns, tools=TOOLS, **wish)).text == "Mild."

    body = sent(providers)
    assert body["thinking"]["type"] == "adaptive"
    _, first, _, second, _ = body["messages"]
    assert blocks(first) == blocks(second) == ["thinking", "tool_use"]
    assert first["content"][0] == {"type": "thinking", "thinking": "", "signature": "c2lnMQ=="}
    assert second["content"][0] == {"type": "thinking", "thinking": "Rome too.", "signature": "c2lnMg=="}
    assert [turn["content"][1]["input"] for turn in (first, second)] == [{"city": "Oslo"}, {"city": "Rome"}]


# 15
@each_talker
def test_redacted_thinking_goes_back_as_it_came(proxy: Running, providers: Providers, caller: Caller) -> None:
    redacted = {"type": "redacted_thinking", "data": "Y2lwaGVy"}
    use = {"type": "tool_use", "id": OSLO.id, "name": OSLO.name, "input": {"city": "Oslo"}}
    stream = named_events(
        message_start(), block_start(0, redacted), block_stop(0), *tool_block(1, OSLO), *message_end("tool_use")
    )
    script(providers, "messages", stream if caller.stream else message(redacted, use, end="tool_use"))
    said = caller.read(caller.ask(proxy, "claude-opus-4.7", QUESTION, tools=TOOLS))

    caller.ask(proxy, "claude-opus-4.7", QUESTION, said, Result(OSLO.id, "7"), tools=TOOLS)

    assert sent(providers)["messages"][1]["content"][0] == redacted


# 15: a model that thinks by a budget refuses a turn with calls and without its thinking; so it isn't asked to think.
@each_talker
def test_a_turn_that_has_lost_its_thinking_is_not_refused(proxy: Running, providers: Providers, caller: Caller) -> None:
    history = [QUESTION, Said(calls=[OLD[0]]), Result("call_old_1", "7")]

    response = caller.ask(proxy, "claude-haiku-4.5", *history, tools=TOOLS, **EFFORT[caller.door])

    assert response.status_code == 200, response.text
    assert sent(providers).get("thinking", {}).get("type") != "enabled"


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
}  # fmt: skip


# 16: Anthropic's own callers are refused, as by Anthropic.
@pytest.mark.parametrize(
    ("door", "speech"),
    [(door, speech) for door in BLANK for speech in ("messages", "gemini")],
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
@each_door
@pytest.mark.parametrize("speech", ["messages", "gemini"])
def test_a_conversation_without_a_word_is_refused_and_not_filled(
    proxy: Running, providers: Providers, door: Door, speech: Speech
) -> None:
    before = len(providers.received)

    refused = Caller(door).ask(proxy, MODELS[speech], "")

    assert refused.status_code == 400 and Caller(door).failure(refused)["type"] == "invalid_request_error"
    assert len(providers.received) == before or door == speech == "messages"


# 17: results in another order than the calls, with the user's next words behind them.
@each_talker
@each_speech
def test_parallel_results_are_one_turn_and_come_first(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    results = [Result("call_old_2", "21"), Result("call_old_1", "7")]
    history = [QUESTION, Said(calls=[*OLD]), *results, "And in words?"]

    response = caller.ask(proxy, MODELS[speech], *history, tools=TOOLS)

    assert response.status_code == 200, response.text
    body = sent(providers)
    match speech:
        case "messages":
            _, called, answered = body["messages"]
            assert blocks(called) == ["tool_use", "tool_use"]
            assert blocks(answered) == ["tool_result", "tool_result", "text"]
            told = {block["tool_use_id"]: block["content"] for block in answered["content"][:2]}
            assert "21" in json.dumps(told["call_old_2"]) and "7" in json.dumps(told["call_old_1"])
        case "gemini":
            _, called, answered = body["contents"][:3]
            assert [part["functionCall"]["name"] for part in called["parts"]] == ["get_weather", "get_weather"]
            responses = [part["functionResponse"] for part in answered["parts"] if "functionResponse" in part]
            assert len(responses) == 2 and "functionResponse" in answered["parts"][0]
            told = {one["id"]: one["response"] for one in responses}
            assert told == {"call_old_2": {"result": "21"}, "call_old_1": {"result": "7"}}
        case "chat":
            roles = [message["role"] for message in body["messages"]]
            assert roles == ["user", "assistant", "tool", "tool", "user"]
        case "responses":
            kinds = [item.get("type", "message") for item in body["input"]]
            assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2, "message"]
    assert asked_first(body)


def asked_first(body: Any) -> bool:
    turns = body.get("messages") or body.get("contents") or body["input"]
    return QUESTION in json.dumps(turns[0]) and "And in words?" in json.dumps(turns[-1])


# 17
@each_talker
@each_speech
@pytest.mark.parametrize(
    "turns",
    [
        [Said(calls=[*OLD]), Result("call_old_1", "7"), "And in Rome?"],
        [Said(text="It is mild."), Result("call_old_1", "7")],
    ],
    ids=["no result", "no call"],
)
def test_a_call_without_its_result_and_a_result_without_its_call_are_the_callers_mistake(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech, turns: list[Any]
) -> None:
    before = len(providers.received)

    refused = caller.ask(proxy, MODELS[speech], QUESTION, *turns, tools=TOOLS)

    assert refused.status_code == 400, refused.text
    assert caller.failure(refused)["type"] == "invalid_request_error"
    if caller.door != speech:
        assert len(providers.received) == before  # found before anybody was asked


# 17: OpenAI's chat completions and Anthropic refuse it; where the formats differ it can be put right.
@each_talker
@each_speech
def test_a_result_that_comes_late_is_refused_or_put_behind_its_call(
    proxy: Running, caller: Caller, speech: Speech
) -> None:
    turns = [QUESTION, Said(calls=[OLD[0]]), "Never mind.", Result("call_old_1", "7")]

    told = caller.ask(proxy, MODELS[speech], *turns, tools=TOOLS)

    refused = caller.door == "chat" or caller.door == speech == "messages"
    assert told.status_code == (400 if refused else 200), told.text


# 19
@each_talking_door
@pytest.mark.parametrize("text", ['{"$ref":"#/a","ok":true}', '{"schema":{"items":[{"$ref":"#/$defs/B"}]}}'])
def test_a_result_that_holds_a_ref_goes_to_gemini_as_text(
    proxy: Running, providers: Providers, door: Door, text: str
) -> None:
    turns = ["Show the schema", Said(calls=[OSLO]), Result(OSLO.id, text)]

    assert Caller(door).ask(proxy, "gemini-3.1-pro", *turns, tools=WEATHER).status_code == 200

    (told,) = [one["functionResponse"] for one in within(sent(providers)) if "functionResponse" in one]
    assert told["response"] == {"result": text}
