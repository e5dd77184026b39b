"""OpenAI's models, told by their ids: the provider knows its own. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from router.simulated.wire import Refused

Endpoint = Literal["chat/completions", "responses"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

REASONING_TOKENS: dict[Effort, int] = {
    "none": 0,
    "minimal": 16,
    "low": 64,
    "medium": 128,
    "high": 256,
    "xhigh": 512,
    "max": 1024,
}

_DATED = {
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
}
_GPT = re.compile(
    r"gpt-(oss-.+|4o(-mini)?|4\.1(-mini|-nano)?|[5-9](\.\d+)?(-(mini|nano|pro|sol|terra|luna|astra))?)(-20\d\d-\d\d-\d\d)?"
)
_GENERATION = re.compile(r"gpt-(?P<major>[5-9])(?:\.(?P<minor>\d+))?(?:-(?P<size>[a-z]+))?")
_OURS = re.compile(r"auto\b|simulated/|claude|gemini|gpt-|text-embedding")  # names no OpenAI-compatible server knows


@dataclass(frozen=True, slots=True)
class Abilities:
    """`version` is (0, 0) for models that don't reason."""

    version: tuple[int, int]
    size: str

    @property
    def reasons(self) -> bool:
        return self.version >= (5, 0)

    @property
    def default_effort(self) -> Effort:
        """gpt-5.4 does not think unless asked; its successors do, and so do the pro models."""
        return "none" if not self.reasons or (self.version == (5, 4) and self.size != "pro") else "medium"

    @property
    def context_tokens(self) -> int:
        return 922_000 if self.version >= (5, 6) else 1_050_000

    @property
    def writes_cache(self) -> bool:
        """Whether writing to the prompt cache is counted: from gpt-5.6 on it has a price."""
        return self.version >= (5, 6)

    def efforts(self, endpoint: Endpoint) -> tuple[Effort, ...]:
        """The levels it takes: gpt-5.6 has max in responses only, its successors everywhere."""
        if self.size == "pro":
            return ("medium", "high", "xhigh")
        levels: tuple[Effort, ...] = ("low", "medium", "high", "xhigh")
        if self.size != "astra" and not (self.size == "sol" and self.version >= (6, 1)):
            levels = ("none", *levels)
        if self.version >= (6, 0) or (self.version == (5, 6) and endpoint == "responses"):
            levels = (*levels, "max")
        return levels


def abilities(model: str) -> Abilities:
    match = _GENERATION.match(model)
    if match is None:
        return Abilities((0, 0), "")
    return Abilities((int(match["major"]), int(match["minor"] or 0)), match["size"] or "")


def dated(model: str) -> str:
    """What the answer calls the model."""
    return _DATED.get(model, model)


def check_model(model: str, endpoint: Endpoint) -> None:
    """Raises Refused for a model that doesn't exist, or not at this endpoint."""
    if not model:
        raise Refused("you must provide a model parameter", kind="invalid_request_error")
    if _OURS.match(model) and not _GPT.fullmatch(model):
        raise no_such_model(model)
    if endpoint == "chat/completions" and abilities(model).size == "pro":
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise Refused(message, status=404, kind="invalid_request_error", param="model")


def no_such_model(model: str) -> Refused:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refused(message, status=404, kind="invalid_request_error", code="model_not_found")
