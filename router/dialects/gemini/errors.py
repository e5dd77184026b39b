"""Google's errors -> ours."""

import re
from collections.abc import Mapping

import msgspec

from router.dialects.gemini.wire import Error, read
from router.errors import UpstreamError, UpstreamKind

_BY_STATUS: dict[int, UpstreamKind] = {
    413: "too_large",
    401: "credentials",
    403: "credentials",
    404: "not_found",
    408: "server",
    429: "rate_limited",
    499: "server",
    503: "overloaded",
}
_TOO_LONG = re.compile(r"token count.*exceeds", re.IGNORECASE | re.DOTALL)
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


def _retry_delay_s(error: Error) -> float | None:
    for detail in error.details:
        if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None
