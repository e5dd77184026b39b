"""OpenAI's legacy completions as our callers see them: a prompt becomes one message of the user.

What has no meaning for chat models is refused by name. Source: types of the openai SDK, 2026-11-24.
"""

from router.dialects import ServerFace, openai_error
from router.dialects.completions.answer import StreamEncoder, encode_response
from router.dialects.completions.request import decode_request

FACE = ServerFace("completions", decode_request, encode_response, openai_error, StreamEncoder)
