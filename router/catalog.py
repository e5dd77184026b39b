"""The models that can be routed to: what each takes, where it is reached, and what a call costs.

Values only; config/models.yaml fills them. A quirk of a model is a field here, never a test on its name.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Literal

from router.types import ChatRequest, Effort, Usage, Wire

DialectName = Literal["openai", "anthropic", "gemini"]

SIMULATED_PREFIX = "simulated/"
STANDARD_TIERS = (None, "auto", "default", "standard", "standard_only")


@dataclass(frozen=True, slots=True)
class Tariff:
    """USD per million tokens, in force from `valid_from`; the rates of `above` hold for the whole call when its input
    is longer than `above_input_tokens`, those of `tiers` when it is billed as that service tier. A missing cached or
    cache-write rate means the plain input rate, a missing one of the hour-long cache that of the short one."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    valid_from: date | None = None
    above_input_tokens: int | None = None
    above: "Tariff | None" = None
    tiers: Mapping[str, "Tariff"] = field(default_factory=dict)

    def cost_usd(self, usage: Usage) -> float:
        """USD of one call at the standard tier."""
        limit = self.above_input_tokens
        if self.above is not None and limit is not None and usage.input_tokens > limit:
            return self.above.cost_usd(usage)
        long_lived = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
        cached, write = _first(self.cached, self.input), _first(self.cache_write, self.input)
        total = (
            max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0) * self.input
            + usage.cached_tokens * cached
            + (usage.cache_write_tokens - long_lived) * write
            + long_lived * _first(self.cache_write_1h, write)
            + usage.output_tokens * self.output
        )
        return total / 1_000_000


def _first(rate: float | None, otherwise: float) -> float:
    return otherwise if rate is None else rate


@dataclass(frozen=True, slots=True)
class Provider:
    """A base URL, a key and a dialect. `api_key` None means that the server asks for none."""

    name: str
    dialect: DialectName
    base_url: str
    api_key: str | None = None
    usable: bool = True  # False: it needs a key and has none
    simulated: bool = False

    def __repr__(self) -> str:  # a key never lands in a log by way of repr
        return f"Provider({self.name!r}, {self.dialect!r}, usable={self.usable}, simulated={self.simulated})"


@dataclass(frozen=True)  # no slots: the price version is worked out once
class Model:
    """A row of the catalogue. `id` is the provider's name for it; `effort` makes a variant of the same id.
    An `embedding` model makes vectors and nothing else."""

    name: str
    provider: Provider
    id: str
    tariffs: tuple[Tariff, ...] = ()
    effort: Effort | None = None
    fallbacks: tuple[str, ...] = ()
    context_tokens: int = 128_000
    max_output_tokens: int = 32_000
    kind: Literal["chat", "embedding"] = "chat"
    dimensions: int | None = None  # of an embedding model's vectors, unless asked for fewer
    # what it takes
    tools: bool = True
    images: bool = False
    audio: bool = False
    files: bool = False
    json_schema: bool = True  # its answers can be held to a schema; where not, they are checked before they leave
    logprobs: bool = True
    choices: bool = True  # several answers to one request
    # quirks of its wire format
    sampling: bool = True  # takes temperature and top_p; where not, they are advisory and left out
    stop: bool = True  # takes stop sequences
    endpoints: tuple[Literal["chat", "responses"], ...] = ("chat",)  # of a provider that speaks OpenAI's dialect
    tools_on_chat: Literal["always", "unless_effort", "effort_none"] = "always"  # function tools on chat completions
    forced_tool_choice: bool = True
    mid_system: bool = False  # takes system messages in the middle of a conversation
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    efforts: tuple[Effort, ...] = ()  # levels it knows; empty: it has no such control
    thinking: Literal["none", "adaptive", "budget", "level"] = "none"  # how effort is said in its dialect
    thinking_off: Literal["unsaid", "disabled", "between_tools", "never"] = "unsaid"  # how it is kept from thinking

    @cached_property
    def price_version(self) -> str | None:
        """A short hash of the tariffs, None when the price is unknown."""
        if not self.tariffs:
            return None
        text = json.dumps([asdict(tariff) for tariff in self.tariffs], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def tariff(self, day: date) -> Tariff | None:
        """The newest tariff in force on `day`; None when the price is unknown."""
        in_force = [t for t in self.tariffs if t.valid_from is None or t.valid_from <= day]
        return max(in_force, key=lambda t: t.valid_from or date.min, default=None)

    def cost_usd(self, usage: Usage | None, day: date, service_tier: str | None = None) -> float | None:
        """USD of one call, None when the price or the usage is unknown (never 0 by accident).

        The tier is the one that the provider billed, where it says so, else `service_tier`, the one asked for.
        """
        tariff = self.tariff(day)
        if tariff is None or usage is None:
            return None
        tier = usage.service_tier or service_tier
        if tier not in STANDARD_TIERS:
            tariff = tariff.tiers.get(str(tier))
        return None if tariff is None else tariff.cost_usd(usage)

    def wire(self, request: ChatRequest) -> Wire:
        """The wire format in which this model is asked `request`."""
        match self.provider.dialect:
            case "anthropic":
                return "messages"
            case "gemini":
                return "gemini"
            case "openai":
                return "responses" if self._needs_responses(request) else "chat"

    def _needs_responses(self, request: ChatRequest) -> bool:
        if "responses" not in self.endpoints:
            return False
        return request.wire == "responses" or "chat" not in self.endpoints or not self.takes_tools_on_chat(request)

    def takes_tools_on_chat(self, request: ChatRequest) -> bool:
        """Whether chat completions takes the request's function tools together with its effort."""
        if self.tools_on_chat == "always" or not any(tool.kind == "function" for tool in request.tools):
            return True
        effort = request.effort or self.effort
        return effort == "none" or (effort is None and self.tools_on_chat == "unless_effort")


class Catalog:
    """The models by name, and the aliases. Immutable once made."""

    def __init__(self, models: Iterable[Model], aliases: Mapping[str, str] | None = None) -> None:
        self._models = {model.name: model for model in models}
        self.aliases = dict(aliases or {})
        self.simulated = any(model.provider.simulated for model in self._models.values())

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def find(self, name: str) -> Model | None:
        """The model called `name`; while providers are simulated, its simulated twin answers to the plain name too."""
        model = self._models.get(name)
        if model is None and self.simulated:
            model = self._models.get(SIMULATED_PREFIX + name)
        return model

    def names(self) -> list[str]:
        return list(self._models)

    def plain_names(self) -> list[str]:
        """The names as people type them, without the mark of simulation."""
        return [name.removeprefix(SIMULATED_PREFIX) for name in self._models]


def simulated_twin(model: Model) -> Model:
    """The same model answered by the bundled simulated provider, and named so."""
    return replace(
        model,
        name=SIMULATED_PREFIX + model.name,
        provider=replace(model.provider, api_key=None, usable=True, simulated=True),
        fallbacks=tuple(SIMULATED_PREFIX + name for name in model.fallbacks),
    )
