"""Answers of chat completions on their way to a caller of chat completions: as they came, but for the model's name.

Compatible servers leave out what OpenAI's own SDKs count on. From the first event that lacks something on, a stream is
written anew from what it says; a whole answer that does is not passed at all.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from router.dialects import Frame, one_line, openai_error, with_members
from router.dialects.chat.answer import DONE, StreamEncoder, told_reason
from router.errors import RouterError
from router.sse import Event, data_event
from router.types import Delta, Finished, TextDelta, ToolCallDelta, ToolCallStarted, UsageReported

# --- what a complete answer has -----------------------------------------------------------------------------------


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Custom(msgspec.Struct, gc=False):
    name: str | None = None
    input: str | None = None


class _CallPiece(msgspec.Struct, gc=False):
    index: int
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None

    @property
    def opening(self) -> tuple[int, str | None, str | None, str | None] | None:
        """What a call's first piece has and no other: SDKs join the strings of all pieces."""
        name = self.function.name if self.function else self.custom.name if self.custom else None
        return (self.index, self.id, self.type, name) if self.id or name else None

    @property
    def given(self) -> str | None:
        return self.function.arguments if self.function else self.custom.input if self.custom else None


class _Delta(msgspec.Struct, gc=False):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None
    function_call: _Function | None = None


class _ChunkChoice(msgspec.Struct, gc=False):
    index: int
    delta: _Delta
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Chunk(msgspec.Struct, gc=False):
    id: str
    object: str
    created: int
    choices: list[_ChunkChoice]
    usage: _Usage | None = None


_Given = Annotated[str, msgspec.Meta(min_length=1)]


class _WholeFunction(msgspec.Struct, gc=False):
    name: str
    arguments: _Given  # SDKs parse it


class _WholeCustom(msgspec.Struct, gc=False):
    name: str
    input: str


class _FunctionCall(msgspec.Struct, gc=False, tag_field="type", tag="function"):
    id: _Given
    function: _WholeFunction


class _CustomCall(msgspec.Struct, gc=False, tag_field="type", tag="custom"):
    id: _Given
    custom: _WholeCustom


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_FunctionCall | _CustomCall] | None = None
    function_call: _WholeFunction | None = None


class _WholeChoice(msgspec.Struct, gc=False):
    index: int
    message: _Message
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class _Completion(msgspec.Struct, gc=False):
    id: _Given
    object: str
    created: int
    choices: list[_WholeChoice]
    usage: _Usage | None = None


_NULL = msgspec.Raw(b"null")
_COMPLETE_CHUNK = msgspec.json.Decoder(_Chunk)
_COMPLETE = msgspec.json.Decoder(_Completion)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # as they came: exact, and faster than a pattern


def _complete_chunk(data: bytes) -> _Chunk | None:
    try:
        return _COMPLETE_CHUNK.decode(data)
    except msgspec.DecodeError:
        return None


# --- a whole answer -----------------------------------------------------------------------------------------------


def whole_passthrough(body: bytes, frame: Frame, extra: Mapping[str, Any]) -> bytes | None:
    """A chat.completion as it came, except for the model's name; None when it isn't complete."""
    try:
        completion = _COMPLETE.decode(body)
    except msgspec.DecodeError:
        return None
    legacy = frame.request.legacy_functions
    if not completion.choices or not all(_is_consistent(choice, legacy) for choice in completion.choices):
        return None
    fields: dict[str, Any] = {**_MEMBERS.decode(body), "model": frame.model}
    return msgspec.json.encode({**fields, **extra})


def _is_consistent(choice: _WholeChoice, legacy: bool) -> bool:
    """Whether its calls are in the form that the caller's tools came in, and its end says that there are some."""
    new, old = choice.message.tool_calls, choice.message.function_call
    if (new if legacy else old) or choice.finish_reason == ("tool_calls" if legacy else "function_call"):
        return False
    return choice.finish_reason != "stop" or not (new or old)


# --- a stream -----------------------------------------------------------------------------------------------------


