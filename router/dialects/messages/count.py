"""POST /v1/messages/count_tokens as a provider of the Messages API takes and answers it."""

import msgspec

from router.dialects import WireRequest
from router.errors import UpstreamError

# What its requests may hold, beta features included; the rest of a message's fields are a 400 there.
_COUNTED = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
                      "output_format", "cache_control", "context_management", "mcp_servers", "compaction",
                      "billing_policy", "speed"})  # fmt: skip


class _Count(msgspec.Struct):
    input_tokens: int


def count_request(wire: WireRequest) -> WireRequest:
    """The count of what `wire`, a POST of /v1/messages, would send."""
    fields = msgspec.json.decode(wire.body, type=dict[str, msgspec.Raw])
    body = msgspec.json.encode({name: value for name, value in fields.items() if name in _COUNTED})
    return WireRequest(f"{wire.path}/count_tokens", wire.headers, body)


def decode_count(body: bytes) -> int:
    """The input tokens that a 200's body says. Raises UpstreamError (protocol)."""
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamError("protocol", f"the answer is not a count of tokens: {error}") from None
