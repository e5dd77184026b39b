"""Google's errors -> ours."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from router.dialects.gemini.wire import Error, read
from router.errors import UpstreamError, UpstreamKind

_BY_STATUS: dict[int, UpstreamKind] = {
    413: "too_large",
    401: "credentials",
    403: "credentials",
    404: "not_found",
    408: "server",
    409: "server",  # ABORTED
    429: "rate_limited",
    499: "server",
    503: "overloaded",
}
_TOO_LONG = re.compile(r"token count.*exceeds", re.IGNORECASE | re.DOTALL)
# The field at fault, as a violation or the message names it -> its name in chat completions.
_PARAMS = {
    "contents": "messages", "system_instruction": "messages", "tools": "tools", "tool_config": "tool_choice",
    "service_tier": "service_tier", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k",
    "max_output_tokens": "max_tokens", "stop_sequences": "stop", "candidate_count": "n", "seed": "seed",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty",
    "response_logprobs": "logprobs", "logprobs": "top_logprobs", "thinking_config": "reasoning_effort",
    "response_mime_type": "response_format", "response_schema": "response_format",
    "response_json_schema": "response_format",
}  # fmt: skip
_PLACE = re.compile(r"(?:^|GenerateContentRequest\.|at ')(?:generation_config\.)?([a-z_]+)")
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


def decode_error(status: int, _headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error that this status and body stand for. Seconds to wait come in the body; there is no Retry-After."""
    try:
        error = read(body).error
    except ValueError:
        error = None
    return upstream_error(error or Error(), status)


def upstream_error(error: Error, status: int | None) -> UpstreamError:
    kind = _kind(error, status or 500)
    message = error.message or f"the provider answered with status {status}"
    return UpstreamError(
        kind,
        "the provider refused our credentials" if kind == "credentials" else message,
        upstream_status=status,
        param=_param(error) if kind == "refused" else None,
        retry_after_s=None if kind == "quota" else _retry_delay_s(error),
    )


def _kind(error: Error, status: int) -> UpstreamKind:
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in error.details):
        return "credentials"  # a 400, as if the request were at fault
    if status == 400 and _TOO_LONG.search(error.message or ""):
        return "context_length"
    if status == 429 and b"PerDay" in msgspec.json.encode(error.details):  # in a quotaId; waiting doesn't help
        return "quota"
    return _BY_STATUS.get(status, "refused" if 400 <= status < 500 else "server")


def _param(error: Error) -> str | None:
    named = [*_violated(error), error.message or ""]
    found = [place[1] for place in map(_PLACE.search, named) if place]
    return next((_PARAMS[name] for name in found if name in _PARAMS), None)


def _violated(error: Error) -> Iterator[str]:
    """The fields that the details name."""
    for detail in error.details:
        violations = detail.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                yield str(violation.get("field"))


def _retry_delay_s(error: Error) -> float | None:
    for detail in error.details:
        if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None
