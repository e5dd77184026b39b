"""Laws of translation: whatever a caller of any wire format asks, every provider takes what we make of it, nothing of
it is lost, and the answer means the same streamed and whole, in the provider's format and in the caller's.

The judges are the strict simulated providers. TRANSLATION_EXAMPLES=2000 looks for what the everyday run misses.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router import relay, simulated
from router.app import DOORS, FACES, setup_of
from router.catalog import Model
from router.decision import Wishes
from router.dialects import Frame, ServerFace, WireRequest, mended
from router.errors import BadRequest, NoCapableModel
from router.metrics import Metrics
from router.routing import Router
from router.settings import load
from router.sse import Event, EventParser
from router.types import ChatRequest, ChatResponse, Delta, File, Image, Refusal, Text, ToolCall, Wire, fold
from tests.laws import bodies

LAW = settings(
    max_examples=int(os.environ.get("TRANSLATION_EXAMPLES", "80")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
MODELS = (
    "gpt-5.5", "gpt-5.5-pro", "gpt-5.4", "gpt-5.6", "gpt-6-astra", "gpt-6-sol",
    "claude-opus-4.7", "claude-opus-4.6", "claude-opus-4.8", "claude-haiku-4.5", "claude-opus-5", "claude-opus-5.5",
    "claude-sonnet-5.5", "claude-haiku-5.5",
    "gemini-3.1-pro", "gemini-3.1-pro-long", "gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash",
)  # fmt: skip
NONCE = "0123456789abcdef" * 2
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=3)
SOME = st.lists(st.sampled_from(MODELS), min_size=6, max_size=6, unique=True)


@LAW
@given(bodies.chat_bodies(), SOME, SIZES, st.booleans())
def test_what_a_caller_of_chat_completions_asks_is_taken_everywhere_and_answered_alike(
    body: dict[str, Any], names: list[str], sizes: list[int], ascii_only: bool
) -> None:
    check("/v1/chat/completions", body, names, sizes, ascii_only=ascii_only)


@LAW
@given(bodies.responses_bodies(), SOME, SIZES, st.booleans())
def test_what_a_caller_of_responses_asks_is_taken_everywhere_and_answered_alike(
    body: dict[str, Any], names: list[str], sizes: list[int], ascii_only: bool
) -> None:
    check("/v1/responses", body, names, sizes, ascii_only=ascii_only)


@LAW
@given(bodies.messages_bodies(), SOME, SIZES, st.booleans())
def test_what_a_caller_of_messages_asks_is_taken_everywhere_and_answered_alike(
    body: dict[str, Any], names: list[str], sizes: list[int], ascii_only: bool
) -> None:
    check("/v1/messages", body, names, sizes, ascii_only=ascii_only)


@LAW
@given(bodies.completions_bodies(), SOME, SIZES, st.booleans())
def test_what_a_caller_of_completions_asks_is_taken_everywhere_and_answered_alike(
    body: dict[str, Any], names: list[str], sizes: list[int], ascii_only: bool
) -> None:
    check("/v1/completions", body, names, sizes, ascii_only=ascii_only)


HALF = '"\\ud83d"'
HALVES = {
    "/v1/chat/completions": '{"model": "m", "messages": [{"role": "user", "content": ' + HALF + "}]}",
    "/v1/responses": '{"model": "m", "input": ' + HALF + "}",
    "/v1/messages": '{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": ' + HALF + "}]}",
    "/v1/completions": '{"model": "m", "prompt": ' + HALF + "}",
}


@pytest.mark.parametrize("path", HALVES)
def test_half_a_surrogate_pair_in_a_body_is_refused_as_no_json(path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        DOORS[path].decode_request(HALVES[path].encode())
    assert caught.value.code == "invalid_json"


# --- asking --------------------------------------------------------------------------------------------


@cache
def router() -> Router:
    """The router of the configuration that ships, with a key for every provider."""
    keys = {f"{name}_API_KEY": "key-of-the-test" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
    found = load(None, keys, cwd=Path(__file__).parent)
    table = found.initial_table()
    return Router(setup_of(found), lambda: (table, table), FACES, Metrics(), time.monotonic)


def check(path: str, body: dict[str, Any], names: list[str], sizes: list[int], *, ascii_only: bool) -> None:
    """This request to each model, whole and streamed."""
    door = DOORS[path]
    whole, streamed = (
        door.decode_request(json.dumps({**body, "stream": stream}, ensure_ascii=ascii_only).encode())
        for stream in (False, True)
    )
    for name in names:
        note(name)
        model = router().named(name)
        assert model is not None
        check_model(door, whole, streamed, model, sizes)


def check_model(door: ServerFace, whole: ChatRequest, streamed: ChatRequest, model: Model, sizes: list[int]) -> None:
    document, stream = answered(whole, model), answered(streamed, model)
    assert (document is None) == (stream is None)
    if document is None or stream is None:
        return
    spoken = model.wire(whole)
    answer = FACES[spoken].decode_response(document, whole, made_id)
    events = decoded(spoken, streamed, stream, sizes)
    said = fold(deltas_of(events))
    assert said == fold(deltas_of(decoded(spoken, streamed, stream, [len(stream)])))
    assert meaning(said) == meaning(answer)
    check_document(door, Frame(whole, model.name, 1, NONCE), spoken, document, answer)
    check_stream(door, Frame(streamed, model.name, 1, NONCE), spoken, events, said)


def answered(request: ChatRequest, model: Model) -> bytes | None:
    """What the provider answers, None where we refuse the request by name."""
    try:
        target = router().decide(request, Wishes(model=model.name)).targets[0]
        sent = FACES[model.wire(request)].encode_request(request, target)
    except (BadRequest, NoCapableModel) as refusal:
        assert refusal.param
        return None
    check_nothing_lost(request, sent)
    path, _, query = sent.path.partition("?")
    base = "" if path.startswith("/v1/") else "/v1"
    reply = simulated.answer(simulated.Call(base + path, query, dict(sent.headers), sent.body, NONCE, 1))
    assert reply.status == 200, b"".join(reply.chunks).decode()[:500]
    return b"".join(reply.chunks)


def made_id() -> str:
    return "call_made"


# --- what is sent --------------------------------------------------------------------------------------


def check_nothing_lost(request: ChatRequest, sent: WireRequest) -> None:
    """All that was said, shown, called and offered stands in the body in one form or another."""
    found = list(values_in(msgspec.json.decode(sent.body)))
    texts = "\n\0\n".join(value for value in found if isinstance(value, str))
    objects = [value for value in found if isinstance(value, dict)]
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | Refusal(text) if text.strip():
                    # A document's title and text are one text to us, two to Anthropic.
                    assert all(piece in texts for piece in text.split("\n\n")) or as_object(text) in objects
                case Image(url):
                    assert url.rpartition(",")[2] in texts
                case File(data=str(data)) if "text/plain" not in data:
                    assert data.rpartition(",")[2] in texts
        for call in message.tool_calls:
            assert call.arguments.strip() in texts or arguments_of(call) in objects
    for tool in request.tools:
        assert tool.name in texts and (tool.description or "").strip() in texts


def values_in(document: Any) -> Iterator[Any]:
    yield document
    if isinstance(document, dict):
        yield from document
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from values_in(item)


def as_object(text: str) -> Any:
    try:
        return msgspec.json.decode(mended(text.encode()))
    except msgspec.DecodeError:
        return None


def arguments_of(call: ToolCall) -> Any:
    return as_object(call.arguments) if call.kind == "function" else {"input": call.arguments}


# --- what is answered ----------------------------------------------------------------------------------


def decoded(wire: Wire, request: ChatRequest, stream: bytes, sizes: list[int]) -> list[tuple[Event, list[Delta]]]:
    """The events of a stream that comes in blocks of these sizes, each with its deltas; an empty one for the rest."""
    decoder = FACES[wire].stream_decoder(request, made_id)
    parser = EventParser()
    events = []
    for block in blocks_of(stream, sizes):
        for event in parser.feed(block):
            whole = replace(event, data=mended(event.data))
            events.append((whole, list(decoder.feed(whole))))
    assert decoder.complete
    left = list(decoder.close())
    return [*events, (Event(b""), left)] if left else events


def blocks_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    start, turn = 0, 0
    while start < len(data):
        end = start + sizes[turn % len(sizes)]
        yield data[start:end]
        start, turn = end, turn + 1


def deltas_of(events: list[tuple[Event, list[Delta]]]) -> list[Delta]:
    return [delta for _, deltas in events for delta in deltas]


def meaning(answer: ChatResponse) -> Any:
    """What is the same however the answer comes."""
    thoughts = [(thought.text, thought.seal and thought.seal.value, thought.hidden) for thought in answer.thoughts]
    return shown(answer), answer.text, answer.refusal, thoughts


def shown(answer: ChatResponse) -> Any:
    """What every caller sees of it, whatever the wire format."""
    calls = [(call.id, call.name, plain(call.arguments)) for call in answer.tool_calls]
    words, refusal = answer.text or "", answer.refusal or ""
    said = words if words.endswith(refusal) else words + refusal  # Anthropic says a refusal twice
    ended = "content_filter" if refusal else answer.finish_reason  # OpenAI says that it refuses and stops
    return said, calls, ended, [shown(one) for one in answer.alternatives]


def plain(arguments: str) -> Any:
    """JSON as what it says, a custom tool's text as the function that stands for it has it."""
    try:
        document = json.loads(arguments)
    except ValueError:
        return arguments
    return document["input"] if isinstance(document, dict) and list(document) == ["input"] else document


