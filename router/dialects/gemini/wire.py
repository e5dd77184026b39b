"""The messages of generateContent that we read."""

from typing import Any

import msgspec


class _Wire(msgspec.Struct, rename="camel"):
    """An object of the wire; its other fields are not read."""


class FunctionCall(_Wire):
    name: str
    id: str | None = None
    args: dict[str, Any] | None = None


class Part(_Wire):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(_Wire):
    parts: tuple[Part, ...] = ()


class Token(_Wire):
    token: str = ""
    log_probability: float = 0.0


class TopTokens(_Wire):
    candidates: tuple[Token, ...] = ()


class LogprobsResult(_Wire):
    chosen_candidates: tuple[Token, ...] = ()
    top_candidates: tuple[TopTokens, ...] = ()


class Candidate(_Wire):
    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    logprobs_result: LogprobsResult | None = None


class PromptFeedback(_Wire):
    block_reason: str | None = None


class UsageMetadata(_Wire):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    service_tier: str | None = None


class Error(_Wire):
    code: int | None = None
    message: str | None = None
    details: tuple[dict[str, Any], ...] = ()


class Chunk(_Wire):
    """A GenerateContentResponse, whole or one of a stream, or the error in its place."""

    response_id: str | None = None
    model_version: str | None = None
    candidates: tuple[Candidate, ...] = ()
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: Error | None = None


_DECODER: msgspec.json.Decoder[Chunk | tuple[Chunk]] = msgspec.json.Decoder(Chunk | tuple[Chunk])


def read(data: bytes) -> Chunk:
    """Google sends some errors with an array around the object. Raises ValueError when it is not this dialect's."""
    try:
        document = _DECODER.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document[0] if isinstance(document, tuple) else document
