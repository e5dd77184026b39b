"""The client face for OpenAI's Responses API and for servers compatible with it.

Source: the types of the openai SDK 3.57.0 (2026-11).
"""

from router.dialects import ClientFace
from router.dialects.openai.errors import decode_error
from router.dialects.openai.responses.answer import StreamDecoder, decode_response
from router.dialects.openai.responses.request import encode_request, obstacles

FACE = ClientFace(obstacles, encode_request, decode_response, decode_error, StreamDecoder)
