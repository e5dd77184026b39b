"""Answers of the four doors, whole and streamed, read as strictly as SDKs read them.

Written from the wire formats' references; knows nothing of our own coders.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import httpx

Door = Literal["chat", "responses", "messages", "completions"]


class Call(NamedTuple):
    id: str
    name: str
    arguments: str


class Tokens(NamedTuple):
    """Tokens of one answer; `cached` and `written` are part of `input`, `reasoning` is part of `output`."""

    input: int
    cached: int
    written: int
    output: int
    reasoning: int


@dataclass
class Said:
    """What an answer adds up to. `end` is in the words of chat completions, None where an error ended it."""

    text: str = ""
    refusal: str = ""
    thoughts: str = ""
    calls: list[Call] = field(default_factory=list)
    end: str | None = None
    usage: Tokens | None = None
    error: Any = None
    document: Any = None  # the whole answer, where there is one
    choices: list[str] = field(default_factory=list)  # the texts of all choices, where there are several


def read(door: Door, response: httpx.Response) -> Said:
    """The answer of a 200."""
    assert response.status_code == 200, response.text
    streamed = response.headers["content-type"].startswith("text/event-stream")
    return (_STREAMED if streamed else _WHOLE)[door](response)


def refusal(door: Door, response: httpx.Response) -> Any:
    """The error object of an error that came whole."""
    document = response.json()
    assert (document.get("type") == "error") == (door == "messages"), "its own form of error"
    return document["error"]


# --- whole answers -----------------------------------------------------------------------------------------------


def _chat_whole(response: httpx.Response) -> Said:
    document = response.json()
    assert document["object"] == "chat.completion"
    message = document["choices"][0]["message"]
    assert message["role"] == "assistant" and "content" in message
    assert message.get("tool_calls") != []
    return Said(
        text=message["content"] or "",
        refusal=message.get("refusal") or "",
        thoughts=message.get("reasoning_content") or "",
        calls=[_chat_call(call) for call in message.get("tool_calls") or ()],
        end=document["choices"][0]["finish_reason"],
        usage=_chat_usage(document.get("usage")),
        document=document,
        choices=[choice["message"]["content"] or "" for choice in document["choices"]],
    )


def _chat_call(call: Any) -> Call:
    assert call["type"] == "function"
    return Call(call["id"], call["function"]["name"], call["function"]["arguments"])


def _completions_whole(response: httpx.Response) -> Said:
    document = response.json()
    assert document["object"] == "text_completion"
    choices = document["choices"]
    return Said(
        text=choices[0]["text"],
        end=choices[0]["finish_reason"],
        usage=_chat_usage(document.get("usage")),
        document=document,
        choices=[choice["text"] for choice in choices],
    )


def _responses_whole(response: httpx.Response) -> Said:
    return _response_said(response.json())


def _response_said(document: Any) -> Said:
    said = Said(document=document)
    assert document["object"] == "response"
    for item in document["output"]:
        match item["type"]:
            case "message":
                for part in item["content"]:
                    said.text += part.get("text", "")
                    said.refusal += part.get("refusal", "")
            case "function_call":
                said.calls.append(Call(item["call_id"], item["name"], item["arguments"]))
            case "reasoning":
                said.thoughts += "".join(part["text"] for part in item["summary"])
    said.end = _response_end(document, bool(said.calls))
    if usage := document.get("usage"):
        details, out = usage["input_tokens_details"], usage["output_tokens_details"]
        said.usage = Tokens(
            usage["input_tokens"],
            details["cached_tokens"],
            details.get("cache_write_tokens", 0),
            usage["output_tokens"],
            out["reasoning_tokens"],
        )
    return said


def _response_end(document: Any, called: bool) -> str | None:
    match document["status"]:
        case "completed":
            return "tool_calls" if called else "stop"
        case "incomplete":
            reason: str = document["incomplete_details"]["reason"]
            return {"max_output_tokens": "length"}.get(reason, reason)
        case _:
            return None


def _messages_whole(response: httpx.Response) -> Said:
    return _message_said(response.json())


def _message_said(document: Any) -> Said:
    said = Said(document=document)
    assert (document["type"], document["role"]) == ("message", "assistant")
    for block in document["content"]:
        match block["type"]:
            case "text":
                assert block["text"], "an empty text block, which the API refuses when it comes back"
                said.text += block["text"]
            case "tool_use":
                assert isinstance(block["input"], dict)
                said.calls.append(Call(block["id"], block["name"], json.dumps(block["input"])))
            case "thinking":
                said.thoughts += block["thinking"]
    said.end = _ANTHROPIC_END[document["stop_reason"]]
    if document["stop_reason"] == "refusal":
        said.refusal = (document["stop_details"] or {}).get("explanation") or ""
    usage = document["usage"]
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    said.usage = Tokens(usage["input_tokens"] + cached + written, cached, written, usage["output_tokens"], thinking)
    return said


_ANTHROPIC_END = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def _chat_usage(usage: Any) -> Tokens | None:
    if usage is None:
        return None
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    details, out = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return Tokens(
        usage["prompt_tokens"],
        details.get("cached_tokens", 0),
        details.get("cache_write_tokens", 0),
        usage["completion_tokens"],
        out.get("reasoning_tokens", 0),
    )


# --- streams -----------------------------------------------------------------------------------------------------


def events(response: httpx.Response) -> list[tuple[str, str]]:
    """The name and the data of each event, by the rules: comments skipped, nothing without data, no id or retry."""
    found = []
    blocks = response.text.split("\n\n")
    assert blocks.pop() == "", "the last event has no end"
    for block in blocks:
        members = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        assert set(members) in ({"data"}, {"event", "data"}), f"JSON clients choke on {block!r}"
        found.append((members.get("event", ""), members["data"]))
    return found


def chunks(response: httpx.Response) -> list[Any]:
    """The objects of a stream of chat or completions; a [DONE], if there is one, is the last and left out."""
    found = []
    all_ = events(response)
    for place, (name, data) in enumerate(all_):
        assert not name
        if data == "[DONE]":
            assert place == len(all_) - 1, "something follows [DONE]"
        else:
            found.append(json.loads(data))
    broken = "error" in found[-1]
    assert (all_[-1][1] == "[DONE]") != broken, "a stream ends in [DONE] or in an error"
    return found


def _chat_streamed(response: httpx.Response) -> Said:
    found = chunks(response)
    said = Said()
    if "error" in found[-1]:
        said.error = found.pop()["error"]
    heads = {(chunk["id"], chunk["created"], chunk["object"]) for chunk in found}
    assert len(heads) == (1 if found else 0) and all(head[2] == "chat.completion.chunk" for head in heads)
    choices: dict[int, Said] = {}
    for place, chunk in enumerate(found):
        if not chunk["choices"]:
            assert place == len(found) - 1, "the usage chunk is the last"
            said.usage = _chat_usage(chunk["usage"])
            continue
        assert chunk.get("usage") is None, "usage on a chunk that has choices"
        for choice in chunk["choices"]:
            new = choice["index"] not in choices
            if new:
                assert choice["index"] == len(choices)
                assert choice["delta"]["role"] == "assistant", "the first delta names the role"
            _add_choice(choices.setdefault(choice["index"], Said()), choice, new=new)
    first = choices.get(0, Said())
    first.error, first.usage = said.error, said.usage
    first.choices = [choice.text for _, choice in sorted(choices.items())]
    assert (first.error is None) == (first.end is not None), "a stream has a finish_reason or an error"
    return first


def _add_choice(said: Said, choice: Any, *, new: bool) -> None:
    assert said.end is None, "something follows the finish_reason"
    delta = choice["delta"]
    assert new or not delta.get("role"), "the role comes once"
    said.text += delta.get("content") or ""
    said.refusal += delta.get("refusal") or ""
    said.thoughts += delta.get("reasoning_content") or ""
    assert delta.get("tool_calls") != []
    for piece in delta.get("tool_calls") or ():
        function = piece["function"]
        if piece.get("id"):
            assert piece["index"] == len(said.calls), "calls are counted from 0"
            assert piece["type"] == "function" and function["name"]
            said.calls.append(Call(piece["id"], function["name"], ""))
        else:
            assert not function.get("name") and not piece.get("type"), "clients join what comes twice"
        before = said.calls[piece["index"]]
        said.calls[piece["index"]] = before._replace(arguments=before.arguments + (function.get("arguments") or ""))
    said.end = choice["finish_reason"]


def _completions_streamed(response: httpx.Response) -> Said:
    found = chunks(response)
    said = Said()
    texts: dict[int, str] = {}
    ends: dict[int, str] = {}
    if "error" in found[-1]:
        said.error = found.pop()["error"]
    for place, chunk in enumerate(found):
        assert chunk["object"] == "text_completion"
        if not chunk["choices"]:
            assert place == len(found) - 1, "the usage chunk is the last"
            said.usage = _chat_usage(chunk["usage"])
            continue
        assert chunk.get("usage") is None, "usage on a chunk that has choices"
        for choice in chunk["choices"]:
            index = choice["index"]
            assert index not in ends, "something follows the finish_reason"
            texts[index] = texts.get(index, "") + choice["text"]
            if choice["finish_reason"]:
                ends[index] = choice["finish_reason"]
    said.text, said.end, said.choices = texts.get(0, ""), ends.get(0), [texts[index] for index in sorted(texts)]
    assert (said.error is None) == (said.end is not None)
    return said


def _responses_streamed(response: httpx.Response) -> Said:
    found = [(name, json.loads(data)) for name, data in events(response)]
    assert all(name == event["type"] for name, event in found)
    assert [event["sequence_number"] for _, event in found] == list(range(len(found)))
    *body, (last, end) = found
    assert not any(name in _TERMINAL for name, _ in body)
    pieces = _Items()
    for name, event in body:
        pieces.add(name, event)
    if last in ("response.failed", "error"):
        said = pieces.said()
        said.error = end["response"]["error"] if last == "response.failed" else end
        assert last == "error" or end["response"]["status"] == "failed"
        return said
    assert last in ("response.completed", "response.incomplete") and last == f"response.{end['response']['status']}"
    said = _response_said(end["response"])
    streamed = pieces.said()
    assert pieces.items == end["response"]["output"], "the items that were told are those of the end"
    assert (streamed.text, streamed.refusal, streamed.calls) == (said.text, said.refusal, said.calls)
    return said


_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "error")


class _Items:
    """Output items while their events come, each checked against what its end says."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._pieces: dict[tuple[int, str], str] = {}

    def add(self, name: str, event: Any) -> None:
        place = event.get("output_index", -1)
        match name.removeprefix("response."):
            case "output_item.added":
                assert place == len(self.items), "items are counted from 0"
                self.items.append(event["item"])
            case "output_item.done":
                self.items[place] = event["item"]
                self._check(place, event["item"])
            case (
                "output_text.delta"
                | "refusal.delta"
                | "function_call_arguments.delta"
                | "custom_tool_call_input.delta"
                | "reasoning_summary_text.delta" as kind
            ):
                assert event["item_id"] == self.items[place]["id"]
                key = (place, kind.removesuffix(".delta"))
                self._pieces[key] = self._pieces.get(key, "") + event["delta"]

    def _check(self, place: int, item: Any) -> None:
        if item["type"] == "function_call":
            assert self._pieces.get((place, "function_call_arguments"), "") == item["arguments"]
        if item["type"] == "message":
            said = "".join(part.get("text", "") for part in item["content"])
            assert self._pieces.get((place, "output_text"), "") == said

    def said(self) -> Said:
        said = Said()
        for (place, kind), text in sorted(self._pieces.items()):
            match kind:
                case "output_text":
                    said.text += text
                case "refusal":
                    said.refusal += text
                case "function_call_arguments":
                    item = self.items[place]
                    said.calls.append(Call(item["call_id"], item["name"], text))
        return said


