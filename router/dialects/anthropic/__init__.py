"""The client face of the Anthropic Messages API: our vocabulary -> POST /v1/messages, and its answers and streams back.

Source: Anthropic's documentation (2026-11-23) and the types of the anthropic SDK 2.13.0 (2026-11-24). The version of
the API is 2023-06-01, which still takes sampling parameters; a caller of this API itself brings its own.
"""

from router.dialects import ClientFace
from router.dialects.anthropic.answer import StreamDecoder, decode_response
from router.dialects.anthropic.errors import decode_error
from router.dialects.anthropic.obstacles import obstacles
from router.dialects.anthropic.request import encode_request

FACE = ClientFace(obstacles, encode_request, decode_response, decode_error, StreamDecoder)
