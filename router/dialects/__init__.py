"""Wire formats. One file or package each, pure: bytes in, vocabulary out, and back. Registry: `app.FACES`.

A dialect's **client face** is what we show a provider; its **server face** is what we show a caller.
A new wire format is one file here with the functions of a face, a row in the registry, and golden transcripts.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from router.catalog import Model
from router.errors import RouterError, UpstreamError
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Finished,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    Wire,
)

# --- what we show a provider ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One POST to a provider. `path` goes behind its base URL; `headers` hold the key where there is one."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class StreamDecoder(Protocol):
    """The client face of one stream, made per call: a small state machine over its events."""

    lingers: bool  # whether something may follow the dialect's own end, as usage does with Gemini

    @property
    def complete(self) -> bool:
        """Whether the dialect's own end has come. A stream that stops before it was truncated."""

    def feed(self, event: Event) -> Sequence[Delta]:
        """What this event says. Raises UpstreamError for an error event or an event that is not the dialect's."""

    def close(self) -> Sequence[Delta]:
        """What was left to say, once a complete stream has ended."""


@dataclass(frozen=True, slots=True)
class ClientFace:
    """The functions of a dialect that speak to a provider.

    obstacles        why this model can't express this request: one short text per field, beginning with its name in
                     chat completions; nothing when it can
    encode_request   the request for this model; the key is the provider's. Raises BadRequest with `param` when the
                     caller's content is malformed in a way only this dialect notices
    decode_response  a 200's body -> answer. Raises UpstreamError (protocol) when it is not this dialect's
    decode_error     status, headers (lower-case names), body -> the error it stands for
    stream_decoder   a new decoder for one stream; `make_id` gives ids for tool calls that the provider left without

    Both decoders get the request that is answered: a custom tool that the dialect knows as a function is one again.
    """

    obstacles: Callable[[ChatRequest, Model], Iterator[str]]
    encode_request: Callable[[ChatRequest, Model], WireRequest]
    decode_response: Callable[[bytes, ChatRequest, Callable[[], str]], ChatResponse]
    decode_error: Callable[[int, Mapping[str, str], bytes], UpstreamError]
    stream_decoder: Callable[[ChatRequest, Callable[[], str]], StreamDecoder]


