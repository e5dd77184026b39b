"""Bugs of other gateways, numbered as in the list of 28: tool calls on their way to the caller."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.callers import (
    TALKERS,
    Caller,
    Result,
    each_talker,
    each_talking_door,
)
from tests.providers import Providers
from tests.reading import Call, Door, Said
from tests.running import Running, running, with_keys
from tests.scripts import (
    CHAT_START,
    MODELS,
    OSLO,
    ROME,
    SPEECHES,
    TIME,
    TOOLS,
    Speech,
    block_stop,
    call_item,
    calls_answer,
    candidates,
    chat_events,
    chunk,
    completion,
    each_speech,
    function_call,
    gemini_events,
    message,
    message_end,
    message_start,
    named_events,
    numbered_events,
    response,
    script,
    sent,
    text_block,
    thinking_block,
    tool_block,
    with_local,
)

QUESTION = "What is the weather in Oslo and in Rome?"


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:  # which don't wait between pieces
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


def calls_of(said: Said) -> list[tuple[str, Any]]:
    assert said.end == "tool_calls"
    return [(call.name, json.loads(call.arguments)) for call in said.calls]


# 1: the readers check that every format's indexes count its own things: calls, items, blocks.
@each_talker
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
@each_talker
@each_speech
def test_parallel_calls_stay_apart_whoever_makes_them(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, calls_answer(speech, OSLO, ROME, stream=caller.stream))

    said = caller.read(caller.ask(proxy, MODELS[speech], QUESTION, tools=TOOLS))

    assert [call.id for call in said.calls] == [OSLO.id, ROME.id]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    assert said.text == ""


def pieces(*calls: tuple[int, Call]) -> Any:
    return {
        "tool_calls": [
            {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (id_, name, arguments) in calls
        ]
    }


def more(index: int, arguments: str) -> Any:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


# 2
@each_talking_door
@pytest.mark.parametrize(
    "deltas",
    [
        [pieces((0, OSLO), (1, ROME))],
        [pieces((0, OSLO)), pieces((1, ROME))],
        [pieces((0, OSLO)), pieces((0, ROME))],  # as Ollama did
        [
            pieces((0, OSLO._replace(arguments="")), (1, ROME._replace(arguments=""))),
            *(more(0, '{"city":'), more(1, '{"city":"Ro'), more(0, '"Oslo"}'), more(1, 'me"}')),
        ],
    ],
    ids=["both in one delta", "each in one delta", "with one index", "in turns"],
)
def test_calls_keep_their_ids_and_names_however_they_are_cut(
    proxy: Running, providers: Providers, door: Door, deltas: list[Any]
) -> None:
    chunks = [chunk(delta) for delta in deltas]
    script(providers, "chat", chat_events(CHAT_START, *chunks, chunk({}, "tool_calls"), b"[DONE]"))
    caller = Caller(door, stream=True)

    said = caller.read(caller.ask(proxy, "local", QUESTION, tools=TOOLS))

    assert [call.id for call in said.calls] == [OSLO.id, ROME.id]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]


# 2: Gemini knows no pieces at all.
@each_talker
def test_calls_of_one_gemini_chunk_are_two(proxy: Running, providers: Providers, caller: Caller) -> None:
    both = candidates(function_call(OSLO, "c2ln"), function_call(ROME), end="STOP")
    script(providers, "gemini", gemini_events(both) if caller.stream else both)

    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", QUESTION, tools=TOOLS))

    assert [call.id for call in said.calls] == ["call_oslo", "call_rome"]
    assert calls_of(said) == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]


# 2: compatible servers tell a call only as it ends.
@pytest.mark.parametrize("door", ["chat", "messages"])
def test_a_response_that_tells_its_call_in_one_event_is_heard(proxy: Running, providers: Providers, door: Door) -> None:
    item = call_item(0, OSLO)
    begun = {"type": "response.created", "response": response(status="in_progress")}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    script(
        providers,
        "responses",
        numbered_events(begun, done, {"type": "response.completed", "response": response(item)}),
    )
    caller = Caller(door, stream=True)

    said = caller.read(caller.ask(proxy, "gpt-5.5-pro", QUESTION, tools=TOOLS))

    assert said.calls[0].id == OSLO.id
    assert calls_of(said) == [("get_weather", {"city": "Oslo"})]


# 3: each provider's own way to call with nothing.
@each_talker
@each_speech
def test_a_call_without_arguments_has_an_empty_object(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    script(providers, speech, calls_answer(speech, TIME, OSLO, stream=caller.stream))

    said = caller.read(caller.ask(proxy, MODELS[speech], "What time is it?", tools=TOOLS))

    assert calls_of(said) == [("get_time", {}), ("get_weather", {"city": "Oslo"})]
    assert said.calls[0].arguments == "{}"


# 3: compatible servers call with an empty text.
@each_talker
def test_a_call_with_an_empty_text_has_an_empty_object(proxy: Running, providers: Providers, caller: Caller) -> None:
    nothing = TIME._replace(arguments="")
    told = pieces((0, nothing), (1, OSLO))
    stream = chat_events(CHAT_START, chunk(pieces((0, nothing))), chunk(pieces((1, OSLO))), chunk({}, "tool_calls"))
    whole = completion(told, "tool_calls")
    script(providers, "chat", stream + chat_events(b"[DONE]") if caller.stream else whole)

    said = caller.read(caller.ask(proxy, "local", "What time is it?", tools=TOOLS))

    assert calls_of(said) == [("get_time", {}), ("get_weather", {"city": "Oslo"})]


LONG = "call_" + "f" * 1574  # as LiteLLM makes them
ODD = "functions.get_weather:0"  # as Kimi does


# What each provider takes for an id.
TAKEN: dict[Speech, str] = {
    "chat": ".{1,40}",
    "responses": ".{1,64}",
    "messages": "[a-zA-Z0-9_-]+",
    "gemini": ".+",
}


def ids_sent(speech: Speech, body: Any) -> tuple[str, str]:
    """The id of the one call in the history, and the one that its result names."""
    if speech == "chat":
        return body["messages"][1]["tool_calls"][0]["id"], body["messages"][2]["tool_call_id"]
    if speech == "responses":
        return body["input"][1]["call_id"], body["input"][2]["call_id"]
    if speech == "messages":
        return body["messages"][1]["content"][0]["id"], body["messages"][2]["content"][0]["tool_use_id"]
    call, result = (content["parts"][0] for content in body["contents"][1:3])
    return call["functionCall"]["id"], result["functionResponse"]["id"]


# 5: ids of other gateways in stored conversations.
@pytest.mark.parametrize(
    ("caller", "speech"),
    [(caller, speech) for caller in TALKERS for speech in SPEECHES if not caller.door == speech == "messages"],
    ids=str,
)
@pytest.mark.parametrize("id_", [LONG, ODD], ids=["long", "odd"])
def test_an_id_that_the_provider_would_refuse_is_made_one_that_it_takes(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech, id_: str
) -> None:
    history = [QUESTION, Said(calls=[OSLO._replace(id=id_)]), Result(id_, "7")]
    told = caller.ask(proxy, MODELS[speech], *history, tools=TOOLS)

    assert told.status_code == 200, told.text
    called, answered = ids_sent(speech, sent(providers))
    assert called == answered and re.fullmatch(TAKEN[speech], called)


# 8
@each_talker
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
