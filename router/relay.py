"""What a caller gets to see of an answer: the provider's own bytes where both speak chat completions, else translated.

Pure. In both, `model` names the catalogue's model, and `extra` (the explanation asked for) rides on the last piece.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from router.dialects import chat
from router.sse import Event, data_event
from router.types import ChatResponse, Delta, Finished, UsageReported


class StreamRelay(Protocol):
    """One stream on its way to the caller."""

    def feed(self, event: Event, deltas: Sequence[Delta]) -> bytes:
        """What the caller gets for this event of the provider, which said `deltas`."""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """What is left to send once the provider's stream is complete, the end of the stream included."""


class Passthrough:
    """Chat chunks as they came, except for the model's name. From the finish on, the newest chunk is held back."""

    def __init__(self, *, model: str, include_usage: bool) -> None:
        self._model = msgspec.Raw(msgspec.json.encode(model))
        self._include_usage = include_usage
        self._finished = False
        self._held = b""

    def feed(self, event: Event, deltas: Sequence[Delta]) -> bytes:
        if event.data.startswith(b"[DONE]"):
            return b""
        fields = _CHUNK.decode(event.data)
        if not self._include_usage and _is_usage_alone(fields, deltas):
            return b""  # we asked for it, the caller did not
        self._finished = self._finished or any(isinstance(delta, Finished) for delta in deltas)
        fields["model"] = self._model
        data = _one_line(msgspec.json.encode(fields))
        if not self._finished:
            return data_event(data)
        ready, self._held = self._held, data
        return data_event(ready) if ready else b""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        return data_event(_with(self._held, extra)) + chat.DONE


class Translation:
    """Any other dialect's deltas, written as chat chunks."""

    def __init__(self, *, model: str, created: int, include_usage: bool) -> None:
        self._encoder = chat.StreamEncoder(model=model, created=created, include_usage=include_usage)

    def feed(self, _event: Event, deltas: Sequence[Delta]) -> bytes:
        return b"".join(self._encoder.feed(delta) for delta in deltas)

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        return self._encoder.finish(extra)


def whole_passthrough(body: bytes, *, model: str, extra: Mapping[str, Any]) -> bytes:
    """A chat.completion as it came, except for the model's name."""
    fields: dict[str, Any] = {**_CHUNK.decode(body), "model": model}
    return msgspec.json.encode({**fields, **extra})


def whole_translation(response: ChatResponse, *, model: str, created: int, extra: Mapping[str, Any]) -> bytes:
    """Any other dialect's answer, written as a chat.completion."""
    return _with(chat.encode_response(response, model=model, created=created), extra)


_CHUNK = msgspec.json.Decoder(dict[str, msgspec.Raw])  # members stay as they came: exact, and faster than a pattern


def _is_usage_alone(fields: Mapping[str, msgspec.Raw], deltas: Sequence[Delta]) -> bool:
    """Whether a chunk reports usage and nothing else; some servers do so in chunks that also hold choices."""
    if not deltas or not all(isinstance(delta, UsageReported) for delta in deltas):
        return False
    return not msgspec.json.decode(fields.get("choices", b"[]"))


def _one_line(data: bytes) -> bytes:
    """JSON that came over several data lines, on one: a line break in JSON is white space."""
    return data.replace(b"\n", b" ") if b"\n" in data else data


def _with(document: bytes, extra: Mapping[str, Any]) -> bytes:
    """The JSON object `document` with `extra` members at its end."""
    if not extra:
        return document
    return document.rstrip()[:-1] + b"," + msgspec.json.encode(extra)[1:]
