"""What happened to one request, and why: its class, what it needs, who was considered, who was chosen."""

from dataclasses import dataclass, field
from typing import Literal

from router.catalog import Model

Method = Literal["explicit", "structure", "rules", "default"]
Objective = Literal["quality", "balanced", "thrift"]
Assigned = Literal["table", "user"]

# Why a model is not a candidate. Hard requirements, not preferences.
Exclusion = Literal[
    "no_key",  # its provider has no key
    "no_tools",
    "no_images",
    "no_audio",
    "no_files",
    "no_json_schema",
    "no_chat",  # it makes embeddings
    "bound_history",  # the conversation is kept by another provider, and not by us
    "context_too_small",
    "unsupported_parameter",  # the dialect or the model can't express a field of the request
    "over_max_cost",  # its estimated cost is over x-router-max-cost-usd or the policy's limit
    "unknown_price",  # a cost limit was asked for and its price is not known
    "unknown_model",  # the table names a model that the catalogue doesn't have
    "circuit_open",  # it failed too often lately
    "cooling",  # its provider asked not to be called for a while
]

# Why the first target was chosen.
Reason = Literal[
    "table",  # first of its class in the routing table
    "no_key",  # the table's first has no key; this is the best that has one
    "requirement",  # the table's first can't do what the request needs
    "unavailable",  # the first is failing or was told to wait; this is the best that isn't
    "objective",  # the objective asked for ranks it first
    "pinned_by_user",  # a catalogue name, or x-router-model
    "fallback",  # the one before it failed
    "default",  # the table doesn't know the class: first of `general`, or of the catalogue
]


@dataclass(frozen=True, slots=True)
class Classification:
    """`confidence` is a calibrated probability or None; `why` are named reasons, strongest first."""

    task_class: str
    method: Method
    confidence: float | None = None
    runner_up: str | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a request can't do without. `input_tokens` and `output_tokens` are estimates."""

    tools: bool = False
    images: bool = False
    audio: bool = False
    files: bool = False
    json_schema: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked of the router itself, by model name and headers; None where nothing was said."""

    model: str | None = None
    task_class: str | None = None
    objective: Objective | None = None
    max_cost_usd: float | None = None
    session: str | None = None
    explain: bool = False
    record: bool = True
    validate: bool = True  # an answer that misses its schema is not passed on


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a model should not be called for the next `wait_s` seconds: circuit_open or cooling."""

    excluded: Exclusion
    wait_s: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that was looked at. `model` is None when the catalogue has none of that name; `wait_s` is set where
    it is ruled out for the moment only."""

    name: str
    model: Model | None
    excluded: Exclusion | None = None
    detail: str | None = None
    estimated_cost_usd: float | None = None
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`targets` are the usable candidates, best first; the first is the choice, the others are fallbacks."""

    classification: Classification
    candidates: tuple[Candidate, ...]
    targets: tuple[Model, ...]
    reason: Reason
    table_version: str
    objective: Objective = "balanced"
    assigned: Assigned = "table"
    propensity: float = 1.0
    requirements: Requirements = field(default_factory=Requirements)
