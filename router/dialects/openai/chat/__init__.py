"""The client face for OpenAI's chat completions and for every server compatible with it.

Source: openai-openapi spec of 2026-08-21 and the openai SDK's types.
"""

from router.dialects import ClientFace
from router.dialects.openai.chat.answer import StreamDecoder, decode_response
from router.dialects.openai.chat.request import encode_request, obstacles
from router.dialects.openai.errors import decode_error

FACE = ClientFace(obstacles, encode_request, decode_response, decode_error, StreamDecoder)
