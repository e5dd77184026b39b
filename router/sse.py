"""Server-sent events: bytes to events and back, by the WHATWG grammar (BOM, CR, LF, CRLF, comments, data lines).

Works on bytes and splits at \\n, \\r\\n and \\r only: `str.splitlines` also splits at U+2028 and cuts answers short.
"""

import re
from dataclasses import dataclass

EVENT_LIMIT = 1 << 20  # bytes of one event; longer ones are refused

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `name` is "message" where the stream gives none."""

    data: bytes
    name: str = "message"


class EventTooLong(ValueError):
    """An event, or a line without an end, is longer than EVENT_LIMIT."""


class EventParser:
    """Feed it bytes as they come; it gives the events that are complete. An event without its blank line is dropped."""

    __slots__ = ("_data", "_name", "_open", "_rest", "_rest_size", "_size", "_started")

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # the line that has not ended, in pieces: joined once, when it ends
        self._rest_size = 0
        self._open = True  # whether the next byte may belong to what came last: a BOM, or the \n of a \r\n
        self._started = False
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0

    def feed(self, block: bytes) -> list[Event]:
        """The events that end in `block`. Raises EventTooLong."""
        self._rest.append(block)
        self._rest_size += len(block)
        events: list[Event] = []
        if self._open or _LINE_END.search(block):
            self._lines(b"".join(self._rest), events)
        self._check_size()
        return events

    def close(self) -> list[Event]:
        """The event that a final lone \r has just ended, if any: nothing can follow it."""
        events: list[Event] = []
        rest = b"".join(self._rest)
        self._keep(b"")
        if rest.endswith(b"\r"):
            self._line(rest[:-1], events)
        return events

    def _lines(self, buffer: bytes, events: list[Event]) -> None:
        if not self._started:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                return
            buffer = buffer.removeprefix(_BOM)
            self._started = True
        self._keep(b"")
        start = 0
        for end in _LINE_END.finditer(buffer):
            if end.group() == b"\r" and end.end() == len(buffer):
                break
            self._line(buffer[start : end.start()], events)
            start = end.end()
        self._keep(buffer[start:])
        self._open = buffer.endswith(b"\r")

    def _keep(self, rest: bytes) -> None:
        self._rest, self._rest_size = [rest], len(rest)

    def _line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data:
                events.append(Event(b"\n".join(self._data), self._name or "message"))
            self._data, self._name, self._size = [], "", 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            self._check_size()
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _check_size(self) -> None:
        if self._rest_size + self._size > EVENT_LIMIT:
            raise EventTooLong(f"an event of over {EVENT_LIMIT} bytes")


def data_event(data: bytes) -> bytes:
    """An event with no name, as OpenAI and Gemini send them. `data` has no line breaks."""
    return b"data: " + data + b"\n\n"
