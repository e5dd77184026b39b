"""The client face of Gemini's native API: our vocabulary -> POST models/{id}:generateContent, and its answers back.

Source: types of the google-genai SDK 3.6.1 and Google's documentation, checked 2026-11-24.
"""

from router.dialects import ClientFace
from router.dialects.gemini.answer import StreamDecoder, decode_response
from router.dialects.gemini.errors import decode_error
from router.dialects.gemini.request import encode_request, obstacles

FACE = ClientFace(obstacles, encode_request, decode_response, decode_error, StreamDecoder)
