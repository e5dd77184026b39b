"""OpenAI's Responses as our callers see it: the server face."""

from collections.abc import Sequence
from typing import Any

from router.dialects import ServerFace, chat
from router.types import ChatRequest

FACE = ServerFace(
    "responses", chat.FACE.decode_request, chat.FACE.encode_response, chat.FACE.encode_error, chat.FACE.stream_encoder
)


def continued(request: ChatRequest, conversation: Sequence[Any], held_by: str | None) -> ChatRequest:
    raise NotImplementedError


def own_items(request: ChatRequest) -> list[Any]:
    raise NotImplementedError


def answer_of(document: bytes) -> Any:
    raise NotImplementedError
