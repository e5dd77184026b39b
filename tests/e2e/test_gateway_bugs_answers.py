"""Bugs of other gateways, numbered as in the list of 28: what answers cost, errors, and what goes back of an answer."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.callers import (
    DOORS,
    EFFORT,
    Caller,
    Result,
    each_caller,
    each_talking_door,
)
from tests.providers import Providers, Stall, Status
from tests.reading import Door, Tokens, chunks
from tests.running import Running, running, with_keys
from tests.scripts import (
    CHAT_USAGE,
    MODELS,
    OSLO,
    SPEECHES,
    WEATHER,
    Speech,
    call_item,
    candidates,
    chat_events,
    chunk,
    dumped,
    each_speech,
    function_call,
    message,
    message_item,
    reasoning_item,
    response,
    script,
    sent,
    spoken,
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


# By format, what it says of 160 tokens in, 100 of them cached and 50 written to the cache, and 7 out, 3 thought.
USED: dict[Speech, Any] = {
    "chat": {
        "prompt_tokens": 160,
        "completion_tokens": 7,
        "total_tokens": 167,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
    "responses": {
        "input_tokens": 160,
        "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 167,
    },
    "messages": {  # told twice in a stream
        "input_tokens": 10,  # the uncached rest
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    },
    "gemini": {  # told with every chunk of a stream; writing to its cache isn't counted in tokens
        "promptTokenCount": 160,
        "cachedContentTokenCount": 100,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 167,
    },
}
COSTS: dict[Speech, float | None] = {
    "chat": None,  # no price is known of it
    "responses": 160 * 30e-6 + 7 * 180e-6,  # gpt-5.5-pro has no price for a cache
    "messages": 10 * 5e-6 + 100 * 0.5e-6 + 20 * 6.25e-6 + 30 * 10e-6 + 7 * 25e-6,
    "gemini": 60 * 2e-6 + 100 * 0.2e-6 + 7 * 12e-6,
}


# 6
@each_caller
@each_speech
def test_cached_tokens_are_counted_once_and_cost_what_a_cache_costs(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    before = len(proxy.rows())
    script(providers, speech, text_answer(speech, "H", "i", stream=caller.stream, used=USED[speech]))

    said = caller.read(caller.ask(proxy, MODELS[speech], "Hello"))

    written = 0 if speech == "gemini" else 50
    assert said.usage == Tokens(input=160, cached=100, written=written, output=7, reasoning=3)
    row = proxy.rows(before + 1)[-1]
    assert (row.input_tokens, row.cached_tokens, row.cache_write_tokens, row.output_tokens) == (160, 100, written, 7)
    assert row.cost_usd == (None if COSTS[speech] is None else pytest.approx(COSTS[speech]))


USAGE_ON = {
    "a chunk with choices": [
        chunk({}, "stop"),
        {**chunk({}), "usage": CHAT_USAGE},
        b"[DONE]",
    ],
    "the last chunk": [chunk({}, "stop", usage=CHAT_USAGE), b"[DONE]"],
    "every chunk": [
        chunk({"content": "!"}, usage={**CHAT_USAGE, "completion_tokens": 1, "total_tokens": 10}),
        chunk({}, "stop", usage=CHAT_USAGE),
        {**chunk({}), "choices": [], "usage": CHAT_USAGE},
        b"[DONE]",
    ],
}


# 27: the readers check that usage stands on one chunk, the last, and that it has no choices.
@each_talking_door
@pytest.mark.parametrize("where", USAGE_ON)
def test_usage_comes_last_and_without_choices_wherever_the_provider_puts_it(
    proxy: Running, providers: Providers, door: Door, where: str
) -> None:
    script(providers, "chat", spoken("chat", "Hi") + chat_events(*USAGE_ON[where]))
    caller = Caller(door, stream=True)

    said = caller.read(caller.ask(proxy, "local", "Hello"))

    assert said.text in ("Hi", "Hi!") and said.end == "stop"
    assert said.usage == Tokens(9, 0, 0, 4, 0)


# 27
@pytest.mark.parametrize("door", ["chat", "completions"])
@each_speech
@pytest.mark.parametrize("wanted", [True, False])
def test_usage_comes_to_those_who_ask_for_it(
    proxy: Running, providers: Providers, door: Door, speech: Speech, wanted: bool
) -> None:
    script(providers, speech, text_answer(speech, "Hi", stream=True))
    caller = Caller(door, stream=True)
    options = {"stream_options": {"include_usage": True}} if wanted else {"stream_options": None}

    said = chunks(caller.ask(proxy, MODELS[speech], "Hello", **options))

    assert [bool(one["choices"]) for one in said] == [*[True] * (len(said) - 1), not wanted]
    assert [bool(one.get("usage")) for one in said] == [*[False] * (len(said) - 1), wanted]
    if speech != "chat":  # whose own bytes pass
        assert all(("usage" in one) == wanted for one in said)


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
def test_a_refusal_of_our_own_says_how_long_to_wait(tmp_path: Path) -> None:
    body = json.dumps(Caller("chat").body("gpt-5.5", "Hello")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    limits = {"limits": {"in_flight": 1, "queue_s": 0}}
    with Providers() as slow, running(tmp_path, with_keys(slow), limits) as busy:
        slow.fail("openai", Stall())
        address = urlsplit(busy.url)
        with socket.create_connection((address.hostname, address.port)) as waiting:
            waiting.sendall(head + body)
            slow.wait_until(lambda: len(slow.received) == 1)

            refused = {door: Caller(door).ask(busy, "gpt-5.5", "Hello") for door in DOORS}

    for door, response_ in refused.items():
        assert response_.status_code == 503 and int(response_.headers["retry-after"]) >= 1
        assert Caller(door).failure(response_)["message"]


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


def is_word(code: object) -> bool:
    return code is None or (isinstance(code, str) and code != "None" and not code.isdigit())


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
        assert error["param"] is None and is_word(error["code"])


# 25
@pytest.mark.parametrize("door", ["chat", "responses", "completions"])
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

    assert said.text
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


_CALL_ITEM = call_item(1, OSLO)
_USE = {"type": "tool_use", "id": OSLO.id, "name": OSLO.name, "input": {"city": "Oslo"}}
# Answers that think and call, or think and speak.
THOUGHTFUL: dict[tuple[Speech, bool], Any] = {
    ("messages", True): message({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, _USE, end="tool_use"),
    ("messages", False): message({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                                 {"type": "text", "text": "Hi"}),
    ("gemini", True): candidates({"text": "Hm.", "thought": True}, function_call(OSLO, "c2ln"), end="STOP"),
    ("gemini", False): candidates({"text": "Hm.", "thought": True}, {"text": "Hi"}, end="STOP"),
    ("responses", True): response(reasoning_item("Hm.", "Y2lwaGVy"), _CALL_ITEM),
    ("responses", False): response(reasoning_item("Hm.", "Y2lwaGVy"), message_item("Hi")),
}  # fmt: skip


# 24: an answer with all that we add to it goes back whole to a strict server of the same format.
@pytest.mark.parametrize(("source", "called"), THOUGHTFUL, ids=str)
def test_what_we_add_to_a_message_does_not_reach_the_next_provider(
    proxy: Running, providers: Providers, source: Speech, called: bool
) -> None:
    caller = Caller("chat")
    script(providers, source, THOUGHTFUL[source, called])
    wish = {"tools": WEATHER, "reasoning_effort": "high", "headers": {"x-router-explain": "full"}}
    answer = caller.read(caller.ask(proxy, MODELS[source], "Hello", **wish)).document["choices"][0]["message"]
    assert answer["reasoning_content"] == "Hm."
    result = [{"role": "tool", "tool_call_id": OSLO.id, "content": "7"}] if called else []
    history = [{"role": "user", "content": "Hello"}, answer, *result, {"role": "user", "content": "And?"}]

    assert caller.ask(proxy, "local", tools=WEATHER, messages=history).status_code == 200

    for told in sent(providers)["messages"]:
        assert set(told) <= {"role", "content", "tool_calls", "tool_call_id"}
        assert all(value is not None for name, value in told.items() if name != "content")
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
@pytest.mark.parametrize("speech", ["messages", "responses"])
def test_an_answer_of_another_provider_goes_back_to_the_formats_own(
    proxy: Running, providers: Providers, speech: Speech
) -> None:
    caller = Caller("messages" if speech == "messages" else "responses")
    script(providers, "gemini", THOUGHTFUL["gemini", True])
    wish: dict[str, Any] = {
        "messages": EFFORT["messages"],
        "responses": {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False},
    }[speech]
    said = caller.read(caller.ask(proxy, "gemini-3.1-pro", "Hello", tools=WEATHER, **wish))
    assert said.thoughts == "Hm." and said.calls[0].id == OSLO.id

    history: dict[str, Any] = {}
    if speech == "responses":
        result = {"type": "function_call_output", "call_id": OSLO.id, "output": "7"}
        history = {"input": [{"role": "user", "content": "Hello"}, *said.document["output"], result]}
    turns = ["Hello", said, Result(OSLO.id, "7")]

    told = caller.ask(proxy, MODELS[speech], *turns, tools=WEATHER, **wish, **history)

    assert told.status_code == 200, told.text
    thoughts = [one for one in within(sent(providers)) if one.get("type") in ("thinking", "reasoning")]
    assert not any(one.get("signature") == "" or "encrypted_content" in one for one in thoughts)