def _messages_streamed(response: httpx.Response) -> Said:
    message: Any = None
    pieces: list[str] = []
    open_block: int | None = None
    found = [(name, json.loads(data)) for name, data in events(response)]
    for name, data in found:
        assert name == data["type"], "the SDK skips events without their name"
        match name:
            case "message_start":
                assert message is None
                message = data["message"]
                assert message["content"] == [] and message["stop_reason"] is None
            case "content_block_start":
                assert open_block is None and data["index"] == len(pieces), "blocks are counted from 0, one at a time"
                open_block = data["index"]
                message["content"].append(dict(data["content_block"]))
                pieces.append("")
            case "content_block_delta":
                assert open_block == data["index"]
                pieces[open_block] += _grow(message["content"][open_block], data["delta"])
            case "content_block_stop":
                assert open_block == data["index"]
                open_block = None
            case "message_delta":
                message |= data["delta"]
                message["usage"] |= {key: value for key, value in data["usage"].items() if value is not None}
    for block, piece in zip(message["content"] if message else [], pieces, strict=True):
        if block["type"] == "tool_use" and open_block is None:
            block["input"] = json.loads(piece) if piece else block["input"]
    last, end = found[-1]
    if last == "error":
        texts = [block["text"] for block in message["content"] if block["type"] == "text"] if message else []
        return Said(text="".join(texts), error=end["error"])
    assert last == "message_stop" and open_block is None
    return _message_said(message)


def _grow(block: Any, delta: Any) -> str:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            return str(delta["partial_json"])
    return ""


_WHOLE: dict[Door, Callable[[httpx.Response], Said]] = {
    "chat": _chat_whole,
    "responses": _responses_whole,
    "messages": _messages_whole,
    "completions": _completions_whole,
}
_STREAMED: dict[Door, Callable[[httpx.Response], Said]] = {
    "chat": _chat_streamed,
    "responses": _responses_streamed,
    "messages": _messages_streamed,
    "completions": _completions_streamed,
}
