"""Every error the router raises on purpose, as one tree.

    RouterError                 an answer to the client: status, type, code, param of OpenAI's envelope
    |- BadRequest               the client's fault, 400
    |  |- NoCapableModel        no model can do what the request needs
    |- Unauthorized             401
    |- Forbidden                403
    |- NotFound                 404 (unknown model, unknown decision)
    |- TooLarge                 413
    |- UnsupportedMedia         415
    |- Overloaded               503, ours
    |- UpstreamError            a provider failed; `retryable` says whether another target may help
    ConfigError                 the operator's files: "file:line:column: what, and what would be right"
    TableError                  a routing table that can't be used, and why
    EvidenceError               evidence that can't be read or written, and why
    StateError                  what processes share can't be read or written, and why

Messages say what was wrong, the value, and what would be right; never a key or a prompt.
"""

import difflib
from collections.abc import Iterable
from typing import Literal

from router.types import Usage

UpstreamKind = Literal[
    "connect",  # no connection, or reset before any byte of the answer
    "timeout",  # one of our deadlines
    "rate_limited",  # 429
    "overloaded",  # 503, 529
    "server",  # other 5xx, 408
    "protocol",  # an answer that is not the dialect's: HTML, broken JSON, an empty body
    "truncated",  # the stream ended without the dialect's own end
    "refused",  # 400, 422: the request itself
    "too_large",  # 413
    "context_length",  # the request is longer than the model takes
    "credentials",  # 401, 403: our key, so the operator's fault
    "not_found",  # 404: the upstream id in the catalogue is wrong, so the operator's fault
    "quota",  # our account is out of money
    "invalid_output",  # the answer doesn't fit the schema that was asked for
]

RETRYABLE: frozenset[UpstreamKind] = frozenset(
    {
        "connect",
        "timeout",
        "rate_limited",
        "overloaded",
        "server",
        "protocol",
        "truncated",
        "quota",
        "invalid_output",
    }
)

_POINTLESS: frozenset[UpstreamKind] = frozenset({"credentials", "not_found", "quota"})

PROVIDER_TEXT_LIMIT = 500


class RouterError(Exception):
    """An error with the four fields of OpenAI's envelope, an HTTP status and optional seconds to wait."""

    status = 500
    type = "server_error"
    code: str | None = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code


class BadRequest(RouterError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class NoCapableModel(BadRequest):
    code = "no_capable_model"


class Unauthorized(RouterError):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(RouterError):
    status = 403
    type = "invalid_request_error"
    code = "insufficient_permissions"


class NotFound(RouterError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class TooLarge(RouterError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class UnsupportedMedia(RouterError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class Overloaded(RouterError):
    status = 503
    type = "server_error"
    code = "overloaded"


_UPSTREAM: dict[UpstreamKind, tuple[int, str, str]] = {
    "connect": (502, "server_error", "upstream_unreachable"),
    "timeout": (504, "server_error", "upstream_timeout"),
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "upstream_overloaded"),
    "server": (502, "server_error", "upstream_error"),
    "protocol": (502, "server_error", "upstream_bad_answer"),
    "truncated": (502, "server_error", "upstream_truncated"),
    "refused": (400, "invalid_request_error", "upstream_refused"),
    "too_large": (413, "invalid_request_error", "request_too_large"),
    "context_length": (400, "invalid_request_error", "context_length_exceeded"),
    "credentials": (502, "server_error", "upstream_credentials"),
    "not_found": (502, "server_error", "upstream_model_not_found"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "invalid_output": (502, "server_error", "invalid_output"),
}


class UpstreamError(RouterError):
    """A provider's failure. `kind` decides status, type, code and `retryable`; `upstream_status` is its own, `usage`
    what was used up all the same, where the provider said so."""

    def __init__(
        self,
        kind: UpstreamKind,
        message: str,
        *,
        upstream_status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message[:PROVIDER_TEXT_LIMIT], param=param, retry_after_s=retry_after_s)
        self.usage = usage
        self.kind: UpstreamKind = kind
        self.upstream_status = upstream_status
        self.retryable = kind in RETRYABLE  # by another target
        self.pointless = kind in _POINTLESS  # for the caller to send again
        self.status, self.type, default_code = _UPSTREAM[kind]
        self.code = code or default_code


class ConfigError(Exception):
    """One sentence for the operator: where, what, and what would be right."""


class TableError(ValueError):
    """A routing table that can't be used, and why. `path` leads to the place, or `line` and `column` (from 1) do."""

    def __init__(
        self, message: str, *, path: tuple[str | int, ...] = (), line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.column = column


class EvidenceError(Exception):
    """Evidence that can't be read or written, and why. `passing`: the same may work a moment later."""

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class StateError(Exception):
    """What processes share can't be read or written, and why."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: `; did you mean 'x'?`, nothing when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
