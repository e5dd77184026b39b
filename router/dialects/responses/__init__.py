"""OpenAI's Responses as our callers see it: the server face. Requests in; answers, streams and errors out.

Source: the types of the openai SDK 3.57.0 (2026-11-24). What it doesn't do: `background` and `conversation`.
"""

from router.dialects import ServerFace, openai_error
from router.dialects.responses.answer import answer_of, encode_response, whole_passthrough
from router.dialects.responses.passthrough import Passthrough
from router.dialects.responses.request import continued, decode_request, own_items, referred
from router.dialects.responses.stream import StreamEncoder

__all__ = ["FACE", "answer_of", "continued", "own_items", "referred"]

FACE = ServerFace(
    "responses", decode_request, encode_response, openai_error, StreamEncoder, Passthrough, whole_passthrough
)
