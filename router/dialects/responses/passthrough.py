"""The event stream of a provider that speaks Responses itself, on its way to a caller."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.dialects import Frame, one_line
from router.dialects.responses.answer import MEMBERS, Document, failed, head, own_members
from router.dialects.responses.stream import named_event
from router.errors import RouterError
from router.sse import Event, data_event
from router.types import Delta

_WITH_RESPONSE = frozenset(
    f"response.{name}" for name in ("created", "queued", "in_progress", "completed", "incomplete")
)
_LAST = frozenset({"response.completed", "response.incomplete"})


class _Numbered(msgspec.Struct):
    type: str = ""
    sequence_number: int = -1


_NUMBERED = msgspec.json.Decoder(_Numbered)


class Passthrough:
    """Events as they came, except for the model's name where they hold a response. The last one is held back."""

    def __init__(self, frame: Frame) -> None:
        self._own = own_members(frame)
        self._response: Document = head(frame, MEMBERS.decode(frame.request.raw))  # the newest one
        self._last: tuple[Event, Document] | None = None  # the event that ends the stream, and its members
        self._newest = b"{}"  # what was passed on last

    def feed(self, event: Event, _deltas: Sequence[Delta]) -> bytes:
        if not event.data or event.data.startswith(b"[DONE]"):
            return b""
        name = event.name if event.name != "message" else _NUMBERED.decode(event.data).type
        if name not in _WITH_RESPONSE:
            self._newest = event.data
            return _same_event(event, one_line(event.data))
        members: Document = {**MEMBERS.decode(event.data)}
        self._response = {**MEMBERS.decode(members["response"]), **self._own}
        if name in _LAST:
            self._last = event, members
            return b""
        self._newest = event.data
        return self._with_response(event, members, {})

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        return b"" if self._last is None else self._with_response(*self._last, extra)

    def fail(self, error: RouterError) -> bytes:
        number = _NUMBERED.decode(self._newest).sequence_number + 1
        response = failed(self._response, error)
        document = {"type": "response.failed", "sequence_number": number, "response": response}
        return named_event("response.failed", msgspec.json.encode(document))

    def whole(self) -> bytes | None:
        return None if self._last is None else msgspec.json.encode(self._response)

    def _with_response(self, event: Event, members: Document, extra: Mapping[str, Any]) -> bytes:
        document = {**members, "response": {**self._response, **extra}}
        return _same_event(event, one_line(msgspec.json.encode(document)))


def _same_event(event: Event, data: bytes) -> bytes:
    return data_event(data) if event.name == "message" else named_event(event.name, data)
