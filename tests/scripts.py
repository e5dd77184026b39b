"""What providers say, by hand from their references: whole answers and event streams of all four wire formats."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pytest

from tests.providers import Dialect, Providers, Status
from tests.reading import Call

Speech = Literal["chat", "responses", "messages", "gemini"]
SPEECHES: tuple[Speech, ...] = ("chat", "responses", "messages", "gemini")
DIALECTS: dict[Speech, Dialect] = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "gemini": "gemini",
}
# Models that are asked in this wire format whatever the request is.
MODELS: dict[Speech, str] = {
    "chat": "local",
    "responses": "gpt-5.5-pro",
    "messages": "claude-opus-4.7",
    "gemini": "gemini-3.1-pro",
}


each_speech = pytest.mark.parametrize("speech", SPEECHES)

# Calls that providers make in these scripts, and the tools that are called.
OSLO = Call("call_oslo", "get_weather", '{"city":"Oslo"}')
ROME = Call("call_rome", "get_weather", '{"city":"Rome"}')
TIME = Call("call_time", "get_time", "{}")
_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: dict[str, Any] = {"get_weather": _CITY}
TOOLS: dict[str, Any] = {**WEATHER, "get_time": None}


def with_local(base_url: str) -> dict[str, Any]:
    """A configuration with `local`, a model of a compatible server that has chat completions alone."""
    provider = {"dialect": "openai", "base_url": base_url, "api_key": "secret-local"}
    return {"providers": {"local": provider}, "models": {"local": {"provider": "local", "id": "local-1"}}}


def script(providers: Providers, speech: Speech, *answers: Any) -> None:
    """The next calls of the provider that speaks so are answered by these: bytes of a stream, a document or a fault."""
    providers.fail(DIALECTS[speech], *(_status(answer) for answer in answers))


def _status(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return Status(200, answer, {"content-type": "text/event-stream"})
    return Status(200, dumped(answer)) if isinstance(answer, dict) else answer


def sent(providers: Providers) -> Any:
    """The body of the newest call, whichever provider got it."""
    return providers.received[-1].json


def within(document: Any) -> Iterator[dict[str, Any]]:
    """Every object in what was sent."""
    if isinstance(document, dict):
        yield document
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for value in inner:
        yield from within(value)


def dumped(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


# --- framing -----------------------------------------------------------------------------------------------------


def chat_events(*chunks: Any) -> bytes:
    return b"".join(b"data: " + (chunk if isinstance(chunk, bytes) else dumped(chunk)) + b"\n\n" for chunk in chunks)


def gemini_events(*chunks: Any) -> bytes:
    return b"".join(b"data: " + dumped(chunk) + b"\r\n\r\n" for chunk in chunks)


def named_events(*events: Any) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: ".encode() + dumped(event) + b"\n\n" for event in events)


def numbered_events(*events: Any, first: int = 0) -> bytes:
    return named_events(*({**event, "sequence_number": number} for number, event in enumerate(events, first)))


# --- chat completions --------------------------------------------------------------------------------------------


def chunk(delta: Any, end: str | None = None, **members: Any) -> Any:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "local-1"}
    return {**head, "choices": [choice], **members}


def completion(message: Any, end: str = "stop", **members: Any) -> Any:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": None, **message},
        "logprobs": None,
        "finish_reason": end,
    }
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "local-1"}
    return {**head, "choices": [choice], "usage": CHAT_USAGE, **members}


CHAT_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
CHAT_START = chunk({"role": "assistant", "content": ""})
CHAT_USAGE_CHUNK = {**chunk({}), "choices": [], "usage": CHAT_USAGE}

# --- responses ---------------------------------------------------------------------------------------------------

_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "model": "gpt-5.5-pro-2026-04-23",
    "output": [],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": None,
}
RESPONSES_USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 13,
}


def response(*output: Any, **members: Any) -> Any:
    return {**_RESPONSE, "status": "completed", "output": list(output), "usage": RESPONSES_USAGE, **members}


RESPONSE_START = [
    {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
    {"type": "response.in_progress", "response": {**_RESPONSE, "status": "in_progress"}},
]


def message_item(text: str, status: str = "completed") -> Any:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part] if text else []}


def _spoken(*pieces: str) -> list[Any]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": message_item("", "in_progress")},
        {"type": "response.content_part.added", **at, "part": empty},
        *({"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []} for piece in pieces),
    ]


def message_done(text: str) -> list[Any]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = message_item(text)
    return [
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


def call_item(place: int, call: Call, status: str = "completed") -> Any:
    named = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"id": f"fc_{place}", "type": "function_call", "status": status, **named}


def reasoning_item(text: str, cipher: str) -> Any:
    summary = [{"type": "summary_text", "text": text}]
    return {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": cipher}


def _called(place: int, call: Call) -> list[Any]:
    at = {"item_id": f"fc_{place}", "output_index": place}
    begun = call_item(place, call._replace(arguments=""), "in_progress")
    return [
        {"type": "response.output_item.added", "output_index": place, "item": begun},
        *({"type": "response.function_call_arguments.delta", **at, "delta": d} for d in halves(call.arguments)),
        {"type": "response.function_call_arguments.done", **at, "arguments": call.arguments, "name": call.name},
        {"type": "response.output_item.done", "output_index": place, "item": call_item(place, call)},
    ]


# --- messages ----------------------------------------------------------------------------------------------------

_MESSAGE = {
    "id": "msg_01hand",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-7-20260416",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
}


def message(*content: Any, end: str = "end_turn", **members: Any) -> Any:
    usage = {"input_tokens": 9, "output_tokens": 4}
    return {**_MESSAGE, "content": list(content), "stop_reason": end, "usage": usage, **members}


def message_start(**usage: Any) -> Any:
    return {
        "type": "message_start",
        "message": {**_MESSAGE, "usage": {"input_tokens": 9, "output_tokens": 1, **usage}},
    }


def block_start(index: int, block: Any) -> Any:
    return {"type": "content_block_start", "index": index, "content_block": block}


def block_delta(index: int, kind: str, member: str, value: str) -> Any:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: value}}


def block_stop(index: int) -> Any:
    return {"type": "content_block_stop", "index": index}


def text_block(index: int, *pieces: str) -> list[Any]:
    """A text block but for its end."""
    deltas = [block_delta(index, "text_delta", "text", piece) for piece in pieces]
    return [block_start(index, {"type": "text", "text": ""}), *deltas]


def thinking_block(index: int, text: str, signature: str) -> list[Any]:
    said = [block_delta(index, "thinking_delta", "thinking", text)] if text else []
    start = block_start(index, {"type": "thinking", "thinking": "", "signature": ""})
    return [start, *said, block_delta(index, "signature_delta", "signature", signature), block_stop(index)]


def tool_block(index: int, call: Call) -> list[Any]:
    """The first delta is empty, as the API has it, and the only one where there are no arguments."""
    start = block_start(index, {"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
    pieces = ("", *(halves(call.arguments) if call.arguments != "{}" else ()))
    return [
        start,
        *(block_delta(index, "input_json_delta", "partial_json", piece) for piece in pieces),
        block_stop(index),
    ]


def message_end(end: str, **usage: Any) -> list[Any]:
    delta = {"stop_reason": end, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4, **usage}},
        {"type": "message_stop"},
    ]


# --- gemini ------------------------------------------------------------------------------------------------------


GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}


def candidates(*parts: Any, end: str | None = None, **members: Any) -> Any:
    """A GenerateContentResponse: a whole answer, or one chunk of a stream."""
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if end:
        candidate["finishReason"] = end
    head = {"modelVersion": "gemini-3.1-pro-preview", "responseId": "gem1"}
    return {"candidates": [candidate], "usageMetadata": GEMINI_USAGE, **head, **members}


def function_call(call: Call, signature: str | None = None) -> Any:
    arguments = json.loads(call.arguments)
    said = {"name": call.name, "id": call.id, **({"args": arguments} if arguments else {})}
    return {"functionCall": said} | ({"thoughtSignature": signature} if signature else {})


# --- whole conversations' worth, in each format ------------------------------------------------------------------


def spoken(speech: Speech, *pieces: str) -> bytes:
    """A stream that has said these pieces, and goes on."""
    match speech:
        case "chat":
            return chat_events(CHAT_START, *(chunk({"content": piece}) for piece in pieces))
        case "responses":
            return numbered_events(*RESPONSE_START, *_spoken(*pieces))
        case "messages":
            return named_events(message_start(), *text_block(0, *pieces))
        case "gemini":
            return gemini_events(*(candidates({"text": piece}) for piece in pieces))


def text_answer(speech: Speech, *pieces: str, stream: bool, used: Any = None) -> Any:
    """An answer of these pieces of text; `used` is its usage as the format has it."""
    text = "".join(pieces)
    match speech:
        case "chat":
            usage = used or CHAT_USAGE
            if not stream:
                return completion({"content": text}, usage=usage)
            end = [chunk({}, "stop"), {**CHAT_USAGE_CHUNK, "usage": usage}, b"[DONE]"]
            return spoken("chat", *pieces) + chat_events(*end)
        case "responses":
            whole = response(message_item(text), usage=used or RESPONSES_USAGE)
            completed = {"type": "response.completed", "response": whole}
            told = [*RESPONSE_START, *_spoken(*pieces), *message_done(text), completed]
            return numbered_events(*told) if stream else whole
        case "messages":
            usage = used or {"input_tokens": 9, "output_tokens": 4}
            if not stream:
                return message({"type": "text", "text": text}, usage=usage)
            begun = message_start(**{**usage, "output_tokens": 1})
            return named_events(begun, *text_block(0, *pieces), block_stop(0), *message_end("end_turn", **usage))
        case "gemini":
            usage = used or GEMINI_USAGE
            if not stream:
                return candidates({"text": text}, end="STOP", usageMetadata=usage)
            so_far = {**usage, "candidatesTokenCount": 1}
            told = [candidates({"text": piece}, usageMetadata=so_far) for piece in pieces]
            return gemini_events(*told, candidates(end="STOP", usageMetadata=usage))


def calls_answer(speech: Speech, *calls: Call, stream: bool) -> Any:
    """An answer that calls these tools, arguments in two pieces where the format has pieces."""
    match speech:
        case "chat":
            return _chat_calls(calls, stream=stream)
        case "responses":
            whole = response(*(call_item(place, call) for place, call in enumerate(calls)))
            if not stream:
                return whole
            events = [event for place, call in enumerate(calls) for event in _called(place, call)]
            return numbered_events(*RESPONSE_START, *events, {"type": "response.completed", "response": whole})
        case "messages":
            if not stream:
                blocks = [
                    {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)}
                    for id_, name, arguments in calls
                ]
                return message(*blocks, end="tool_use")
            events = [event for place, call in enumerate(calls) for event in tool_block(place, call)]
            return named_events(message_start(), *events, *message_end("tool_use"))
        case "gemini":
            parts = [function_call(call, None if place else "c2lnbmVk") for place, call in enumerate(calls)]
            if not stream:
                return candidates(*parts, end="STOP")
            return gemini_events(*(candidates(part) for part in parts), candidates(end="STOP"))


def _chat_calls(calls: Sequence[Call], *, stream: bool) -> Any:
    told = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in calls
    ]
    if not stream:
        return completion({"tool_calls": told}, "tool_calls")
    deltas: list[Any] = []
    for index, call in enumerate(calls):
        named = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": named}]})
        deltas += ({"tool_calls": [{"index": index, "function": {"arguments": d}}]} for d in halves(call.arguments))
    chunks = [chunk(delta) for delta in deltas]
    return chat_events(CHAT_START, *chunks, chunk({}, "tool_calls"), CHAT_USAGE_CHUNK, b"[DONE]")


def halves(text: str) -> tuple[str, ...]:
    middle = len(text) // 2
    return tuple(half for half in (text[:middle], text[middle:]) if half)