class Passthrough:
    """Chat chunks as they came, except for the model's name. From the finish on, the newest chunk is held back."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._model = msgspec.Raw(msgspec.json.encode(frame.model))
        self._include_usage = frame.request.include_usage
        self._legacy = frame.request.legacy_functions
        self._head: dict[str, Any] = {}  # what every chunk has in common
        self._opened: set[int] = set()  # the choices whose role has been said
        self._said: list[Delta] = []  # of what has passed, all that matters for what may have to be written
        self._finished = False
        self._usage_waits = False  # for a chunk of its own, as it came with a choice
        self._held = b""
        self._encoder: StreamEncoder | None = None  # once something was not complete

    def feed(self, event: Event, deltas: Sequence[Delta]) -> bytes:
        if self._encoder is not None:
            return b"".join([self._encoder.feed(delta) for delta in deltas])
        if event.data.startswith(b"[DONE]"):
            return b""
        chunk = _complete_chunk(event.data)
        told = [delta for delta in deltas if not isinstance(delta, TextDelta)]
        unasked = len(told) == len(deltas) and self._is_unasked(told)
        if chunk is not None and (chunk.choices or not unasked) and self._is_sound(chunk, told):
            return self._pass_on(event, chunk, told)
        return b"" if unasked or not deltas else self._take_over(deltas)

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        owed = self._take_over(()) if self._usage_waits and self._encoder is None else b""
        if self._encoder is not None:
            return owed + self._encoder.finish(extra)
        return data_event(with_members(self._held, extra)) + DONE

    def fail(self, error: RouterError) -> bytes:
        return data_event(openai_error(error, ""))

    def whole(self) -> None:
        return None

    def _is_unasked(self, told: Sequence[Delta]) -> bool:
        """Whether an event reports usage alone, which we asked for and the caller did not."""
        return bool(told) and not self._include_usage and all(isinstance(delta, UsageReported) for delta in told)

    def _is_sound(self, chunk: _Chunk, told: Sequence[Delta]) -> bool:
        """Whether a chunk that has all members also says what was made out, in a way that SDKs understand."""
        if self._finished and self._include_usage and chunk.choices and chunk.usage is not None:
            return False
        weighty = bool(told)
        for choice in chunk.choices:
            delta = choice.delta
            if bool(delta.role) == (choice.index in self._opened):
                return False  # a role is said first and never again: SDKs join what comes twice
            if choice.finish_reason or delta.tool_calls or delta.function_call:
                weighty = True
        return not weighty or _says(chunk.choices, told, self._legacy)

    def _pass_on(self, event: Event, chunk: _Chunk, told: Sequence[Delta]) -> bytes:
        if not self._head:
            self._head = {"id": chunk.id, "created": chunk.created}
        for choice in chunk.choices:
            if choice.delta.role:
                self._opened.add(choice.index)
        for delta in told:
            if isinstance(delta, Finished):
                self._finished = True
            else:
                self._said.append(delta)
        fields = _MEMBERS.decode(event.data)
        fields["model"] = self._model
        if self._include_usage and chunk.usage is not None:
            self._usage_waits = bool(chunk.choices)
            if chunk.choices:  # it comes last and alone: clients add up what comes with each chunk
                fields["usage"] = _NULL
        data = one_line(msgspec.json.encode(fields))
        if not self._finished:
            return data_event(data)
        ready, self._held = self._held, data
        return data_event(ready) if ready else b""

    def _take_over(self, deltas: Sequence[Delta]) -> bytes:
        """Write what the stream says from here on, as the end of what has passed."""
        self._encoder = StreamEncoder(self._frame)
        for delta in self._said:
            self._encoder.feed(delta)
        self._encoder.head |= self._head
        self._encoder.opened = self._opened
        held = data_event(self._held) if self._held else b""
        return held + b"".join([self._encoder.feed(delta) for delta in deltas])


def _says(choices: Sequence[_ChunkChoice], told: Sequence[Delta], legacy: bool) -> bool:
    """Whether these choices end, and call tools, as it was made out: in the form asked for, and complete."""
    reasons = [told_reason(delta.reason, legacy) for delta in told if isinstance(delta, Finished)]
    if reasons != [choice.finish_reason for choice in choices if choice.finish_reason]:
        return False
    started = [delta for delta in told if isinstance(delta, ToolCallStarted)]
    given = [delta.index for delta in told if isinstance(delta, ToolCallDelta)]
    old = [choice.delta.function_call for choice in choices if choice.delta.function_call]
    new = [call for choice in choices for call in choice.delta.tool_calls or ()]
    if new if legacy else old:
        return False
    if legacy:
        names = [call.name for call in old if call.name]
        return names == [call.name for call in started] and len(given) == sum(bool(call.arguments) for call in old)
    openings = [(call.index, call.id, call.kind, call.name) for call in started]
    return (
        openings == [call.opening for call in new if call.opening]  # with our own count, where the provider's is wrong
        and given == [call.index for call in new if call.given]
    )
