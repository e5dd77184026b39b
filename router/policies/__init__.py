"""How a model is chosen for one request. One rule a file; a rule is a pure function that gives a `Decision`.

`consider` is what all rules share: hard requirements, each with a reason code. They filter; rules rank what is left.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from router.catalog import Catalog, Model
from router.decision import Candidate, Exclusion, Objective, Requirements
from router.types import Audio, ChatRequest, File, Image, Reasoning, Refusal, Text, Usage

BYTES_PER_TOKEN = 4  # a rough guess, used only before a call; afterwards the provider's own count is the truth
DEFAULT_OUTPUT_TOKENS = 1000  # what an answer is guessed at when the request sets no limit
BYTES_PER_MEDIA_PART = 6000  # about 1,500 tokens

Obstacles = Callable[[ChatRequest, Model], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's wish for a class. `max_cost_usd` limits the estimated cost of one call."""

    objective: Objective = "balanced"
    max_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """All that a rule may look at. `today` prices the estimates; `obstacles` asks a model's dialect."""

    request: ChatRequest
    requirements: Requirements
    catalog: Catalog
    policy: Policy
    today: date
    obstacles: Obstacles


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
    found out at its end, when no other model can take over.
    """
    return [_candidate(question, name, pinned) for name in dict.fromkeys(names)]


def _candidate(question: Question, name: str, pinned: bool) -> Candidate:
    model = question.catalog.find(name)
    if model is None:
        return Candidate(name, None, "unknown_model")
    cost = estimated_cost_usd(question, model)
    excluded, detail = _exclusion(question, model, cost, pinned)
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
