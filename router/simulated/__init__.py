"""Simulated providers: they answer in the wire formats of OpenAI, Anthropic and Gemini, and refuse what those refuse.

`answer` is pure but for the memory it is given. transport.py serves it inside the process, server.py on a loopback
port. It is written from the providers' documents and never uses router.dialects: a fake built from our own coder would
share its misreadings.
"""

from router.simulated import (
    anthropic,
    gemini,
    gemini_embeddings,
    gemini_wire,
    openai,
    openai_embeddings,
    openai_responses,
    openai_wire,
)
from router.simulated.memory import Memory
from router.simulated.wire import Call, Refused, Reply

__all__ = ["Call", "Memory", "Reply", "answer", "missing_key"]


def answer(call: Call, memory: Memory | None = None) -> Reply:
    """What the provider of this path answers; a 404 in OpenAI's form for a path of none.

    Responses are stored in `memory`; without one the provider forgets them at once.
    """
    if call.path.endswith("/chat/completions"):
        return openai.reply(call)
    if openai_responses.PATH.search(call.path):
        return openai_responses.reply(call, memory or Memory())
    if call.path.endswith("/embeddings"):
        return openai_embeddings.reply(call)
    if call.path.endswith(anthropic.PATHS):
        return anthropic.reply(call)
    if gemini_embeddings.PATH.search(call.path):
        return gemini_embeddings.reply(call)
    if "/models/" in call.path:
        return gemini.reply(call)
    message = f"Invalid URL ({call.method} {call.path})"
    return openai_wire.error_reply(call, Refused(message, status=404, kind="invalid_request_error"))


def missing_key(call: Call) -> Reply | None:
    """The provider's 401 when the call has no key in a header that it reads, None when it has one."""
    face = anthropic if call.path.endswith(anthropic.PATHS) else gemini_wire if "/models/" in call.path else openai_wire
    refusal = face.missing_key(call)
    return None if refusal is None else face.error_reply(call, refusal)
