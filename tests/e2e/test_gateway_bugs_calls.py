"""Bugs of other gateways (numbered as in the list of 28) with tool calls and what comes back of them: none is ours."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.callers import Call, Caller, Result, Said
from tests.providers import Providers
from tests.running import Running, running, with_keys
from tests.scripts import (
    CHAT_START,
    DIALECTS,
    MODELS,
    SPEECHES,
    Speech,
    block_start,
    block_stop,
    call_item,
    calls_answer,
    candidates,
    chat_events,
    chunk,
    completion,
    function_call,
    gemini_events,
    message,
    message_end,
    message_start,
    named_events,
    response,
    script,
    text_answer,
    text_block,
    thinking_block,
    tool_block,
    with_local,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"get_weather": CITY, "get_time": None}
OSLO = Call("call_oslo", "get_weather", '{"city":"Oslo"}')
OLD = (Call("call_old_1", "get_weather", '{"city":"Oslo"}'), Call("call_old_2", "get_weather", '{"city":"Rome"}'))
ROME = Call("call_rome", "get_weather", '{"city":"Rome"}')
TIME = Call("call_time", "get_time", "{}")
QUESTION = "What is the weather in Oslo and in Rome?"
DUMMY = "skip_thought_signature_validator"

# Legacy completions have no tools.
CALLERS = [Caller(door, stream) for door in ("chat", "responses", "messages") for stream in (False, True)]
each_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda one: f"{one.door}-{'stream' * one.stream}")
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


def calls_of(said: Said) -> list[tuple[str, Any]]:
    assert said.end == "tool_calls"
    return [(call.name, json.loads(call.arguments)) for call in said.calls]


def sent(providers: Providers, speech: Speech) -> Any:
    return providers.calls(DIALECTS[speech])[-1].json


def blocks(turn: Any) -> list[str]:
    return [block["type"] for block in turn["content"]]


# 1: the readers check that every format's indexes count its own things: calls, items, blocks.
@each_caller
def test_calls_behind_thinking_and_text_are_counted_from_zero(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    stream = named_events(
        message_start(),
        *thinking_block(0, "Hm.", "c2ln"),
        *text_block(1, "Let me see."),
        block_stop(1),
        *tool_block(2, OSLO),
        *tool_block(3, ROME),
        *message_end("tool_use"),
    )
    whole = message(
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": OSLO.id, "name": OSLO.name, "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": ROME.id, "name": ROME.name, "input": {"city": "Rome"}},
        end="tool_use",
    )
    script(providers, "messages", stream if caller.stream else whole)

    said = caller.read(caller.ask(proxy, "claude-opus-4.7", QUESTION, tools=TOOLS))

    assert said.text == "Let me see."
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    assert [call.id for call in said.calls] == ["call_oslo", "call_rome"]


# 1
@each_caller
@each_speech
def test_parallel_calls_stay_apart_whoever_makes_them(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, calls_answer(speech, OSLO, ROME, stream=caller.stream))

    said = caller.read(caller.ask(proxy, MODELS[speech], QUESTION, tools=TOOLS))

    assert said.calls == [
        OSLO._replace(arguments=said.calls[0].arguments),
        ROME._replace(arguments=said.calls[1].arguments),
    ]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    assert said.text == ""


def pieces(*calls: tuple[int, Call]) -> Any:
    return {
        "tool_calls": [
            {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (id_, name, arguments) in calls
        ]
    }


# 2
@each_caller
@pytest.mark.parametrize(
    "deltas",
    [
        [pieces((0, OSLO), (1, ROME))],  # all in one delta
        [pieces((0, OSLO)), pieces((1, ROME))],  # each in one
        [pieces((0, OSLO)), pieces((0, ROME))],  # each in one and with the same index, as Ollama did
    ],
    ids=["one delta", "two deltas", "one index"],
)
def test_calls_that_come_in_one_piece_keep_their_ids_and_names(
    proxy: Running, providers: Providers, caller: Caller, deltas: list[Any]
) -> None:
    if not caller.stream:
        pytest.skip("whole answers have no pieces")
    chunks = [chunk(delta) for delta in deltas]
    script(providers, "chat", chat_events(CHAT_START, *chunks, chunk({}, "tool_calls"), b"[DONE]"))

    said = caller.read(caller.ask(proxy, "local", QUESTION, tools=TOOLS))

    assert said.calls == [
        OSLO._replace(arguments=said.calls[0].arguments),
        ROME._replace(arguments=said.calls[1].arguments),
    ]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]


# 2: Gemini knows no pieces at all.
@each_caller
def test_calls_of_one_gemini_chunk_are_two(proxy: Running, providers: Providers, caller: Caller) -> None:
    both = candidates(function_call(OSLO, "c2ln"), function_call(ROME), end="STOP")
    script(providers, "gemini", gemini_events(both) if caller.stream else both)

    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", QUESTION, tools=TOOLS))

    assert [call.id for call in said.calls] == ["call_oslo", "call_rome"]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]


# 3: each provider's own way to call with nothing; a compatible server's is an empty text.
@each_caller
@each_speech
def test_a_call_without_arguments_has_an_empty_object(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, calls_answer(speech, TIME, OSLO, stream=caller.stream))
    if speech == "chat":
        providers._faults.clear()
        whole = completion({"tool_calls": [
            {"id": TIME.id, "type": "function", "function": {"name": "get_time", "arguments": ""}},
            {"id": OSLO.id, "type": "function", "function": {"name": "get_weather", "arguments": OSLO.arguments}},
        ]}, "tool_calls")  # fmt: skip
        deltas = [chunk(pieces((0, TIME._replace(arguments="")))), chunk(pieces((1, OSLO)))]
        stream = chat_events(CHAT_START, *deltas, chunk({}, "tool_calls"), b"[DONE]")
        script(providers, "chat", stream if caller.stream else whole)

    said = caller.read(caller.ask(proxy, MODELS[speech], "What time is it?", tools=TOOLS))

    assert calls_of(said) == [("get_time", {}), ("get_weather", {"city": "Oslo"})]
    assert said.calls[0].arguments == "{}"


# 4 and 5: a signature as long as they are, on the first of parallel calls, and another in the next step.
@each_caller
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

    parts = [part for content in sent(providers, "gemini")["contents"] for part in content["parts"]]
    signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert signatures == [first, None, second]


# 4: who does keep unknown fields needs no memory of ours.
def test_a_signature_rides_on_the_call_in_googles_own_way(proxy: Running, providers: Providers) -> None:
    script(providers, "gemini", candidates(function_call(OSLO, "c2ln"), end="STOP"))
    caller = Caller("chat")
    (call,) = caller.read(caller.ask(proxy, "gemini-3.1-pro", QUESTION, tools=TOOLS)).document["choices"][0]["message"][
        "tool_calls"
    ]

    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}


# 4: what another provider made, or nobody remembers, is made valid.
@each_caller
def test_history_without_a_signature_is_accepted_by_gemini(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    history = [QUESTION, Said(calls=[*OLD]), Result("call_old_1", "7"), Result("call_old_2", "21")]

    assert caller.ask(proxy, "gemini-3.1-pro", *history, tools=TOOLS).status_code == 200

    parts = [part for content in sent(providers, "gemini")["contents"] for part in content["parts"]]
    signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert signatures == [DUMMY, None]


LONG = "call_" + "f" * 1574  # as LiteLLM makes them
ODD = "functions.get_weather:0"  # as Kimi does


# 5: ids of other gateways in stored conversations.
@each_caller
@each_speech
@pytest.mark.parametrize("id_", [LONG, ODD], ids=["long", "odd"])
def test_an_id_that_the_provider_would_refuse_is_made_one_that_it_takes(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech, id_: str
) -> None:
    history = [QUESTION, Said(calls=[OSLO._replace(id=id_)]), Result(id_, "7")]
    if caller.door == "messages" and speech == "messages":
        pytest.skip("its own callers' ids are its own")

    response = caller.ask(proxy, MODELS[speech], *history, tools=TOOLS)

    assert response.status_code == 200, response.text
    body = sent(providers, speech)
    if speech == "chat":
        called, told = body["messages"][1]["tool_calls"][0]["id"], body["messages"][2]["tool_call_id"]
        assert len(called) <= 40
    elif speech == "responses":
        called, told = body["input"][1]["call_id"], body["input"][2]["call_id"]
        assert len(called) <= 64
    elif speech == "messages":
        called, told = (body["messages"][1]["content"][0]["id"], body["messages"][2]["content"][0]["tool_use_id"])
        assert re.fullmatch("[a-zA-Z0-9_-]+", called)
    else:
        contents = body["contents"]
        called = contents[1]["parts"][0]["functionCall"]["id"]
        told = contents[2]["parts"][0]["functionResponse"]["id"]
    assert called == told


# 8
@each_caller
@pytest.mark.parametrize(
    "chunks",
    [
        [candidates(function_call(OSLO, "c2ln")), candidates(end="STOP")],  # the end has no content
        [  # an end on every chunk, as older models have it, and usage behind it
            candidates({"text": "Let me see."}, end="STOP"),
            candidates(function_call(OSLO, "c2ln"), end="STOP"),
            candidates({"text": ""}, end="STOP"),
        ],
    ],
    ids=["bare end", "end on every chunk"],
)
def test_a_gemini_stream_that_stops_for_calls_says_so_once(
    proxy: Running, providers: Providers, caller: Caller, chunks: list[Any]
) -> None:
    parts = [part for one in chunks for part in one["candidates"][0].get("content", {}).get("parts", [])]
    script(providers, "gemini", gemini_events(*chunks) if caller.stream else candidates(*parts, end="STOP"))

    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", QUESTION, tools=TOOLS))

    assert calls_of(said) == [("get_weather", {"city": "Oslo"})]
    assert said.usage is not None and said.usage.output == 4


def signed(thinking: str, signature: str, call: Call, *, stream: bool) -> Any:
    if stream:
        begun = [message_start(), *thinking_block(0, thinking, signature), *tool_block(1, call)]
        return named_events(*begun, *message_end("tool_use"))
    block = {"type": "thinking", "thinking": thinking, "signature": signature}
    use = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
    return message(block, use, end="tool_use")


# 15: two steps, the thinking of the first signed but empty, as Opus 4.7 gives it unless asked to show it.
@each_caller
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

    body = sent(providers, "messages")
    assert body["thinking"]["type"] == "adaptive"
    _, first, _, second, _ = body["messages"]
    assert blocks(first) == blocks(second) == ["thinking", "tool_use"]
    assert first["content"][0] == {"type": "thinking", "thinking": "", "signature": "c2lnMQ=="}
    assert second["content"][0] == {"type": "thinking", "thinking": "Rome too.", "signature": "c2lnMg=="}
    assert [turn["content"][1]["input"] for turn in (first, second)] == [{"city": "Oslo"}, {"city": "Rome"}]


# 15
@each_caller
def test_redacted_thinking_goes_back_as_it_came(proxy: Running, providers: Providers, caller: Caller) -> None:
    redacted = {"type": "redacted_thinking", "data": "Y2lwaGVy"}
    use = {"type": "tool_use", "id": OSLO.id, "name": OSLO.name, "input": {"city": "Oslo"}}
    stream = named_events(
        message_start(), block_start(0, redacted), block_stop(0), *tool_block(1, OSLO), *message_end("tool_use")
    )
    script(providers, "messages", stream if caller.stream else message(redacted, use, end="tool_use"))
    said = caller.read(caller.ask(proxy, "claude-opus-4.7", QUESTION, tools=TOOLS))

    caller.ask(proxy, "claude-opus-4.7", QUESTION, said, Result(OSLO.id, "7"), tools=TOOLS)

    assert sent(providers, "messages")["messages"][1]["content"][0] == redacted


# 15: a model that thinks by a budget refuses a turn with calls and without its thinking; so it isn't asked to think.
@each_caller
def test_a_turn_that_has_lost_its_thinking_is_not_refused(proxy: Running, providers: Providers, caller: Caller) -> None:
    wish: dict[str, Any] = {
        "chat": {"reasoning_effort": "high"},
        "responses": {"reasoning": {"effort": "high"}},
        "messages": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    }[caller.door]
    history = [QUESTION, Said(calls=[OLD[0]]), Result("call_old_1", "7")]

    response = caller.ask(proxy, "claude-haiku-4.5", *history, tools=TOOLS, **wish)

    assert response.status_code == 200, response.text
    assert sent(providers, "messages").get("thinking", {}).get("type") != "enabled"


# 17: results in another order than the calls, with the user's next words behind them.
@each_caller
@each_speech
def test_parallel_results_are_one_turn_and_come_first(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    results = [Result("call_old_2", "21"), Result("call_old_1", "7")]
    history = [QUESTION, Said(calls=[*OLD]), *results, "And in words?"]

    response = caller.ask(proxy, MODELS[speech], *history, tools=TOOLS)

    assert response.status_code == 200, response.text
    body = sent(providers, speech)
    match speech:
        case "messages":
            asked, called, answered = body["messages"]
            assert blocks(called) == ["tool_use", "tool_use"]
            assert blocks(answered) == ["tool_result", "tool_result", "text"]
            told = {block["tool_use_id"]: block["content"] for block in answered["content"][:2]}
            assert "21" in json.dumps(told["call_old_2"]) and "7" in json.dumps(told["call_old_1"])
        case "gemini":
            asked, called, answered = body["contents"][:3]
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
@each_caller
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
@each_caller
@each_speech
def test_a_result_that_comes_late_is_refused_or_put_behind_its_call(
    proxy: Running, caller: Caller, speech: Speech
) -> None:
    turns = [QUESTION, Said(calls=[OLD[0]]), "Never mind.", Result("call_old_1", "7")]

    told = caller.ask(proxy, MODELS[speech], *turns, tools=TOOLS)

    refused = caller.door == "chat" or caller.door == speech == "messages"
    assert told.status_code == (400 if refused else 200), told.text


# 2 and 3, in the other direction: what OpenAI's Responses says whole and what it says in pieces.
@each_caller
def test_a_response_that_tells_its_call_only_at_the_end_is_heard(
    proxy: Running, providers: Providers, caller: Caller
) -> None:
    item = call_item(0, OSLO)
    whole = response(item)
    done = {"type": "response.output_item.done", "output_index": 0, "item": item, "sequence_number": 1}
    created = {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    stream = named_events(
        {**created, "sequence_number": 0},
        done,
        {"type": "response.completed", "response": whole, "sequence_number": 2},
    )
    script(providers, "responses", stream if caller.stream else whole)
    if caller.door == "responses":
        pytest.skip("its own stream passes as it came")

    said = caller.read(caller.ask(proxy, "gpt-5.5-pro", QUESTION, tools=TOOLS))

    assert said.calls == [OSLO._replace(arguments=said.calls[0].arguments)]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"})]