# --- what we show a caller -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands round an answer: the request, the catalogue's name of the model, Unix seconds, and an id of
    letters and digits, unique to the request, of which the ids that we give are made."""

    request: ChatRequest
    model: str
    created: int
    answer_id: str


class StreamRelay(Protocol):
    """One stream on its way to the caller, made per attempt. Nothing of what it has said need have gone out."""

    def feed(self, event: Event, deltas: Sequence[Delta]) -> bytes:
        """What the caller gets for this event of the provider, which said `deltas`."""

    def finish(self, extra: Mapping[str, Any]) -> bytes:
        """What is left to send once the provider's stream is complete, its end included; `extra` members ride on the
        last JSON object."""

    def fail(self, error: RouterError) -> bytes:
        """How the caller learns that a stream of which it has had a part has failed."""

    def whole(self) -> bytes | None:
        """After `finish`: the answer as one document, where the wire format has answers looked up later."""


class StreamEncoder(Protocol):
    """Deltas written in a caller's wire format, whichever provider said them; see StreamRelay for the rest."""

    def feed(self, delta: Delta) -> bytes: ...

    def finish(self, extra: Mapping[str, Any]) -> bytes: ...

    def fail(self, error: RouterError) -> bytes: ...

    def whole(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class ServerFace:
    """The functions of a wire format that speak to a caller.

    decode_request    the body -> request. Raises BadRequest with `param` for what its own provider would refuse
    encode_response   an answer in this format; `extra` members ride at the end of its JSON object
    encode_error      the format's own error document; the second argument is the request id
    stream_encoder    a new encoder for one stream
    passthrough       the relay of a stream that is in this format already; None when no provider speaks it
    whole_passthrough the same for a whole answer; it gives None for one that lacks what the format requires
    """

    wire: Wire
    decode_request: Callable[[bytes], ChatRequest]
    encode_response: Callable[[ChatResponse, Frame, Mapping[str, Any]], bytes]
    encode_error: Callable[[RouterError, str], bytes]
    stream_encoder: Callable[[Frame], StreamEncoder]
    passthrough: Callable[[Frame], StreamRelay] | None = None
    whole_passthrough: Callable[[bytes, Frame, Mapping[str, Any]], bytes | None] | None = None


# --- what both share -----------------------------------------------------------------------------------

# An escape in JSON text: a whole surrogate pair, half of one, or anything else.
_ESCAPE = re.compile(rb"\\(?:(u[dD][89abAB]..\\u[dD][c-fC-F]..)|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def mended(data: bytes) -> bytes:
    """JSON text in which half a surrogate pair, as a provider that cuts between two halves sends it, is U+FFFD."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[2] else escape[0], data)


def one_line(data: bytes) -> bytes:
    """JSON that came over several data lines, on one: a line break in JSON is white space."""
    return data.replace(b"\n", b" ") if b"\n" in data else data


def with_members(document: bytes, extra: Mapping[str, Any]) -> bytes:
    """The JSON object `document` with `extra` members at its end."""
    if not extra:
        return document
    return document.rstrip()[:-1] + b"," + msgspec.json.encode(extra)[1:]


# How the encrypted_content of a reasoning item begins in which we wrapped another provider's: OpenAI can't read it.
WRAPPED = "router:"


def openai_error(error: RouterError, _request_id: str) -> bytes:
    """The error envelope of all of OpenAI's formats."""
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    )


def openai_usage(usage: Usage) -> dict[str, Any]:
    """The `usage` of chat completions and of completions."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


# A custom tool takes free text; where a dialect has functions alone, it is one with this argument.
_INPUT = "input"
_INPUT_SCHEMA = {
    "type": "object",
    "properties": {_INPUT: {"type": "string"}},
    "required": [_INPUT],
    "additionalProperties": False,
}


def as_function(tool: Tool) -> Tool:
    """The tool for a dialect that has functions alone."""
    return tool if tool.kind == "function" else replace(tool, kind="function", parameters=_INPUT_SCHEMA)


def as_function_call(call: ToolCall) -> ToolCall:
    """A call in the history, for a dialect that has functions alone."""
    if call.kind == "function":
        return call
    return replace(call, kind="function", arguments=msgspec.json.encode({_INPUT: call.arguments}).decode())


class CustomCalls:
    """Makes the calls of functions that stand for custom tools calls of these again. Made per answer.

    Their free text comes whole, as it is known only once its JSON is complete.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._names = {tool.name for tool in request.tools if tool.kind == "custom"}
        self._open: dict[int, str] = {}  # index of the call -> its JSON text so far

    def restored(self, deltas: Sequence[Delta]) -> Sequence[Delta]:
        """The same deltas with custom calls among them."""
        if not self._names:
            return deltas
        return [restored for delta in deltas for restored in self._restored(delta)]

    def restored_call(self, call: ToolCall) -> ToolCall:
        """The same call of a whole answer."""
        if call.name not in self._names:
            return call
        return replace(call, kind="custom", arguments=_free_text(call.arguments))

    def _restored(self, delta: Delta) -> Iterator[Delta]:
        match delta:
            case ToolCallStarted(name=name) if name in self._names:
                self._open[delta.index] = ""
                yield replace(delta, kind="custom")
            case ToolCallDelta(index=index) if index in self._open:
                self._open[index] += delta.arguments
            case Finished():
                yield from (ToolCallDelta(index, _free_text(text)) for index, text in self._open.items())
                self._open = {}
                yield delta
            case _:
                yield delta


def _free_text(arguments: str) -> str:
    """A model that didn't keep to the schema is taken at its word."""
    try:
        document = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = document.get(_INPUT) if isinstance(document, dict) else None
    return text if isinstance(text, str) else arguments
