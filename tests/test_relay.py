"""What a caller gets to see: the provider's own bytes but for the model's name, or a translation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import relay
from router.dialects import Frame, chat, completions
from router.dialects.openai import chat as openai
from router.errors import UpstreamError
from router.sse import Event, EventParser
from router.types import ChatRequest, ChatResponse, Delta, Finished, Started, TextDelta, Usage, UsageReported, fold

GOLDEN = Path(__file__).parent / "golden" / "openai"
SOUND = ["text", "tools", "length", "refusal", "filtered", "choices"]
EXPLANATION = {"router": {"model": "gpt-5.5", "why": "table"}}


def framed(model: str = "gpt-5.5", **fields: Any) -> Frame:
    return Frame(ChatRequest("auto", (), **fields), model, 7, "0192abcd")


def no_id() -> str:
    raise AssertionError("no id was missing")


def made_id() -> str:
    return "made"


def events_of(name: str) -> list[Event]:
    return EventParser().feed((GOLDEN / f"{name}.sse").read_bytes())


def relayed(events: Sequence[Event], *, extra: Mapping[str, Any] | None = None, **fields: Any) -> list[Any]:
    """What a caller of `gpt-5.5` reads: the decoded events, [DONE] as a text."""
    return [read(event) for event in EventParser().feed(written(events, extra=extra, **fields))]


def written(events: Sequence[Event], *, extra: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    frame = framed(**fields)
    stream = relay.stream(chat.FACE, frame, "chat")
    decoder = openai.FACE.stream_decoder(frame.request, made_id)
    data = b"".join(stream.feed(event, decoder.feed(event)) for event in events)
    assert decoder.complete
    return data + stream.finish(extra or {})


def read(event: Event) -> Any:
    return "[DONE]" if event.data.startswith(b"[DONE]") else json.loads(event.data)


def chunk(*choices: Any, **fields: Any) -> Event:
    return Event(json.dumps({**HEAD, "model": "upstream", "choices": choices, **fields}).encode())


HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 3}
ROLE = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
TEXT = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
END = {"index": 0, "delta": {}, "finish_reason": "stop"}
DONE = Event(b"[DONE]")
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@pytest.mark.parametrize("name", SOUND)
def test_a_stream_passes_as_it_came_but_for_the_models_name(name: str) -> None:
    events = events_of(name)
    expected = [read(event) for event in events]
    for document in expected[:-1]:
        document["model"] = "gpt-5.5"

    assert relayed(events, include_usage=True) == expected
    assert relayed(events, include_usage=False) == [d for d in expected if d == "[DONE]" or d["choices"]]


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("include_usage", [True, False])
def test_the_explanation_rides_on_the_last_chunk_alone(name: str, include_usage: bool) -> None:
    plain = relayed(events_of(name), include_usage=include_usage)
    explained = relayed(events_of(name), include_usage=include_usage, extra=EXPLANATION)

    assert explained[-1] == "[DONE]"
    assert explained[-2] == {**plain[-2], **EXPLANATION}
    assert explained[:-2] == plain[:-2]


def test_a_stream_passes_byte_for_byte_but_for_the_models_name() -> None:
    wanted = [event.data.replace(b'"gpt-5.5-2026-04-23"', b'"gpt-5.5"') for event in events_of("tools")]

    passed = EventParser().feed(written(events_of("tools"), include_usage=True))

    assert [event.data for event in passed] == wanted


def test_chunks_go_out_at_once_until_the_finish() -> None:
    stream = relay.stream(chat.FACE, framed(include_usage=True), "chat")
    decoder = openai.FACE.stream_decoder(framed().request, no_id)

    sent = [stream.feed(event, decoder.feed(event)) for event in (chunk(ROLE), chunk(TEXT), chunk(END))]

    assert sent[0] and sent[1] and sent[2] == b""


def other(choice: Mapping[str, Any]) -> dict[str, Any]:
    return {**choice, "index": 1}


def test_a_usage_that_only_we_asked_for_is_left_out_and_nothing_else() -> None:
    events = [
        chunk(ROLE, usage=USAGE),
        chunk(other(ROLE), usage=USAGE),
        chunk(TEXT, usage=USAGE),
        chunk(other(END), usage=USAGE),
        chunk(END, usage=USAGE),
        chunk(usage=USAGE),
        chunk(usage={"prompt_tokens": 1}),
        DONE,
    ]

    seen = relayed(events)

    assert [len(document["choices"]) for document in seen[:-1]] == [1, 1, 1, 1, 1]
    assert [document["choices"][0]["index"] for document in seen[:-1]] == [0, 1, 0, 1, 0]


def test_choices_that_finish_later_are_passed_on() -> None:
    events = [chunk(ROLE), chunk(END), chunk(other(ROLE)), chunk(other(TEXT)), chunk(other(END)), DONE]

    assert [document["choices"][0]["index"] for document in relayed(events)[:-1]] == [0, 0, 1, 1, 1]


COMMON = b'"id":"c","object":"chat.completion.chunk","created":3'


@pytest.mark.parametrize(
    "data",
    [
        b'{%s,"model":"up","choices":[{"index":0,"delta":{"content":"\\"model\\":\\"up\\""}}]}' % COMMON,
        b'{"choices":[{"index":0,"delta":{"content":"x","model":"inner"}}],%s,"model":"up"}' % COMMON,
        b'{%s,"x":"\\\\","model":"u\\"p","choices":[{"index":0,"delta":{"content":"\\"model\\": \\"g\\""}}]}' % COMMON,
        b'{%s,"model":null,"choices":[{"index":0,"delta":{"content":"model"}}]}' % COMMON,
        b'{%s,"choices":[{"index":0,"delta":{"content":"\\ud83c\\udf88","nested":{"model":"inner"}}}]}' % COMMON,
        b'{%s,"mod\\u0065l":"up","choices":[{"index":0,"delta":{"content":"%s"}}]}'
        % (COMMON, "a\u2028\u0085b".encode()),
    ],
)
def test_the_models_name_is_replaced_at_the_top_and_nowhere_else(data: bytes) -> None:
    document = relayed([chunk(ROLE), Event(data), chunk(END), DONE])[1]

    assert document == {**json.loads(data), "model": "gpt-5.5"}


def test_content_keeps_its_bytes() -> None:
    choices = b'[{"index":0,"delta":{"role":"assistant","content":"\\ud83c\\udf88 \\/"},"logprobs":{"x":1.50}}]'
    event = Event(b'{%s,"model":"up","choices":%s}' % (COMMON, choices))

    passed = relay.stream(chat.FACE, framed("m"), "chat").feed(event, [Started("c", "up"), TextDelta("x")])

    assert passed == b'data: {%s,"model":"m","choices":%s}\n\n' % (COMMON, choices)


def test_json_over_several_data_lines_stays_one_event() -> None:
    events = EventParser().feed(
        b'data: {"id":"c","object":"chat.completion.chunk","created":3,"model":"up",\n'
        b'data: "choices":[{"index":0,\r\ndata: "delta":{"role":"assistant","content":"x"}}]}\n\n'
    )

    seen = relayed([*events, chunk(END), DONE])

    assert [document["choices"][0]["delta"] for document in seen[:-1]] == [{"role": "assistant", "content": "x"}, {}]


def test_a_name_of_ours_is_escaped() -> None:
    stream = relay.stream(chat.FACE, framed('a"b\\1'), "chat")

    passed = stream.feed(chunk(ROLE), [Started("c", "up")])

    assert read(EventParser().feed(passed)[0])["model"] == 'a"b\\1'


# --- what lacks something is made good ---------------------------------------------------------------------------

FIRST = {"role": "assistant", "content": ""}


def said(events: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Delta and finish_reason of chunks with one choice each, every member that SDKs count on being there."""
    for event in events[:-1]:
        assert event["object"] == "chat.completion.chunk" and isinstance(event["created"], int) and event["id"]
        assert [choice["index"] for choice in event["choices"]] in ([0], [])
    return [(event["choices"][0]["delta"], event["choices"][0]["finish_reason"]) for event in events if "id" in event]


