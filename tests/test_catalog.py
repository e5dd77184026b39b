"""What a call costs, and how models are found."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from router.catalog import Catalog, Model, Provider, Tariff, simulated_twin
from router.types import ChatRequest, Tool, Usage

PROVIDER = Provider("openai", "openai", "https://openai.test/v1", api_key="sk-secret")
LONG = Tariff(5, 30, cached=0.5, above_input_tokens=272_000, above=Tariff(10, 45, cached=1))
CACHED = Tariff(5, 25, cached=0.5, cache_write=6.25, cache_write_1h=10)
GPT = Model("gpt-5.5", PROVIDER, "gpt-5.5-2026-04-23", (LONG,), fallbacks=("claude-opus-4.7",))
DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("tariff", "usage", "usd"),
    [
        (Tariff(5, 30), Usage(1_000_000, 0), 5.0),
        (Tariff(5, 30), Usage(0, 1_000_000), 30.0),
        (Tariff(5, 30), Usage(1000, 200, reasoning_tokens=150), 0.011),
        (Tariff(5, 30, cached=0.5), Usage(1000, 0, cached_tokens=600), 0.0023),
        (Tariff(5, 30), Usage(1000, 0, cached_tokens=600), 0.005),
        (Tariff(5, 25, cached=0.5, cache_write=6.25), Usage(1000, 0, 600, 100), 0.002425),
        (Tariff(5, 25, cached=0.5), Usage(1000, 0, cached_tokens=0, cache_write_tokens=100), 0.005),
        (Tariff(0, 0), Usage(1000, 1000), 0.0),
        (Tariff(5, 30, cached=0), Usage(1000, 0, cached_tokens=1000), 0.0),
        (LONG, Usage(272_000, 1000), 1.39),
        (LONG, Usage(272_001, 1000), 2.76501),
        (LONG, Usage(300_000, 1000, cached_tokens=100_000), 2.145),
        (CACHED, Usage(1_000_000, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=400_000), 7.75),
        (Tariff(5, 25, cache_write=6.25), Usage(100, 0, cache_write_tokens=100, cache_write_1h_tokens=100), 0.000625),
        (Tariff(5, 30, cached=0.5), Usage(100, 0, cached_tokens=1000), 0.0005),
    ],
)
def test_a_call_costs_what_its_tokens_cost(tariff: Tariff, usage: Usage, usd: float) -> None:
    assert tariff.cost_usd(usage) == pytest.approx(usd, abs=1e-12)


def test_the_tariff_in_force_prices_the_call() -> None:
    promo = Tariff(2, 10)
    later = Tariff(4, 20, valid_from=date(2026, 12, 1))
    model = replace(GPT, tariffs=(later, promo))
    usage = Usage(1_000_000, 0)

    assert model.cost_usd(usage, date(2026, 11, 30)) == 2.0
    assert model.cost_usd(usage, date(2026, 12, 1)) == 4.0


def test_an_unknown_price_or_usage_is_not_zero() -> None:
    not_yet = replace(GPT, tariffs=(Tariff(1, 1, valid_from=date(2027, 1, 1)),))

    assert replace(GPT, tariffs=()).cost_usd(Usage(1, 1), DAY) is None
    assert not_yet.cost_usd(Usage(1, 1), DAY) is None
    assert GPT.cost_usd(None, DAY) is None


@pytest.mark.parametrize(
    ("billed", "asked", "usd"),
    [
        (None, None, 5.0),
        (None, "auto", 5.0),
        (None, "flex", 2.5),
        ("default", "priority", 5.0),
        ("priority", "auto", 12.5),
        ("scale", None, None),
    ],
)
def test_a_call_is_priced_as_the_tier_it_was_billed_as(
    billed: str | None, asked: str | None, usd: float | None
) -> None:
    tariff = Tariff(5, 30, tiers={"flex": Tariff(2.5, 15), "priority": Tariff(12.5, 75)})
    usage = Usage(1_000_000, 0, service_tier=billed)

    assert replace(GPT, tariffs=(tariff,)).cost_usd(usage, DAY, asked) == usd


@pytest.mark.parametrize(
    ("column", "effort", "wire"),
    [
        ("always", "high", "chat"),
        ("unless_effort", None, "chat"),
        ("unless_effort", "none", "chat"),
        ("unless_effort", "high", "responses"),
        ("effort_none", None, "responses"),
        ("effort_none", "none", "chat"),
    ],
)
def test_function_tools_go_where_the_model_takes_them(column: Any, effort: Any, wire: str) -> None:
    model = replace(GPT, endpoints=("chat", "responses"), tools_on_chat=column)
    request = ChatRequest("auto", (), tools=(Tool("f"),), effort=effort)

    assert model.wire(request) == wire
    assert model.wire(replace(request, tools=())) == "chat"
    assert model.wire(replace(request, tools=(Tool("f", kind="custom"),))) == "chat"
    assert replace(model, endpoints=("chat",)).wire(request) == "chat"


def test_a_model_is_asked_in_the_wire_format_that_its_provider_speaks() -> None:
    asked = ChatRequest("auto", ())
    native = replace(asked, wire="responses")
    both, alone = replace(GPT, endpoints=("chat", "responses")), replace(GPT, endpoints=("responses",))

    assert (GPT.wire(native), both.wire(native), both.wire(asked), alone.wire(asked)) == (
        "chat",
        "responses",
        "chat",
        "responses",
    )
    claude = replace(GPT, provider=Provider("anthropic", "anthropic", "https://anthropic.test"))
    gemini = replace(GPT, provider=Provider("gemini", "gemini", "https://gemini.test"))
    assert (claude.wire(native), gemini.wire(native)) == ("messages", "gemini")


def test_the_price_version_follows_the_price_alone() -> None:
    assert GPT.price_version == replace(GPT, name="other", context_tokens=5).price_version
    assert GPT.price_version != replace(GPT, tariffs=(replace(LONG, output=31),)).price_version
    assert replace(GPT, tariffs=()).price_version is None


def test_a_model_is_found_by_its_exact_name() -> None:
    catalog = Catalog([GPT], {"fast": "auto"})

    assert catalog.find("gpt-5.5") is GPT
    assert catalog.find("GPT-5.5") is None and catalog.find("gpt-5.5-2026-04-23") is None
    assert catalog.find("simulated/gpt-5.5") is None
    assert (list(catalog), len(catalog), catalog.names()) == ([GPT], 1, ["gpt-5.5"])
    assert catalog.aliases == {"fast": "auto"} and not catalog.simulated


def test_a_simulated_twin_answers_to_the_plain_name_too() -> None:
    twin = simulated_twin(GPT)
    catalog = Catalog([twin])

    assert (twin.name, twin.fallbacks) == ("simulated/gpt-5.5", ("simulated/claude-opus-4.7",))
    assert twin.provider.simulated and twin.provider.usable and twin.provider.api_key is None
    assert catalog.find("gpt-5.5") is twin and catalog.find("simulated/gpt-5.5") is twin
    assert catalog.simulated


def test_a_key_is_not_in_the_repr() -> None:
    assert "sk-secret" not in repr(GPT)
