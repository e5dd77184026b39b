"""How a model is chosen for one request. One rule a file; a rule is a pure function that gives a `Decision`.

`consider` is what all rules share: hard requirements, each with a reason code. They filter; rules rank what is left.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from router.catalog import Catalog, Model
from router.decision import Candidate, Exclusion, Objective, Outage, Requirements
from router.errors import Overloaded
from router.types import Audio, ChatRequest, File, Image, Reasoning, Refusal, Text, Usage

BYTES_PER_TOKEN = 4  # a rough guess, used only before a call; afterwards the provider's own count is the truth
DEFAULT_OUTPUT_TOKENS = 1000  # what an answer is guessed at when the request sets no limit
BYTES_PER_MEDIA_PART = 6000  # about 1,500 tokens

UNAVAILABLE: frozenset[Exclusion | None] = frozenset({"circuit_open", "cooling"})  # for the moment

Obstacles = Callable[[ChatRequest, Model], Iterator[str]]
Outages = Callable[[Model], Outage | None]


def no_outage(_model: Model) -> Outage | None:
    """What is known of a model's health where no call is made."""
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's wish for a class. `max_cost_usd` limits the estimated cost of one call."""

    objective: Objective = "balanced"
    max_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """All that a rule may look at. `today` prices the estimates; `obstacles` asks a model's dialect, `outage` whether
    it can be called now."""

    request: ChatRequest
    requirements: Requirements
    catalog: Catalog
    policy: Policy
    today: date
    obstacles: Obstacles
    outage: Outages = no_outage


def requirements(request: ChatRequest) -> Requirements:
    """What `request` can't do without, read off its structure."""
    parts = [part for message in request.messages for part in message.parts]
    texts, media = (Text | Refusal | Reasoning), (Image | Audio | File)
    size = sum(_bytes(part.text) for part in parts if isinstance(part, texts))
    size += sum(BYTES_PER_MEDIA_PART for part in parts if isinstance(part, media))
    size += sum(_bytes(call.arguments) for message in request.messages for call in message.tool_calls)
    size += sum(_bytes(tool.description or "") + len(str(tool.parameters or "")) for tool in request.tools)
    return Requirements(
        tools=bool(request.tools) or any(message.tool_calls for message in request.messages),
        images=any(isinstance(part, Image) for part in parts),
        audio=any(isinstance(part, Audio) for part in parts),
        files=any(isinstance(part, File) for part in parts),
        json_schema=request.response_format.kind == "json_schema",
        input_tokens=size // BYTES_PER_TOKEN + 1,
        output_tokens=request.max_tokens or DEFAULT_OUTPUT_TOKENS,
    )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def consider(question: Question, names: Iterable[str], *, pinned: bool = False) -> list[Candidate]:
    """Each named model once, in this order, with the first reason that rules it out, if any.

    A model that can't be held to a schema may stream an answer to one only when it was `pinned`: what doesn't fit is
    found out at its end, when no other model can take over. Those whose provider asked to wait are candidates where no
    other is left; those whose circuit is open are not.
    """
    candidates = [_candidate(question, name, pinned) for name in dict.fromkeys(names)]
    if any(candidate.excluded is None for candidate in candidates):
        return candidates
    return [_readmitted(candidate) if candidate.excluded == "cooling" else candidate for candidate in candidates]


def _readmitted(candidate: Candidate) -> Candidate:
    return replace(candidate, excluded=None, detail=None, wait_s=None)


def all_open(candidates: Iterable[Candidate]) -> Overloaded:
    """The refusal of a call for which only models with an open circuit are left, with the wait for the first one."""
    waits = {one.name: one.wait_s for one in candidates if one.wait_s is not None}
    least_s = min(waits.values())
    text = f"{', '.join(waits)} failed too often lately; the next try is in {least_s:.1f} s"
    return Overloaded(text, code="circuit_open", retry_after_s=least_s)


def _candidate(question: Question, name: str, pinned: bool) -> Candidate:
    model = question.catalog.find(name)
    if model is None:
        return Candidate(name, None, "unknown_model")
    cost = estimated_cost_usd(question, model)
    excluded, detail = _exclusion(question, model, cost, pinned)
    if excluded is None and (outage := question.outage(model)):
        return Candidate(model.name, model, outage.excluded, f"for another {outage.wait_s:.1f} s", cost, outage.wait_s)
    return Candidate(model.name, model, excluded, detail, estimated_cost_usd=cost)


def estimated_cost_usd(question: Question, model: Model) -> float | None:
    """What this request would cost with this model at today's prices; None when its price is unknown."""
    needs = question.requirements
    usage = Usage(needs.input_tokens, min(needs.output_tokens, model.max_output_tokens))
    return model.cost_usd(usage, question.today)


def _exclusion(
    question: Question, model: Model, cost: float | None, pinned: bool
) -> tuple[Exclusion | None, str | None]:
    if not model.provider.usable:
        return "no_key", f"provider {model.provider.name} has no key"
    if model.kind != "chat":
        return "no_chat", None
    if question.request.bound_to not in (None, model.provider.name):
        return "bound_history", f"its earlier turns are kept by {question.request.bound_to}"
    needs = question.requirements
    lacks: tuple[tuple[bool, Exclusion], ...] = (
        (needs.tools and not model.tools, "no_tools"),
        (needs.images and not model.images, "no_images"),
        (needs.audio and not model.audio, "no_audio"),
        (needs.files and not model.files, "no_files"),
        (needs.json_schema and not model.json_schema and question.request.stream and not pinned, "no_json_schema"),
    )
    for lacking, code in lacks:
        if lacking:
            return code, None
    if needs.input_tokens > model.context_tokens:
        return "context_too_small", f"about {needs.input_tokens} tokens in, {model.context_tokens} taken"
    if obstacle := next(question.obstacles(question.request, model), None):
        return "unsupported_parameter", obstacle
    limit = question.policy.max_cost_usd
    if limit is not None and cost is None:
        return "unknown_price", None
    if limit is not None and cost is not None and cost > limit:
        return "over_max_cost", f"about ${cost:.6f}, the limit is ${limit:.6f}"
    return None, None
