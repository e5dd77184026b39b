"""The errors of OpenAI's APIs and of the servers compatible with them, refused or in the place of an answer. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from router.errors import UpstreamError, UpstreamKind

_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for; Retry-After in seconds is kept."""
    try:
        document = msgspec.json.decode(body)
    except _MALFORMED:
        document = None
    error = (document.get("error") or document) if isinstance(document, dict) else None  # vLLM has no envelope
    return error_of(error, status, _retry_after_s(headers))


def answer_object(data: bytes) -> dict[str, Any]:
    """The JSON object of an answer or an event. Raises UpstreamError when it is none, or an error in its place."""
    try:
        document = msgspec.json.decode(data)
    except _MALFORMED:
        raise UpstreamError("protocol", "the provider's answer is not JSON") from None
    if not isinstance(document, dict):
        raise UpstreamError("protocol", "the provider's answer is not a JSON object")
    if document.get("error"):
        raise error_of(document["error"])
    return document


def error_of(error: object, status: int | None = None, retry_after_s: float | None = None) -> UpstreamError:
    """`error` is the object under "error"; compatible servers also send a bare string.

    `status` is None where the error stands in a 200 or in the middle of a stream.
    """
    fields = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    said = status or _implied_status(fields)
    message = str(fields.get("message") or f"the provider answered with status {said}")
    kind = _kind(fields, said, message)
    at_fault = kind in ("refused", "too_large", "context_length")  # the caller's request, so its words help
    return UpstreamError(
        kind,
        "the provider refused our credentials" if kind == "credentials" else message,
        upstream_status=status,
        param=_word(fields.get("param"), _PARAM) if at_fault else None,
        code=_word(fields.get("code"), _CODE) if kind == "refused" else None,
        retry_after_s=retry_after_s,
    )


# --- what kind of error it is

_BY_STATUS: dict[int, UpstreamKind] = {
    400: "refused",
    401: "credentials",
    402: "quota",
    403: "credentials",
    404: "not_found",
    408: "server",
    409: "server",  # two at once; SDKs send it again
    413: "too_large",
    422: "refused",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
_BY_WORD: dict[str, UpstreamKind] = {  # as `code` or `type`, whatever the status
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",  # llama.cpp
    "insufficient_quota": "quota",
    "rate_limit_exceeded": "rate_limited",
}
# vLLM, SGLang, Mistral; Ollama; llama.cpp; OpenAI's Responses; xAI; those that pass Anthropic's or Bedrock's on
_TOO_LONG = re.compile(
    r"maximum (context|model|prompt) length|context length|available context size|context window"
    r"|(prompt|input) is too long",
    re.IGNORECASE,
)


def _kind(fields: Mapping[str, Any], status: int, message: str) -> UpstreamKind:
    for word in (fields.get("code"), fields.get("type")):
        if isinstance(word, str) and word in _BY_WORD:
            return _BY_WORD[word]
    kind = _BY_STATUS.get(status, "refused" if 400 <= status < 500 else "server")
    if kind == "not_found" and fields.get("param") not in (None, "model"):
        return "refused"  # something that the request refers to is missing, not the model
    if kind in ("refused", "too_large", "server") and _TOO_LONG.search(message):
        return "context_length"
    return kind


def _implied_status(fields: Mapping[str, Any]) -> int:
    """OpenRouter and LiteLLM put a status into the code of an error; OpenAI's own errors name their type or code."""
    code, type_ = fields.get("code"), fields.get("type")
    if str(code) in _STATUSES:
        return int(str(code))
    return 400 if type_ == "invalid_request_error" or str(code).startswith("invalid_") else 500


_STATUSES = frozenset(str(status) for status in range(400, 600))
_CODE = re.compile(r"[a-z][a-z0-9_.]*")  # neither "400" nor "None", as gateways write them
_PARAM = re.compile(r"(?!None$).+")


def _word(value: object, shape: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and shape.fullmatch(value) else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < math.inf:
            return seconds
    return None
