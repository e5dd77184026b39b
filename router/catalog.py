"""The models that can be routed to: what each takes, where it is reached, and what a call costs.

Values only; config/models.yaml fills them. A quirk of a model is a field here, never a test on its name.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from typing import Literal

from router.types import Effort, Usage

DialectName = Literal["openai", "anthropic", "gemini"]

SIMULATED_PREFIX = "simulated/"
STANDARD_TIERS = (None, "auto", "default")


@dataclass(frozen=True, slots=True)
class Tariff:
    """USD per million tokens, in force from `valid_from`; `above_*` replace the rates of the whole call when its
    input is longer than `above_input_tokens`. A missing cached or cache-write rate means the plain input rate."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    valid_from: date | None = None
    above_input_tokens: int | None = None
    above_input: float | None = None
    above_cached: float | None = None
    above_output: float | None = None

    def cost_usd(self, usage: Usage) -> float:
        input_rate, output_rate, cached_rate = self.input, self.output, self.cached
        if self.above_input_tokens is not None and usage.input_tokens > self.above_input_tokens:
            input_rate = self.above_input if self.above_input is not None else input_rate
            output_rate = self.above_output if self.above_output is not None else output_rate
            cached_rate = self.above_cached if self.above_cached is not None else cached_rate
        plain = max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0)
        total = (
            plain * input_rate
            + usage.cached_tokens * (input_rate if cached_rate is None else cached_rate)
            + usage.cache_write_tokens * (input_rate if self.cache_write is None else self.cache_write)
            + usage.output_tokens * output_rate
        )
        return total / 1_000_000


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
    """A row of the catalogue. `id` is the provider's name for it; `effort` makes a variant of the same id."""

    name: str
    provider: Provider
    id: str
    tariffs: tuple[Tariff, ...] = ()
    effort: Effort | None = None
    fallbacks: tuple[str, ...] = ()
    context_tokens: int = 128_000
    max_output_tokens: int = 32_000
    # what it takes
    tools: bool = True
    images: bool = False
    audio: bool = False
    files: bool = False
    json_schema: bool = True
    # quirks of its wire format
    sampling: bool = True  # takes temperature and top_p; where not, they are advisory and left out
    stop: bool = True  # takes stop sequences
    tools_with_effort: bool = True  # takes function tools together with an explicit reasoning effort
    forced_tool_choice: bool = True
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    efforts: tuple[Effort, ...] = ()  # levels it knows; empty: it has no such control
    thinking: Literal["none", "adaptive", "budget", "level"] = "none"  # how effort is said in its dialect

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

        The catalogue has the prices of the standard tier; those of another one asked for are not known.
        """
        tariff = self.tariff(day)
        if tariff is None or usage is None or service_tier not in STANDARD_TIERS:
            return None
        return tariff.cost_usd(usage)


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
