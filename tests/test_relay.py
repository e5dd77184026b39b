"""What a caller gets to see: the provider's own bytes but for the model's name, or a translation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from router import relay
from router.dialects import openai
from router.sse import Event, EventParser
from router.types import ChatResponse, Delta, Finished, Started, TextDelta, Usage, UsageReported, fold

GOLDEN = Path(__file__).parent / "golden" / "openai"
NAMES = ["text", "tools", "length", "refusal", "filtered", "reasoning", "careless"]
EXPLANATION = {"router": {"model": "gpt-5.5", "why": "table"}}


def no_id() -> str:
    raise AssertionError("no id was missing")


def events_of(name: str) -> list[Event]:
    return EventParser().feed((GOLDEN / f"{name}.sse").read_bytes())


def relayed(events: Sequence[Event], *, include_usage: bool, extra: dict[str, Any] | None = None) -> list[Any]:
    """What a caller of `gpt-5.5` reads: the decoded events, [DONE] as a text."""
    stream = relay.Passthrough(model="gpt-5.5", include_usage=include_usage)
    decoder = openai.FACE.stream_decoder(lambda: "made")
    written = b"".join(stream.feed(event, decoder.feed(event)) for event in events)
    written += stream.finish(extra or {})
    return [read(event) for event in EventParser().feed(written)]


def read(event: Event) -> Any:
    return "[DONE]" if event.data.startswith(b"[DONE]") else json.loads(event.data)


def chunk(*choices: Any, **fields: Any) -> Event:
    return Event(json.dumps({"id": "c", "model": "upstream", "choices": choices, **fields}).encode())


TEXT = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
END = {"index": 0, "delta": {}, "finish_reason": "stop"}
DONE = Event(b"[DONE]")
USAGE = {"prompt_tokens": 1, "completion_tokens": 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_passes_as_it_came_but_for_the_models_name(name: str) -> None:
    events = events_of(name)
    expected = [read(event) for event in events]
    for document in expected[:-1]:
        document["model"] = "gpt-5.5"

    assert relayed(events, include_usage=True) == expected
    assert relayed(events, include_usage=False) == [d for d in expected if d == "[DONE]" or d["choices"]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("include_usage", [True, False])
def test_the_explanation_rides_on_the_last_chunk_alone(name: str, include_usage: bool) -> None:
    plain = relayed(events_of(name), include_usage=include_usage)
    explained = relayed(events_of(name), include_usage=include_usage, extra=EXPLANATION)

    assert explained[-1] == "[DONE]"
    assert explained[-2] == {**plain[-2], **EXPLANATION}
    assert explained[:-2] == plain[:-2]


def test_chunks_go_out_at_once_until_the_finish() -> None:
    stream = relay.Passthrough(model="m", include_usage=True)
    decoder = openai.FACE.stream_decoder(no_id)

    sent = [stream.feed(event, decoder.feed(event)) for event in (chunk(TEXT), chunk(TEXT), chunk(END))]

    assert sent[0] and sent[1] and sent[2] == b""


def test_a_usage_that_only_we_asked_for_is_left_out_and_nothing_else() -> None:
    events = [
        chunk(TEXT, usage=USAGE),
        chunk({**TEXT, "index": 1}, usage=USAGE),
        chunk({**END, "index": 1}, usage=USAGE),
        chunk(END, usage=USAGE),
        chunk(usage=USAGE),
        chunk(usage=USAGE),
        DONE,
    ]

    seen = relayed(events, include_usage=False)

    assert [len(document["choices"]) for document in seen[:-1]] == [1, 1, 1, 1]
    assert [document["choices"][0]["index"] for document in seen[:-1]] == [0, 1, 1, 0]


def test_choices_that_finish_later_are_passed_on() -> None:
    events = [chunk(END), chunk({**TEXT, "index": 1}), chunk({**END, "index": 1}), DONE]

    assert [document["choices"][0]["index"] for document in relayed(events, include_usage=False)[:-1]] == [0, 1, 1]


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"c","model":"up","choices":[{"index":0,"delta":{"content":"\\"model\\":\\"up\\""}}]}',
        b'{"choices":[{"index":0,"delta":{"content":"x","model":"inner"}}],"id":"c","model":"up"}',
        b'{"id":"\\\\","model":"u\\"p","choices":[{"index":0,"delta":{"content":"\\"model\\": \\"gpt\\""}}]}',
        b'{"id":"c","model":null,"choices":[{"index":0,"delta":{"content":"model"}}]}',
        b'{"id":"c","choices":[{"index":0,"delta":{"content":"\\ud83c\\udf88","nested":{"model":"inner"}}}]}',
        '{"id":"c","mod\\u0065l":"up","choices":[{"index":0,"delta":{"content":"a\u2028\u0085b"}}]}'.encode(),
    ],
)
def test_the_models_name_is_replaced_at_the_top_and_nowhere_else(data: bytes) -> None:
    document = relayed([Event(data), chunk(END), DONE], include_usage=False)[0]

    assert document == {**json.loads(data), "model": "gpt-5.5"}


def test_content_keeps_its_bytes() -> None:
    choices = b'[{"index":0,"delta":{"content":"\\ud83c\\udf88 \\/ \\u00e9"},"logprobs":{"x":1.50}}]'
    event = Event(b'{"id":"c","model":"up","choices":' + choices + b"}")

    written = relay.Passthrough(model="m", include_usage=False).feed(event, [TextDelta("x")])

    assert written == b'data: {"id":"c","model":"m","choices":' + choices + b"}\n\n"


def test_json_over_several_data_lines_stays_one_event() -> None:
    events = EventParser().feed(
        b'data: {"id":"c","model":"up",\ndata: "choices":[{"index":0,\r\ndata: "delta":{"content":"x"}}]}\n\n'
    )

    seen = relayed([*events, chunk(END), DONE], include_usage=False)

    assert [document["choices"][0]["delta"] for document in seen[:-1]] == [{"content": "x"}, {}]


def test_a_name_of_ours_is_escaped() -> None:
    stream = relay.Passthrough(model='a"b\\1', include_usage=False)

    written = stream.feed(chunk(TEXT), [TextDelta("x")])

    assert read(EventParser().feed(written)[0])["model"] == 'a"b\\1'


def test_a_whole_answer_passes_as_it_came_but_for_the_models_name() -> None:
    body = b'{"id": "c","model": "up","choices":[{"message":{"content":"\\"model\\":\\"up\\" \\u00e9"}}],"x":1.50}'

    assert relay.whole_passthrough(body, model="gpt-5.5", extra={}) == (
        b'{"id":"c","model":"gpt-5.5","choices":[{"message":{"content":"\\"model\\":\\"up\\" \\u00e9"}}],"x":1.50}'
    )
    assert json.loads(relay.whole_passthrough(body, model="m", extra=EXPLANATION)) == {
        **json.loads(body),
        "model": "m",
        **EXPLANATION,
    }


def test_another_dialects_answer_is_written_as_a_chat_completion() -> None:
    response = ChatResponse("msg_1", "claude-opus-4-7", "Hi", "stop", usage=Usage(3, 2))

    document = json.loads(relay.whole_translation(response, model="claude-opus-4.7", created=7, extra=EXPLANATION))

    assert (document["id"], document["model"], document["created"]) == ("chatcmpl-msg_1", "claude-opus-4.7", 7)
    assert document["choices"][0]["message"]["content"] == "Hi"
    assert document["usage"]["total_tokens"] == 5
    assert document["router"] == EXPLANATION["router"]


@pytest.mark.parametrize("include_usage", [True, False])
def test_another_dialects_stream_is_written_as_chat_chunks(include_usage: bool) -> None:
    said: list[list[Delta]] = [
        [Started("msg_1", "up"), UsageReported(Usage(3, 1))],
        [],
        [TextDelta("H"), TextDelta("i")],
        [UsageReported(Usage(3, 2)), Finished("stop")],
    ]
    stream = relay.Translation(model="claude-opus-4.7", created=7, include_usage=include_usage)
    written = b"".join(stream.feed(Event(b""), deltas) for deltas in said) + stream.finish(EXPLANATION)

    events = EventParser().feed(written)
    documents = [read(event) for event in events]
    decoder = openai.FACE.stream_decoder(no_id)
    answer = fold(delta for event in events for delta in decoder.feed(event))

    usage = Usage(3, 2) if include_usage else None
    assert answer == ChatResponse("chatcmpl-msg_1", "claude-opus-4.7", "Hi", "stop", usage=usage)
    assert documents[-1] == "[DONE]" and documents[-2]["router"] == EXPLANATION["router"]
    assert not any("router" in document for document in documents[:-2])
