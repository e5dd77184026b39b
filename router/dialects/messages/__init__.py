"""Anthropic's Messages API as our callers see it: the server face, and what counts the tokens of a request.

Source: the types of the anthropic SDK 2.13.0 (2026-11-24).
"""

from dataclasses import replace

from router.dialects import ServerFace
from router.dialects.messages.answer import (
    Passthrough,
    StreamEncoder,
    encode_error,
    encode_response,
    whole_passthrough,
)
from router.dialects.messages.count import count_request, decode_count
from router.dialects.messages.request import decode_count_request, decode_request

__all__ = ["COUNT_FACE", "FACE", "count_request", "decode_count"]

FACE = ServerFace(
    "messages", decode_request, encode_response, encode_error, StreamEncoder, Passthrough, whole_passthrough
)
COUNT_FACE = replace(FACE, decode_request=decode_count_request)
