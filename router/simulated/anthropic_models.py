"""Anthropic's models, told by their ids: the provider knows its own, and what each of them signed. Pure."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from router.simulated.wire import Refused


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes, told by its id: the provider knows its own models."""

    family: str
    version: tuple[int, int]

    @property
    def sampling(self) -> bool:
        return self.version < (4, 7)

    @property
    def adaptive(self) -> bool:
        return self.version >= (4, 6)

    @property
    def prefill(self) -> bool:
        return self.version < (4, 6)

    @property
    def system_turns(self) -> bool:
        return self.version >= (4, 8)

    @property
    def thinks_always(self) -> bool:
        always_from = {"fable": (5, 0), "mythos": (5, 0), "opus": (5, 5), "sonnet": (5, 5)}
        return self.family in always_from and self.version >= always_from[self.family]

    @property
    def thinks_by_default(self) -> bool:
        return self.thinks_always or (self.family in ("opus", "sonnet", "haiku") and self.version >= (5, 0))

    @property
    def thinks_between_tools(self) -> bool:
        return self.family == "sonnet" and self.thinks_always

    @property
    def forced_tools(self) -> bool:
        never_from = {"fable": (5, 1), "mythos": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
        return self.family not in never_from or self.version < never_from[self.family]

    @property
    def efforts(self) -> tuple[str, ...]:
        if not self.adaptive:
            return ()
        levels = ("low", "medium", "high", "max")
        return levels if self.version < (4, 7) else (*levels, "xhigh")

    @property
    def max_output_tokens(self) -> int:
        return 128_000 if self.adaptive else 64_000

    @property
    def context_tokens(self) -> int:
        return 1_000_000 if self.adaptive else 200_000


_MODEL = re.compile(r"claude-(?P<family>opus|sonnet|haiku|fable|mythos)-(?P<major>\d)(-(?P<minor>\d))?(-20\d{6})?")


def abilities(model: str) -> Abilities:
    match = _MODEL.fullmatch(model)
    if match is None:
        raise Refused(f"model: {model}", status=404, kind="not_found_error")
    return Abilities(match["family"], (int(match["major"]), int(match["minor"] or 0)))


def signature(thinking: str, model: str) -> str:
    """The seal of a thinking block: it fits this text of this model only."""
    digest = hashlib.sha256(f"simulated thinking {model} {thinking}".encode()).digest()
    return base64.b64encode(model.encode() + b":" + digest * 5).decode()


def is_signed(thinking: str, seal: str) -> bool:
    """Whether a model of this provider signed it. Which one does not matter: others ignore the block."""
    try:
        model = base64.b64decode(seal, validate=True).partition(b":")[0].decode()
    except (binascii.Error, ValueError):
        return False
    return seal == signature(thinking, model)


def redacted(model: str) -> str:
    """The data of a redacted thinking block: sealed like a signature, of thoughts that nobody may read."""
    return signature("redacted", model)