def call(index: int, id_: str, name: str, arguments: str = "") -> dict[str, Any]:
    return {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def piece(index: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def test_the_answer_of_a_careless_server_is_complete() -> None:
    events = relayed(events_of("careless"), include_usage=True)

    assert said(events) == [
        (FIRST, None),
        ({"tool_calls": [call(0, "a", "get_weather")]}, None),
        (piece(0, '{"city":"Oslo"}'), None),
        ({"tool_calls": [call(1, "b", "now")]}, None),
        (piece(1, "{}"), None),
        ({}, "tool_calls"),
    ]
    assert {event["id"] for event in events[:-1]} == {"chatcmpl-chat-1"} and events[-1] == "[DONE]"


@pytest.mark.parametrize("missing", ["id", "object", "created"])
def test_a_stream_without_a_member_gets_it(missing: str) -> None:
    events = [ROLE, TEXT, END]
    bare = [{name: value for name, value in read(chunk(event)).items() if name != missing} for event in events]

    seen = relayed([*(Event(json.dumps(document).encode()) for document in bare), DONE])

    assert said(seen) == [(FIRST, None), ({"content": "x"}, None), ({}, "stop")]
    assert len({event["id"] for event in seen[:-1]}) == 1


def test_a_role_that_is_missing_is_said_once_and_one_that_is_repeated_too() -> None:
    talkative = {"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": None}

    assert said(relayed([chunk(TEXT), chunk(TEXT), chunk(END), DONE])) == [
        (FIRST, None),
        ({"content": "x"}, None),
        ({"content": "x"}, None),
        ({}, "stop"),
    ]
    assert said(relayed([chunk(talkative), chunk(talkative), chunk(END), DONE])) == [
        (talkative["delta"], None),
        ({"content": "x"}, None),
        ({}, "stop"),
    ]


def calling(*calls: Any, **fields: Any) -> Event:
    return chunk({"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None, **fields})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [calling(call(0, "a", "f", "{}"))], [({"tool_calls": [call(0, "a", "f", "{}")]}, None)], id="sound"
        ),
        pytest.param(
            [calling({"index": 0, "function": {"name": "f", "arguments": "{}"}})],
            [({"tool_calls": [call(0, "made", "f")]}, None), (piece(0, "{}"), None)],
            id="no id",
        ),
        pytest.param(
            [calling({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})],
            [({"tool_calls": [call(0, "a", "f")]}, None), (piece(0, "{}"), None)],
            id="no type",
        ),
        pytest.param(
            [calling(call(0, "a", "f", "{}"), call(0, "b", "g", "{}"))],
            [
                ({"tool_calls": [call(0, "a", "f")]}, None),
                (piece(0, "{}"), None),
                ({"tool_calls": [call(1, "b", "g")]}, None),
                (piece(1, "{}"), None),
            ],
            id="every index 0",
        ),
        pytest.param(
            [calling(call(0, "a", "f", '{"x"')), calling(call(0, "a", "f", ":1}"))],
            [({"tool_calls": [call(0, "a", "f", '{"x"')]}, None), (piece(0, ":1}"), None)],
            id="the id repeated",
        ),
        pytest.param(
            [calling(call(0, "a", "f"))],
            [({"tool_calls": [call(0, "a", "f")]}, None), (piece(0, "{}"), None)],
            id="no arguments",
        ),
        pytest.param(
            [chunk({"index": 0, "delta": {"function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": None})],
            [({"tool_calls": [call(0, "made", "f")]}, None), (piece(0, "{}"), None)],
            id="the old form",
        ),
    ],
)
def test_tool_calls_reach_the_caller_in_good_order(events: list[Event], expected: list[Any]) -> None:
    careless = relayed([chunk(ROLE), *events, chunk(END), DONE])
    careful = relayed([chunk(ROLE), *events, chunk({**END, "finish_reason": "tool_calls"}), DONE])

    for seen in (careless, careful):
        assert said(seen) == [(FIRST, None), *expected, ({}, "tool_calls")]
        assert {event["id"] for event in seen[:-1]} == {"c"} and {event["created"] for event in seen[:-1]} == {3}


def test_what_has_passed_is_not_said_again() -> None:
    events = [chunk(ROLE), chunk(TEXT), calling(call(0, "a", "f", "{}")), calling(call(0, "b", "g", "{}"))]

    seen = relayed([*events, chunk(END), DONE], extra=EXPLANATION)

    assert [delta for delta, _ in said(seen)] == [
        FIRST,
        {"content": "x"},
        {"tool_calls": [call(0, "a", "f", "{}")]},
        {"tool_calls": [call(1, "b", "g")]},
        piece(1, "{}"),
        {},
    ]
    assert ["router" in event for event in seen] == [False] * 5 + [True, False]


@pytest.mark.parametrize("total", [{}, {"total_tokens": None}])
def test_a_usage_that_lacks_something_is_complete(total: dict[str, Any]) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, **total}

    seen = relayed([chunk(ROLE), chunk(END), chunk(usage=usage), DONE], include_usage=True, extra=EXPLANATION)

    assert [len(event["choices"]) for event in seen[:-1]] == [1, 1, 0]
    assert seen[1]["choices"][0]["finish_reason"] == "stop"
    assert seen[2]["usage"]["total_tokens"] == 7 and "router" in seen[2]


def test_usage_in_a_chunk_that_still_has_a_choice_comes_in_one_of_its_own() -> None:
    seen = relayed(events_of("usage_with_choices"), include_usage=True)

    assert [bool(event["choices"]) for event in seen[:-1]] == [True, True, True, False]
    assert seen[-2]["usage"]["total_tokens"] == 7
    assert [delta for delta, _ in said(relayed(events_of("usage_with_choices")))] == [
        {"role": "assistant", "content": "Hi"},
        {"content": " you"},
        {"content": ""},
    ]


def test_a_function_without_arguments_is_called_with_an_empty_object() -> None:
    deltas = [delta for delta, _ in said(relayed(events_of("custom_tools")))]

    assert deltas[1] == {
        "tool_calls": [{"index": 0, "id": "call_Sql", "type": "custom", "custom": {"name": "sql", "input": ""}}]
    }
    assert deltas[-2:] == [piece(1, "{}"), {}]


OLD = {"name": "f", "arguments": ""}


def old(**function_call: str) -> Event:
    return chunk({"index": 0, "delta": {"function_call": function_call}, "finish_reason": None})


@pytest.mark.parametrize("reason", ["function_call", "stop"])
def test_the_old_form_passes_to_a_caller_who_asked_for_it(reason: str) -> None:
    events = [chunk(ROLE), old(name="f", arguments=""), old(arguments="{}"), chunk({**END, "finish_reason": reason})]

    assert said(relayed([*events, DONE], legacy_functions=True)) == [
        (FIRST, None),
        ({"function_call": OLD}, None),
        ({"function_call": {"arguments": "{}"}}, None),
        ({}, "function_call"),
    ]


def test_the_new_form_becomes_the_old_one_for_a_caller_who_asked_for_it() -> None:
    events = [chunk(ROLE), calling(call(0, "a", "f", "{}")), chunk({**END, "finish_reason": "tool_calls"}), DONE]

    assert said(relayed(events, legacy_functions=True)) == [
        (FIRST, None),
        ({"function_call": OLD}, None),
        ({"function_call": {"arguments": "{}"}}, None),
        ({}, "function_call"),
    ]


MEMBERS = st.sampled_from(
    [(), ("id",), ("object",), ("created",), ("choices", 0, "index"), ("choices", 0, "delta", "role")]
)


@given(st.sampled_from([*SOUND, "custom_tools", "usage_with_choices"]), st.lists(st.tuples(st.integers(0, 9), MEMBERS)))
def test_whatever_is_missing_the_caller_reads_what_the_provider_said(name: str, gaps: list[Any]) -> None:
    events = events_of(name)
    documents = [read(event) for event in events[:-1]]
    for at, path in gaps:
        remove(documents[at % len(documents)], path)
    if any(not document["choices"] or "index" not in document["choices"][0] for document in documents[:-1]):
        return  # with several choices there is no knowing whose it is
    torn = [Event(json.dumps(document).encode()) for document in documents] + [events[-1]]
    request = framed().request

    decoder = openai.FACE.stream_decoder(request, made_id)
    meant = fold([delta for event in torn for delta in decoder.feed(event)])
    again = openai.FACE.stream_decoder(request, no_id)
    passed = EventParser().feed(written(torn, include_usage=True))
    seen = fold([delta for event in passed for delta in again.feed(event)])

    assert (seen.text, seen.tool_calls, seen.refusal, seen.reasoning) == (
        meant.text,
        meant.tool_calls,
        meant.refusal,
        meant.reasoning,
    )
    assert seen.finish_reason == meant.finish_reason
    assert [choice.text for choice in seen.alternatives] == [choice.text for choice in meant.alternatives]


def remove(document: Any, path: Sequence[Any]) -> None:
    for step in path[:-1]:
        if not document or (step not in document if isinstance(document, dict) else step >= len(document)):
            return
        document = document[step]
    if path and document:
        document.pop(path[-1], None)


# --- whole answers -----------------------------------------------------------------------------------------------

WHOLE = (
    b'{"id": "c","object":"chat.completion","created":3,"model": "up","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"\\"model\\":\\"up\\" \\u00e9","annotations":[]},"finish_reason":"stop"}],"x":1.50}'
)


def whole(body: bytes, extra: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    frame = framed(**fields)
    response = openai.FACE.decode_response(body, frame.request, made_id)
    return relay.whole(chat.FACE, frame, "chat", body, response, extra or {})


def test_a_whole_answer_passes_as_it_came_but_for_the_models_name() -> None:
    passed = WHOLE.replace(b'"id": ', b'"id":').replace(b'"model": "up"', b'"model":"gpt-5.5"')

    assert whole(WHOLE) == passed
    assert json.loads(whole(WHOLE, EXPLANATION)) == {**json.loads(passed), **EXPLANATION}


@pytest.mark.parametrize("name", SOUND)
def test_a_complete_answer_passes(name: str) -> None:
    body = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))["body"]

    assert json.loads(whole(json.dumps(body).encode())) == {**body, "model": "gpt-5.5"}


