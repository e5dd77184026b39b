"""Wire formats. One file each, pure: bytes in, vocabulary out, and back. Registry: `CLIENT_FACES`.

A dialect's **client face** is what we show a provider; its **server face** is what we show a caller (openai has both).
A new wire format is one file here with the client-face functions, a row in the registry, and golden transcripts.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.catalog import Model
from router.errors import UpstreamError
from router.sse import Event
from router.types import ChatRequest, ChatResponse, Delta


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

    obstacles        why this model can't express this request: one short text per field, nothing when it can
    encode_request   the request for this model; the key is the provider's. Raises BadRequest with `param` when the
                     caller's content is malformed in a way only this dialect notices
    decode_response  a 200's body -> answer. Raises UpstreamError (protocol) when it is not this dialect's
    decode_error     status, headers (lower-case names), body -> the error it stands for
    stream_decoder   a new decoder for one stream; `make_id` gives ids for tool calls that the provider left without
    """

    obstacles: Callable[[ChatRequest, Model], Iterator[str]]
    encode_request: Callable[[ChatRequest, Model], WireRequest]
    decode_response: Callable[[bytes, Callable[[], str]], ChatResponse]
    decode_error: Callable[[int, Mapping[str, str], bytes], UpstreamError]
    stream_decoder: Callable[[Callable[[], str]], StreamDecoder]


# An escape in JSON text: a whole surrogate pair, half of one, or anything else.
_ESCAPE = re.compile(rb"\\(?:(u[dD][89abAB]..\\u[dD][c-fC-F]..)|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def mended(data: bytes) -> bytes:
    """JSON text in which half a surrogate pair, as a provider that cuts between two halves sends it, is U+FFFD."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[2] else escape[0], data)
