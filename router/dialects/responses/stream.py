"""Our vocabulary -> the event stream that a caller of Responses gets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.dialects import Frame
from router.dialects.responses.answer import (
    MEMBERS,
    Document,
    ItemStatus,
    ended,
    failed,
    head,
    is_shown,
    namespaces,
    wants_seals,
)
from router.dialects.responses.spoken import Call, Item, Message, PartKind, Said, Thought
from router.errors import RouterError
from router.sse import data_event
from router.types import (
    Delta,
    Finished,
    FinishReason,
    Json,
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Seal,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)


class StreamEncoder:
    """Deltas to the events of a response.

    One reasoning or message item is open at a time. Calls stay open to the end: their pieces may come in any order.
    """

    def __init__(self, frame: Frame) -> None:
        self._answer_id = frame.answer_id
        asked = MEMBERS.decode(frame.request.raw)
        self._head = head(frame, asked)
        self._sealed = wants_seals(asked)
        self._known = namespaces(asked)
        self._model = ""
        self._number = 0
        self._output: list[Item] = []
        self._open: Thought | Message | None = None
        self._calls: dict[int, Call] = {}
        self._usage: Usage | None = None
        self._reason: FinishReason = "stop"
        self._whole: bytes | None = None

    def feed(self, delta: Delta) -> bytes:
        """The events for this delta, empty when it has none of its own."""
        begun = self._begun() if self._number == 0 else b""
        match delta:
            case Started():
                self._model = delta.model
            case UsageReported():
                self._usage = delta.usage
            case Finished():
                self._reason = delta.reason
        return begun + b"".join(self._events(delta))

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """What is left to close, and the response object; `extra` members ride on it."""
        status: ItemStatus = "incomplete" if self._reason in ("length", "content_filter") else "completed"
        still_open: list[Item] = [*([self._open] if self._open else []), *self._calls.values()]
        closing = b"".join(
            event
            for item in sorted(still_open, key=lambda item: item.place)
            for event in self._said(item, item.closed(status if item is self._output[-1] else "completed"))
        )
        output = [item.document("completed") for item in self._output]
        document = ended(self._head, output, self._reason, self._usage)
        self._whole = msgspec.json.encode(document)
        return closing + self._event(f"response.{document['status']}", {"response": {**document, **extra}})

    def fail(self, error: RouterError) -> bytes:
        """The end of a broken stream."""
        return self._event("response.failed", {"response": failed(self._head, error)})

    def whole(self) -> bytes | None:
        """The response object, once the stream is finished."""
        return self._whole

    def _begun(self) -> bytes:
        return b"".join(
            self._event(f"response.{name}", {"response": self._head}) for name in ("created", "in_progress")
        )

    def _events(self, delta: Delta) -> Iterator[bytes]:
        match delta:
            case ReasoningDelta(text) if text:
                thought = self._open if isinstance(self._open, Thought) else None
                if thought is None:
                    thought = self._new_thought()
                    yield from self._opened(thought)
                yield from self._said(thought, thought.say(text))
            case ReasoningEnded(seal, hidden):
                yield from self._thought_ended(seal, hidden=hidden)
            case TextDelta(text, tokens) if text or tokens:
                yield from self._speak("output_text", text, tokens)
            case RefusalDelta(text) if text:
                yield from self._speak("refusal", text)
            case ToolCallStarted():
                call = Call(delta, self._answer_id, len(self._calls), len(self._output), self._known)
                self._calls[delta.index] = call
                yield from self._opened(call)
            case ToolCallDelta(index, arguments) if arguments:
                yield from self._said(self._calls[index], self._calls[index].say(arguments))

    def _thought_ended(self, seal: Seal | None, *, hidden: bool) -> Iterator[bytes]:
        thought = self._open if isinstance(self._open, Thought) else None
        if thought is None:
            if not is_shown(Reasoning("", seal, hidden), sealed=self._sealed):
                return
            thought = self._new_thought()
            yield from self._opened(thought)
        thought.seal(seal, hidden=hidden)
        yield from self._close()

    def _speak(self, kind: PartKind, text: str, tokens: Sequence[Json] = ()) -> Iterator[bytes]:
        message = self._open if isinstance(self._open, Message) else None
        if message is None:
            message = Message(f"msg_{self._answer_id}_{self._count(Message)}", len(self._output))
            yield from self._opened(message)
        yield from self._said(message, message.say(kind, text, tokens))

    def _new_thought(self) -> Thought:
        id_ = f"rs_{self._answer_id}_{self._count(Thought)}"
        return Thought(id_, len(self._output), self._model if self._sealed else None)

    def _count(self, kind: type[Thought] | type[Message]) -> int:
        return sum(isinstance(item, kind) for item in self._output)

    def _opened(self, item: "Thought | Message | Call") -> Iterator[bytes]:
        """The events of a new item, after those of the end of the one before."""
        yield from self._close()
        self._output.append(item)
        self._open = None if isinstance(item, Call) else item
        yield from self._said(item, item.opened())

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            yield from self._said(self._open, self._open.closed("completed"))
            self._open = None

    def _said(self, item: Item, said: Iterable[Said]) -> Iterator[bytes]:
        for type_, members in said:
            named = {} if "item" in members else {"item_id": item.id}
            yield self._event(type_, {**named, "output_index": item.place, **members})

    def _event(self, type_: str, members: Document) -> bytes:
        document = {"type": type_, "sequence_number": self._number, **members}
        self._number += 1
        return named_event(type_, msgspec.json.encode(document))


def named_event(name: str, data: bytes) -> bytes:
    """An event with its name, as OpenAI's Responses and Anthropic send them. `data` has no line breaks."""
    return b"event: " + name.encode() + b"\n" + data_event(data)