def broken(**fields: Any) -> bytes:
    document = json.loads(WHOLE)
    message = {**document["choices"][0]["message"], **fields.pop("message", {})}
    document["choices"][0] |= {"message": message, **fields.pop("choice", {})}
    return json.dumps({**document, **fields}).encode()


def without(body: bytes, *path: Any) -> bytes:
    document = json.loads(body)
    remove(document, path)
    return json.dumps(document).encode()


LOOSE_CALL = {"function": {"name": "f", "arguments": {"x": 1}}}


@pytest.mark.parametrize(
    "body",
    [
        without(WHOLE, "id"),
        without(WHOLE, "object"),
        without(WHOLE, "created"),
        without(WHOLE, "choices", 0, "index"),
        without(WHOLE, "choices", 0, "message", "role"),
        without(WHOLE, "choices", 0, "finish_reason"),
        broken(choice={"finish_reason": "eos"}),
        broken(message={"content": [{"type": "text", "text": '"model":"up" é'}]}),
    ],
)
def test_a_whole_answer_without_a_member_gets_it(body: bytes) -> None:
    document = json.loads(whole(body))

    assert document["object"] == "chat.completion" and document["id"] and document["created"] == 7
    assert document["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '"model":"up" é', "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


@pytest.mark.parametrize(
    ("message", "reason", "id_"),
    [
        ({"tool_calls": [LOOSE_CALL]}, "tool_calls", "made"),
        ({"tool_calls": [{"id": "a", **LOOSE_CALL}]}, "stop", "a"),
        ({"tool_calls": [call(0, "a", "f", '{"x":1}')]}, "stop", "a"),
        ({"tool_calls": [call(0, "", "f", '{"x":1}')]}, "tool_calls", "made"),
        ({"function_call": {"name": "f", "arguments": '{"x":1}'}}, "function_call", "made"),
    ],
)
def test_the_calls_of_a_whole_answer_are_complete(message: dict[str, Any], reason: str, id_: str) -> None:
    choice = json.loads(whole(broken(message={"content": None, **message}, choice={"finish_reason": reason})))[
        "choices"
    ][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [
        {"id": id_, "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    ]


def test_a_function_without_arguments_is_called_with_an_empty_object_in_a_whole_answer() -> None:
    body = broken(
        message={"content": None, "tool_calls": [call(0, "a", "f", "")]}, choice={"finish_reason": "tool_calls"}
    )

    assert json.loads(whole(body))["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("reason", ["function_call", "stop", "tool_calls"])
def test_a_whole_answer_of_the_old_form_goes_to_who_asked_for_it(reason: str) -> None:
    new = reason == "tool_calls"
    calls: dict[str, Any] = (
        {"tool_calls": [call(0, "a", "f", "{}")]} if new else {"function_call": {**OLD, "arguments": "{}"}}
    )
    body = broken(message={"content": None, **calls}, choice={"finish_reason": reason})

    choice = json.loads(whole(body, legacy_functions=True))["choices"][0]

    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call" and "tool_calls" not in choice["message"]


def test_a_usage_of_a_whole_answer_is_complete() -> None:
    document = json.loads(whole(broken(usage={"prompt_tokens": 5, "completion_tokens": 2})))

    assert document["usage"]["total_tokens"] == 7


# --- another dialect ---------------------------------------------------------------------------------------------


def test_another_dialects_answer_is_written_as_a_chat_completion() -> None:
    response = ChatResponse("msg_1", "claude-opus-4-7", "Hi", "stop", usage=Usage(3, 2))

    document = json.loads(relay.whole(chat.FACE, framed("claude-opus-4.7"), "messages", b"{}", response, EXPLANATION))

    assert (document["id"], document["model"], document["created"]) == ("chatcmpl-msg_1", "claude-opus-4.7", 7)
    assert document["choices"][0]["message"]["content"] == "Hi"
    assert document["usage"]["total_tokens"] == 5
    assert document["router"] == EXPLANATION["router"]


def test_a_face_that_no_provider_speaks_is_always_written() -> None:
    response = ChatResponse("c", "m", "Hi", "stop")

    assert b'"text_completion"' in relay.whole(completions.FACE, framed(), "chat", WHOLE, response, {})
    assert isinstance(relay.stream(completions.FACE, framed(), "chat"), relay.Translation)


@pytest.mark.parametrize("include_usage", [True, False])
def test_another_dialects_stream_is_written_as_chat_chunks(include_usage: bool) -> None:
    said_: list[list[Delta]] = [
        [Started("msg_1", "up"), UsageReported(Usage(3, 1))],
        [],
        [TextDelta("H"), TextDelta("i")],
        [UsageReported(Usage(3, 2)), Finished("stop")],
    ]
    frame = framed("claude-opus-4.7", include_usage=include_usage)
    stream = relay.stream(chat.FACE, frame, "messages")
    data = b"".join(stream.feed(Event(b""), deltas) for deltas in said_) + stream.finish(EXPLANATION)

    events = EventParser().feed(data)
    documents = [read(event) for event in events]
    decoder = openai.FACE.stream_decoder(frame.request, no_id)
    answer = fold(delta for event in events for delta in decoder.feed(event))

    usage = Usage(3, 2) if include_usage else None
    assert answer == ChatResponse("chatcmpl-msg_1", "claude-opus-4.7", "Hi", "stop", usage=usage)
    assert documents[-1] == "[DONE]" and documents[-2]["router"] == EXPLANATION["router"]
    assert not any("router" in document for document in documents[:-2])
    assert stream.whole() is None


def test_a_stream_that_fails_ends_with_the_error_alone() -> None:
    for spoken in ("chat", "messages"):
        stream = relay.stream(chat.FACE, framed(), spoken)
        stream.feed(chunk(ROLE), [Started("c", "up")])

        (event,) = EventParser().feed(stream.fail(UpstreamError("truncated", "cut")))

        assert read(event)["error"]["code"] == "upstream_truncated"
