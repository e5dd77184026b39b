"""Structured logs: one JSON object a line on stderr, with every configured secret blotted out by its value."""

import logging
import sys
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import structlog

Level = Literal["debug", "info", "warning"]
Log = structlog.typing.FilteringBoundLogger

REDACTED = b"[redacted]"
SHORTEST_SECRET = 4  # a placeholder such as "x" is no secret, and blotting it out would garble every line


def make(level: Level, secrets: Sequence[str]) -> Log:
    """A logger that writes JSON lines to stderr. No one of `secrets`, read anew for each line, appears in it."""

    def render(_logger: object, _method: str, event: dict[str, Any]) -> bytes:
        line = msgspec.json.encode(event, enc_hook=str)
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                line = line.replace(_in_json(secret), REDACTED)
        return line

    log: Log = structlog.wrap_logger(
        structlog.BytesLogger(sys.stderr.buffer),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,  # type: ignore[list-item]  # the last processor gives bytes, as BytesLogger takes them
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    return log


def _in_json(secret: str) -> bytes:
    return msgspec.json.encode(secret)[1:-1]
