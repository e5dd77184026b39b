"""Sealed reasoning as one opaque text, for callers that keep their conversation themselves.

What OpenAI sealed goes as it is; other providers' reasoning is wrapped whole, so that it comes back unchanged.
"""

import base64
import binascii

import msgspec

from router.dialects import WRAPPED
from router.types import Reasoning, Seal, Wire


class _Wrapped(msgspec.Struct):
    wire: Wire
    model: str
    value: str
    text: str
    hidden: bool


def is_ours(text: str) -> bool:
    """Whether `text` is reasoning that we wrapped: no provider can read it."""
    return text.startswith(WRAPPED)


def wrap(seal: Seal, thought: Reasoning, model: str) -> str:
    """The text that stands for this reasoning of the provider's `model`, which `seal` proves."""
    if seal.wire == "responses":
        return seal.value
    document = msgspec.json.encode(_Wrapped(seal.wire, seal.model or model, seal.value, thought.text, thought.hidden))
    return WRAPPED + base64.urlsafe_b64encode(document).decode()


def unwrap(text: str) -> Reasoning:
    """The reasoning that `wrap` made this text of. Raises ValueError when it has been changed."""
    try:
        document = base64.b64decode(text.removeprefix(WRAPPED).encode(), altchars=b"-_", validate=True)
        wrapped = msgspec.json.decode(document, type=_Wrapped)
    except (binascii.Error, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from None
    return Reasoning(wrapped.text, Seal(wrapped.value, wrapped.wire, wrapped.model), wrapped.hidden)
