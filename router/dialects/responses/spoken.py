"""The output items of a response while they are said: each gives the events of its beginning, pieces and end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from router.dialects.responses.answer import (
    Document,
    ItemStatus,
    call_item,
    call_item_id,
    logprobs,
    message_item,
    reasoning_item,
    refusal_part,
    summary_part,
    text_part,
)
from router.dialects.responses.namespaces import Namespaced
from router.types import Json, Reasoning, Seal, ToolCall, ToolCallStarted

PartKind = Literal["output_text", "refusal"]
Said = tuple[str, Document]  # an event: its type, and its members beside type, sequence_number and the item's place


class Item(Protocol):
    """An output item on its way. `place` is its output_index."""

    id: str
    place: int

    def opened(self) -> Iterator[Said]: ...

    def closed(self, status: ItemStatus) -> Iterator[Said]: ...

    def document(self, status: ItemStatus) -> Document: ...


class Thought:
    def __init__(self, id_: str, place: int, sealed_by: str | None) -> None:
        self.id, self.place, self._sealed_by = id_, place, sealed_by
        self._pieces: list[str] = []
        self._ended = Reasoning()  # its seal

    def opened(self) -> Iterator[Said]:
        item = {"id": self.id, "type": "reasoning", "summary": []}
        yield "response.output_item.added", {"item": item}

    def say(self, text: str) -> Iterator[Said]:
        if not self._pieces:
            yield "response.reasoning_summary_part.added", {"summary_index": 0, "part": summary_part("")}
        self._pieces.append(text)
        yield "response.reasoning_summary_text.delta", {"summary_index": 0, "delta": text}

    def seal(self, seal: Seal | None, *, hidden: bool) -> None:
        self._ended = Reasoning("", seal, hidden)

    def closed(self, status: ItemStatus) -> Iterator[Said]:
        if text := "".join(self._pieces):
            yield "response.reasoning_summary_text.done", {"summary_index": 0, "text": text}
            yield "response.reasoning_summary_part.done", {"summary_index": 0, "part": summary_part(text)}
        yield "response.output_item.done", {"item": self.document(status)}

    def document(self, _status: ItemStatus) -> Document:
        thought = replace(self._ended, text="".join(self._pieces))
        return reasoning_item(self.id, thought, self._sealed_by)


class _Part:
    """A part of a message: text, or a refusal."""

    def __init__(self, kind: PartKind, place: int) -> None:
        self.kind, self._place = kind, place
        self._pieces: list[str] = []
        self._tokens: list[Document] = []

    def opened(self) -> Iterator[Said]:
        yield "response.content_part.added", {"content_index": self._place, "part": self.document()}

    def say(self, text: str, tokens: list[Document]) -> Iterator[Said]:
        self._pieces.append(text)
        self._tokens += tokens
        delta: Document = {"content_index": self._place, "delta": text}
        if self.kind == "output_text":
            delta["logprobs"] = tokens
        yield f"response.{self.kind}.delta", delta

    def closed(self) -> Iterator[Said]:
        document = self.document()
        words: Document = {name: document[name] for name in ("text", "logprobs", "refusal") if name in document}
        yield f"response.{self.kind}.done", {"content_index": self._place, **words}
        yield "response.content_part.done", {"content_index": self._place, "part": document}

    def document(self) -> Document:
        text = "".join(self._pieces)
        return text_part(text, self._tokens) if self.kind == "output_text" else refusal_part(text)


class Message:
    def __init__(self, id_: str, place: int) -> None:
        self.id, self.place = id_, place
        self._parts: list[_Part] = []

    def opened(self) -> Iterator[Said]:
        yield "response.output_item.added", {"item": self.document("in_progress")}

    def say(self, kind: PartKind, text: str, tokens: Sequence[Json] = ()) -> Iterator[Said]:
        if not self._parts or self._parts[-1].kind != kind:
            yield from self._close_part()
            self._parts.append(_Part(kind, len(self._parts)))
            yield from self._parts[-1].opened()
        yield from self._parts[-1].say(text, logprobs(tokens))

    def closed(self, status: ItemStatus) -> Iterator[Said]:
        yield from self._close_part()
        yield "response.output_item.done", {"item": self.document(status)}

    def document(self, status: ItemStatus) -> Document:
        return message_item(self.id, [part.document() for part in self._parts], status)

    def _close_part(self) -> Iterator[Said]:
        if self._parts:
            yield from self._parts[-1].closed()


class Call:
    _EVENTS: Mapping[str, str] = {
        "function": "response.function_call_arguments",
        "custom": "response.custom_tool_call_input",
    }

    def __init__(self, started: ToolCallStarted, answer_id: str, number: int, place: int, known: Namespaced) -> None:
        self._known = known
        self._call = ToolCall(started.id, started.name, "", started.kind)
        self.id, self.place = call_item_id(self._call, answer_id, number), place
        self._pieces: list[str] = []

    def opened(self) -> Iterator[Said]:
        yield "response.output_item.added", {"item": self.document("in_progress")}

    def say(self, text: str) -> Iterator[Said]:
        self._pieces.append(text)
        yield f"{self._EVENTS[self._call.kind]}.delta", {"delta": text}

    def closed(self, status: ItemStatus) -> Iterator[Said]:
        if self._call.kind == "function" and not any(self._pieces):
            yield from self.say("{}")
        item = self.document(status)
        argument = "arguments" if self._call.kind == "function" else "input"
        yield f"{self._EVENTS[self._call.kind]}.done", {argument: item[argument]}
        yield "response.output_item.done", {"item": item}

    def document(self, status: ItemStatus) -> Document:
        call = self._call
        return call_item(self.id, ToolCall(call.id, call.name, "".join(self._pieces), call.kind), status, self._known)
