"""How long an answer may be and how much a model is to think, in this API's words: `max_tokens`, `thinking`, and the
`effort` of `output_config`.

Opus 4.7 and later are told adaptively, 4.5 and earlier by a budget; how they are kept from it differs (2026-11-24,
platform.claude.com, "Thinking" and what is new in each model).
"""

from dataclasses import dataclass
from typing import Any

from router.catalog import Model
from router.types import ChatRequest, Effort

_LONGEST_WHOLE = 32_000  # tokens; longer answers outlast the time that an HTTP answer without a stream may take

_BUDGETS: dict[Effort, int] = {"low": 1024, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
_LEAST_BUDGET = 1024
_DEFAULT: Effort = "high"  # what the API takes where nothing is said
_MOST_WITHOUT_THINKING: Effort = "high"  # a model that is told not to think refuses a higher one


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for. `think` None leaves it to the model; `budget` is in tokens."""

    think: bool | None = None
    effort: Effort | None = None
    display: str | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What else of the request bears on it. `broken`: a turn that called tools comes without its thinking."""

    max_tokens: int
    forced: bool
    broken: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What the model is told, None where nothing."""

    thinking: dict[str, Any] | None = None
    effort: Effort | None = None

    @property
    def thinks(self) -> bool:
        return self.thinking is not None and self.thinking["type"] in ("enabled", "adaptive")


def max_tokens(request: ChatRequest, model: Model) -> int:
    """The limit asked for, as far as the model goes; the API has none of its own."""
    default = model.max_output_tokens if request.stream else _LONGEST_WHOLE
    return min(default if request.max_tokens is None else request.max_tokens, model.max_output_tokens)


def level(effort: Effort | None) -> Effort | None:
    """The level of this API, None for none."""
    if effort in (None, "none"):
        return None
    return "low" if effort == "minimal" else effort


def wish(request: ChatRequest, model: Model) -> Wish:
    """What a request of another wire format asks of this model."""
    effort = request.effort or model.effort
    if effort == "none":
        return Wish(think=False)
    if effort is None and not request.show_reasoning:
        return Wish()
    return Wish(True, level(effort), "summarized")


def told(wanted: Wish, model: Model, terms: Terms) -> Told:
    """What to tell this model."""
    match model.thinking:
        case "adaptive":
            return _adaptive(wanted, model, terms)
        case "budget":
            return _budgeted(wanted, terms)
        case _:
            return Told()


def _adaptive(wanted: Wish, model: Model, terms: Terms) -> Told:
    if wanted.think is False or terms.forced:  # thinking and a forced tool together are a 400
        return _off(wanted, model)
    effort = wanted.effort or _effort_of(wanted.budget, model)
    if wanted.think is None:
        return Told(None, effort)
    display = {} if wanted.display is None else {"display": wanted.display}
    return Told({"type": "adaptive", **display}, effort)


def _off(wanted: Wish, model: Model) -> Told:
    match model.thinking_off:
        case "unsaid":
            return Told(None, wanted.effort)
        case "never":
            least: Effort | None = "low" if wanted.think is False and "low" in model.efforts else None
            return Told(None, wanted.effort or least)
        case kind:
            too_high = wanted.effort in ("xhigh", "max")
            return Told({"type": kind}, _MOST_WITHOUT_THINKING if too_high else wanted.effort)


def _effort_of(budget: int | None, model: Model) -> Effort | None:
    """The level nearest to a budget, among those that the model knows."""
    if budget is None or not model.efforts:
        return None
    known: list[Effort] = [effort for effort in _BUDGETS if effort in model.efforts]
    return next((effort for effort in known if _BUDGETS[effort] >= budget), known[-1])


def _budgeted(wanted: Wish, terms: Terms) -> Told:
    asked = wanted.think or (wanted.think is None and wanted.effort is not None)
    if not asked or terms.forced or terms.broken:
        return Told()
    # Half the tokens at most, so that some are left for the answer; budgets must be under max_tokens.
    half = terms.max_tokens // 2
    budget = wanted.budget or min(_BUDGETS.get(wanted.effort or _DEFAULT, half), half)
    budget = half if budget >= terms.max_tokens else budget
    if budget < _LEAST_BUDGET:
        return Told()
    display = {"display": wanted.display} if wanted.display == "omitted" else {}  # these show it where nothing is said
    return Told({"type": "enabled", "budget_tokens": budget, **display})
