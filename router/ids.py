"""Ids: UUIDv7 for rows (they sort by time), and the pair of ids that a request is known by."""

import os
import time


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random."""
    value = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    value[6] = value[6] & 0x0F | 0x70
    value[8] = value[8] & 0x3F | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def request_id() -> str:
    """A new id for a request, as in x-request-id."""
    return "req_" + uuid7().replace("-", "")


def decision_id(request_id_: str) -> str:
    """The id of the decision about this request, as in x-router-decision."""
    return "dec_" + request_id_.removeprefix("req_")


def request_id_of(decision_id_: str) -> str:
    """The inverse of `decision_id`; a request id is taken as it is."""
    return "req_" + decision_id_.removeprefix("dec_").removeprefix("req_")


def tool_call_id() -> str:
    """An id for a tool call that the provider left without one; OpenAI clients take up to 40 characters."""
    return "call_" + os.urandom(12).hex()
