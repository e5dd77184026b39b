"""Our vocabulary -> what a caller of completions gets. Streams are made of the same objects as whole answers.

There is no word for a refusal, which is text here, nor for reasoning and tool calls.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.dialects import Frame, openai_error, openai_usage
from router.errors import RouterError
from router.sse import data_event
from router.types import (
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    FinishReason,
    Json,
    RefusalDelta,
    Started,
    TextDelta,
    Usage,
    UsageReported,
)


def encode_response(response: ChatResponse, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """The answer as a text_completion."""
    alternatives = frame.request.logprobs
    choices = [
        _choice(
            index,
            (choice.text or "") + (choice.refusal or ""),
            _logprobs(choice.logprobs, alternatives),
            choice.finish_reason,
        )
        for index, choice in enumerate((response, *response.alternatives))
    ]
    document = {**_head(frame, response.id), "choices": choices}
    if response.usage is not None:
        document["usage"] = openai_usage(response.usage)
    return msgspec.json.encode({**document, **extra})


class StreamEncoder:
    """Deltas to text_completion events. What finishes the choices is held back for the end."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._head = _head(frame, "")
        self._include_usage = frame.request.include_usage
        self._index = 0
        self._said: dict[int, int] = {}  # characters of each choice so far
        self._reasons: dict[int, FinishReason] = {}
        self._usage: Usage | None = None

    def feed(self, delta: Delta) -> bytes:
        """The event for this delta, empty when it has none of its own."""
        match delta:
            case TextDelta():
                return self._text(delta.text, delta.logprobs)
            case RefusalDelta():
                return self._text(delta.text)
            case Started():
                self._head = _head(self._frame, delta.id)
            case ChoiceSwitched():
                self._index = delta.index
            case UsageReported():
                self._usage = delta.usage
            case Finished():
                self._reasons[self._index] = delta.reason
        return b""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """The last events and [DONE]; `extra` members ride on the last object."""
        documents = [self._document(_choice(index, "", None, why)) for index, why in sorted(self._reasons.items())]
        if self._include_usage and self._usage is not None:
            documents.append({**self._head, "choices": [], "usage": openai_usage(self._usage)})
        documents[-1] |= extra
        events = [data_event(msgspec.json.encode(document)) for document in documents]
        return b"".join([*events, data_event(b"[DONE]")])

    def fail(self, error: RouterError) -> bytes:
        return data_event(openai_error(error, ""))

    def whole(self) -> None:
        return None

    def _text(self, text: str, tokens: Sequence[Json] = ()) -> bytes:
        start = self._said.get(self._index, 0)
        self._said[self._index] = start + len(text)
        logprobs = _logprobs(tokens, self._frame.request.logprobs, start)
        return data_event(msgspec.json.encode(self._document(_choice(self._index, text, logprobs, None))))

    def _document(self, choice: dict[str, Any]) -> dict[str, Any]:
        document = {**self._head, "choices": [choice]}
        if self._include_usage:
            document["usage"] = None
        return document


def _head(frame: Frame, given_id: str) -> dict[str, Any]:
    id_ = given_id.removeprefix("chatcmpl-") or frame.answer_id
    return {"id": f"cmpl-{id_}", "object": "text_completion", "created": frame.created, "model": frame.model}


def _choice(index: int, text: str, logprobs: dict[str, Any] | None, reason: FinishReason | None) -> dict[str, Any]:
    told = "stop" if reason == "tool_calls" else reason
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": told}


def _logprobs(tokens: Sequence[Json], alternatives: int | None, start: int = 0) -> dict[str, Any] | None:
    """Tokens as chat completions has them, in four columns. `start` is where in the text the first one stands."""
    if not tokens:
        return None
    offsets = []
    for token in tokens:
        offsets.append(start)
        start += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [_top(token) for token in tokens] if alternatives else None,
        "text_offset": offsets,
    }


def _top(token: Mapping[str, Any]) -> dict[str, float]:
    """The likeliest tokens at one place, the one that was taken among them."""
    top = {other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()}
    return {**top, token["token"]: token["logprob"]}
