"""What a caller gets to see of an answer: the provider's own bytes where both speak one wire format, else translated.

Pure. In both, `model` names the catalogue's model, and `extra` (the explanation asked for) rides on the last object.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from router.dialects import Frame, ServerFace, StreamEncoder, StreamRelay
from router.errors import RouterError
from router.sse import Event
from router.types import ChatResponse, Delta, Wire


class Translation:
    """Another dialect's deltas, written in the caller's."""

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder
        self.finish = encoder.finish
        self.whole = encoder.whole

    def feed(self, _event: Event, deltas: Sequence[Delta]) -> bytes:
        return b"".join([self._encoder.feed(delta) for delta in deltas])

    def fail(self, error: RouterError) -> bytes:
        return self._encoder.fail(error)


def stream(face: ServerFace, frame: Frame, spoken: Wire) -> StreamRelay:
    """The relay of a stream of a provider that speaks `spoken`."""
    if face.passthrough is not None and face.wire == spoken:
        return face.passthrough(frame)
    return Translation(face.stream_encoder(frame))


def whole(
    face: ServerFace, frame: Frame, spoken: Wire, body: bytes, response: ChatResponse, extra: Mapping[str, Any]
) -> bytes:
    """The caller's document of a whole answer, which came as `body` and says `response`."""
    if face.whole_passthrough is not None and face.wire == spoken:
        passed = face.whole_passthrough(body, frame, extra)
        if passed is not None:
            return passed
    return face.encode_response(response, frame, extra)
