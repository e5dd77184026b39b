"""The client face for OpenAI's Responses API and for servers compatible with it.

Source: the types of the openai SDK 3.57.0 (2026-11).
"""

from router.dialects import ClientFace
from router.dialects.openai_responses.answer import StreamDecoder, decode_response
from router.dialects.openai_responses.request import encode_request, obstacles
from router.openai_errors import decode_error

FACE = ClientFace(obstacles, encode_request, decode_response, decode_error, StreamDecoder)
