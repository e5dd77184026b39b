"""OpenAI chat completions as our callers see it: the server face. Requests in; answers, streams and errors out.

Source: openai-openapi spec of 2026-08-21 and the openai SDK's types.
"""

from router.dialects import ServerFace, openai_error
from router.dialects.chat.answer import StreamEncoder, encode_response
from router.dialects.chat.passthrough import Passthrough, whole_passthrough
from router.dialects.chat.request import decode_request

FACE = ServerFace("chat", decode_request, encode_response, openai_error, StreamEncoder, Passthrough, whole_passthrough)
