"""What the Messages API refuses, or fails at -> the error it stands for."""

import math
import re
from collections.abc import Mapping

import msgspec

from router.errors import UpstreamError, UpstreamKind

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_KINDS: dict[str, UpstreamKind] = {
    "invalid_request_error": "refused", "authentication_error": "credentials", "billing_error": "quota",
    "permission_error": "credentials", "not_found_error": "not_found", "conflict_error": "server",
    "request_too_large": "too_large", "rate_limit_error": "rate_limited", "api_error": "server",
    "timeout_error": "server", "overloaded_error": "overloaded",
}  # fmt: skip
_STATUS_KINDS: dict[int, UpstreamKind] = {
    401: "credentials", 402: "quota", 403: "credentials", 404: "not_found", 408: "server", 409: "server",
    413: "too_large", 429: "rate_limited", 503: "overloaded", 529: "overloaded",
}  # fmt: skip
# The field at fault, which a message begins with -> its name in chat completions.
_PARAMS = {
    "messages": "messages", "system": "messages", "tools": "tools", "tool_choice": "tool_choice",
    "max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k",
    "stop_sequences": "stop", "metadata": "user", "service_tier": "service_tier", "thinking": "reasoning_effort",
    "output_config.effort": "reasoning_effort", "output_config.format": "response_format",
}  # fmt: skip
_AT_FAULT = re.compile(r"(output_config\.\w+|[a-z_]+)[\w.]*: ")
_TOO_LONG = re.compile(r"prompt is too long|exceed context limit", re.IGNORECASE)
_NO_FILE = re.compile(r"\bfiles?\b", re.IGNORECASE)  # a file that the caller names is missing, not the model
_NO_MONEY = re.compile(r"credit balance is too low", re.IGNORECASE)  # comes as a 400 (continue issue 5499)
_KEY = re.compile(r"\bsk-[\w-]+")


class Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: Error


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for. A Retry-After that is a date is left out: we have no clock."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except MALFORMED:
        error = Error()
    usual: UpstreamKind = "server" if status >= 500 else "refused" if status >= 400 else "protocol"
    by_status = _STATUS_KINDS.get(status, usual)
    kind = _kind_of(error, by_status) if status == 400 else by_status
    if kind == "not_found" and _NO_FILE.search(error.message):
        kind = "refused"
    message = error.message or f"the provider answered with status {status}"
    upstream_error = _upstream_error(kind, message, status, _seconds(headers.get("retry-after", "")))
    if headers.get("x-should-retry") in ("true", "false"):  # the provider's own word on it
        upstream_error.pointless = headers["x-should-retry"] == "false"
    return upstream_error


def said_in_an_answer(error: Error) -> UpstreamError:
    """An error that comes after a 200."""
    return _upstream_error(_kind_of(error, "server"), error.message)


def _kind_of(error: Error, otherwise: UpstreamKind) -> UpstreamKind:
    kind = _KINDS.get(error.type, otherwise)
    if kind == "refused" and _TOO_LONG.search(error.message):
        return "context_length"
    return "quota" if kind == "refused" and _NO_MONEY.search(error.message) else kind


def _upstream_error(
    kind: UpstreamKind, message: str, status: int | None = None, retry_after_s: float | None = None
) -> UpstreamError:
    text = _KEY.sub("[key]", message) or "the provider failed in the middle of its answer"
    if kind == "credentials":  # its own words may hold a piece of the key
        text = "the provider refused the router's credentials"
    at_fault = _AT_FAULT.match(message) if kind == "refused" else None
    param = _PARAMS.get(at_fault[1]) if at_fault else None
    return UpstreamError(kind, text, upstream_status=status, param=param, retry_after_s=retry_after_s)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