def counts(answer: ChatResponse) -> Any:
    usage = answer.usage
    return usage and (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens)


# --- what the caller gets ------------------------------------------------------------------------------


def check_document(door: ServerFace, frame: Frame, spoken: Wire, document: bytes, answer: ChatResponse) -> None:
    """The caller's document means what the provider's does, and OpenAI's SDK takes it."""
    sent = relay.whole(door, frame, spoken, document, answer, {})
    match door.wire:
        case "completions":
            texts = [choice.text for choice in Completion.model_validate_json(sent).choices]
            assert texts == [(one.text or "") + (one.refusal or "") for one in (answer, *answer.alternatives)]
            return
        case "chat":
            ChatCompletion.model_validate_json(sent)
        case "responses":
            Response.model_validate_json(sent)
    if frame.request.legacy_functions:  # no client face of ours reads the old form
        return
    read = FACES[door.wire].decode_response(sent, frame.request, made_id)
    assert (shown(read), counts(read)) == (shown(answer), counts(answer))


_STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def check_stream(
    door: ServerFace, frame: Frame, spoken: Wire, events: list[tuple[Event, list[Delta]]], answer: ChatResponse
) -> None:
    """The same of the stream."""
    stream = relay.stream(door, frame, spoken)
    sent = b"".join([stream.feed(event, deltas) for event, deltas in events]) + stream.finish({})
    data = [event.data for event in EventParser().feed(sent)]
    match door.wire:
        case "completions":
            assert data[-1] == b"[DONE]"
            check_completion([json.loads(one)["choices"] for one in data[:-1]], answer)
            return
        case "chat":
            # The SDK's types know custom tools in whole answers only.
            known = [one.replace(b'"type":"custom"', b'"type":"function"') for one in data[:-1]]
            chunks = [ChatCompletionChunk.model_validate_json(one) for one in known]
            assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
            assert data[-1] == b"[DONE]"
        case "responses":
            numbers = [_STREAM_EVENT.validate_json(one).sequence_number for one in data]
            assert numbers == list(range(len(numbers)))
    if frame.request.legacy_functions:
        return
    read = fold(deltas_of(decoded(door.wire, frame.request, sent, [len(sent)])))
    assert shown(read) == shown(answer)


def check_completion(chunks: list[list[dict[str, Any]]], answer: ChatResponse) -> None:
    """The pieces of each choice are its text, and the last of them says how it ended."""
    for index, one in enumerate((answer, *answer.alternatives)):
        pieces = [choice for choices in chunks for choice in choices if choice["index"] == index]
        assert "".join(piece["text"] for piece in pieces) == (one.text or "") + (one.refusal or "")
        assert [piece["finish_reason"] is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
