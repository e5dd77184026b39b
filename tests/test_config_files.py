"""The files in config/, and the verbs that show and check them."""

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from router.cli import router
from router.cli.priors import disagreements
from router.settings import load
from router.shape import Priors, schema_text
from router.types import Usage

CONFIG = Path(__file__).parent.parent / "config"
TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)
    for name in ("ROUTER_KEY", "ROUTER_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(router, list(arguments))


# --- config/ -------------------------------------------------------------------------------------------


def test_the_schema_in_the_checkout_is_the_one_that_the_code_gives() -> None:
    """To mend it: router config schema > config/schema.json"""
    assert (CONFIG / "schema.json").read_text() == schema_text()


def test_router_yaml_says_every_key_with_the_default_that_the_code_has(tmp_path: Path) -> None:
    text = yaml.safe_load((CONFIG / "router.yaml").read_text())
    found = load(None, {}, tmp_path)
    assert set(text) == {*type(found.shape).model_fields} - {"models", "priors"}  # these have files of their own
    defaults = type(found.shape)()
    for section in ("server", "timeouts", "retries", "breaker", "limits", "evidence", "state", "log"):
        assert text[section] == getattr(defaults, section).model_dump()


@pytest.mark.parametrize(
    ("name", "id_", "effort", "context", "most", "rates"),
    [
        ("gpt-5.5", "gpt-5.5", None, 1_050_000, 128_000, (5, 0.5, None, 30)),
        ("gpt-5.5-high", "gpt-5.5", "high", 1_050_000, 128_000, (5, 0.5, None, 30)),
        ("gpt-5.5-xhigh", "gpt-5.5", "xhigh", 1_050_000, 128_000, (5, 0.5, None, 30)),
        ("gpt-5.6", "gpt-5.6", None, 922_000, 128_000, (4, 0.4, 5, 20)),
        ("claude-opus-4.7", "claude-opus-4-7", None, 1_000_000, 128_000, (5, 0.5, 6.25, 25)),
        ("claude-haiku-4.5", "claude-haiku-4-5", None, 200_000, 64_000, (1, 0.1, 1.25, 5)),
        ("gemini-3.1-pro", "gemini-3.1-pro-preview", None, 1_048_576, 65_536, (2, 0.2, None, 12)),
    ],
)
def test_models_have_the_limits_and_prices_of_the_price_lists(
    tmp_path: Path, name: str, id_: str, effort: str | None, context: int, most: int, rates: tuple[float | None, ...]
) -> None:
    model = load(None, {}, tmp_path).catalog().find(name)
    assert model is not None
    assert (model.id, model.effort, model.context_tokens, model.max_output_tokens) == (id_, effort, context, most)
    tariff = model.tariff(TODAY)
    assert tariff is not None
    assert (tariff.input, tariff.cached, tariff.cache_write, tariff.output) == rates


@pytest.mark.parametrize(
    ("name", "input_tokens", "day", "usd"),
    [
        ("gpt-5.5", 272_000, TODAY, (272_000 * 5 + 1000 * 30) / 1e6),
        ("gpt-5.5", 272_001, TODAY, (272_001 * 10 + 1000 * 45) / 1e6),
        ("gpt-5.4-pro", 272_001, TODAY, (272_001 * 60 + 1000 * 270) / 1e6),
        ("claude-opus-4.7", 900_000, TODAY, (900_000 * 5 + 1000 * 25) / 1e6),
        ("gemini-3.1-pro", 200_001, TODAY, (200_001 * 4 + 1000 * 18) / 1e6),
        ("claude-haiku-5.5", 100_001, TODAY, (100_001 * 0.5 + 1000 * 2.5) / 1e6),
        ("gemini-4-argon", 1000, date(2026, 11, 30), (1000 * 2 + 1000 * 10) / 1e6),
        ("gemini-4-argon", 1000, date(2026, 12, 1), (1000 * 4 + 1000 * 20) / 1e6),
        ("gemini-3.8-flash", 1000, date(2026, 12, 31), (1000 * 0.75 + 1000 * 3.75) / 1e6),
        ("gemini-3.8-flash", 1000, date(2027, 1, 1), (1000 * 1.5 + 1000 * 7.5) / 1e6),
    ],
)
def test_long_inputs_and_announced_changes_are_priced_as_the_providers_say(
    tmp_path: Path, name: str, input_tokens: int, day: date, usd: float
) -> None:
    model = load(None, {}, tmp_path).catalog().find(name)
    assert model is not None
    assert model.cost_usd(Usage(input_tokens, 1000), day) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("name", "tier", "input_tokens", "usd"),
    [
        ("gpt-5.5-pro", "flex", 272_001, (272_001 * 30 + 1000 * 135) / 1e6),
        ("gpt-6-astra", "ultrafast", 1000, (1000 * 60 + 1000 * 300) / 1e6),
        ("gpt-6.1-sol", "ultrafast", 272_001, (272_001 * 24 + 1000 * 90) / 1e6),
        ("gemini-4-argon", "priority", 1000, (1000 * 3.6 + 1000 * 18) / 1e6),
        ("gemini-3.8-flash", "flex", 1000, (1000 * 0.375 + 1000 * 1.875) / 1e6),
        ("gemini-3.7-flash", "priority", 1000, (1000 * 1.35 + 1000 * 6.75) / 1e6),
    ],
)
def test_other_tiers_are_priced_as_the_providers_say(
    tmp_path: Path, name: str, tier: str, input_tokens: int, usd: float
) -> None:
    model = load(None, {}, tmp_path).catalog().find(name)
    assert model is not None
    assert model.cost_usd(Usage(input_tokens, 1000), TODAY, tier) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("claude-opus-4.7", "unsaid"),
        ("claude-opus-5", "disabled"),
        ("claude-haiku-5.5", "disabled"),
        ("claude-sonnet-5.5", "between_tools"),
        ("claude-fable-5.1", "never"),
    ],
)
def test_a_model_that_thinks_unless_told_not_to_is_told(tmp_path: Path, name: str, off: str) -> None:
    model = load(None, {}, tmp_path).catalog().find(name)
    assert model is not None and model.thinking_off == off


def test_every_model_has_a_price_today_and_says_where_it_was_read(tmp_path: Path) -> None:
    found = load(None, {}, tmp_path)
    assert all(model.tariff(TODAY) is not None for model in found.catalog())
    assert all(row is not None and row.source and row.checked for row in found.shape.models.values())


def test_the_quirks_of_the_seed_models_are_those_of_their_references(tmp_path: Path) -> None:
    catalog = load(None, {}, tmp_path).catalog()
    gpt, opus, gemini = (catalog.find(name) for name in ("gpt-5.5", "claude-opus-4.7", "gemini-3.1-pro"))
    assert gpt is not None and opus is not None and gemini is not None
    assert (gpt.sampling, gpt.stop, gpt.tools_on_chat, gpt.max_tokens_field) == (
        False,
        False,
        "unless_effort",
        "max_completion_tokens",
    )
    assert gpt.efforts == ("none", "low", "medium", "high", "xhigh")
    assert (opus.sampling, opus.thinking, opus.efforts) == (
        False,
        "adaptive",
        ("low", "medium", "high", "xhigh", "max"),
    )
    assert (gemini.sampling, gemini.audio, gemini.thinking, gemini.efforts) == (
        True,
        True,
        "level",
        ("low", "medium", "high"),
    )


def test_the_first_table_routes_as_the_seed_does_and_ranks_all_three_models(tmp_path: Path) -> None:
    found = load(None, {}, tmp_path)
    table = found.initial_table()
    assert {name: ranking.models[0] for name, ranking in table.classes.items()} == {
        "coding_deep_review": "claude-opus-4.7",
        "agentic_terminal_work": "gpt-5.5",
        "long_context_synthesis": "gemini-3.1-pro",
        "research_synthesis": "gpt-5.5",
        "strict_json_extraction": "gpt-5.5",
        "general": "claude-opus-4.7",
    }
    for ranking in table.classes.values():
        assert sorted(ranking.models) == ["claude-opus-4.7", "gemini-3.1-pro", "gpt-5.5"]
        assert ranking.why and {cell.note for cell in ranking.cells} == {"seed"}


def test_no_published_result_contradicts_another_on_the_same_benchmark(tmp_path: Path) -> None:
    assert [item["class"] for item in disagreements(load(None, {}, tmp_path).priors)] == [
        "agentic_terminal_work",
        "research_synthesis",
    ]


# --- the verbs -----------------------------------------------------------------------------------------


def test_config_check_says_what_it_found(tmp_path: Path) -> None:
    result = run("config", "check", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["ok"], document["classes"], document["simulated"]) == (True, 6, True)


def test_config_check_fails_on_a_wrong_key_and_a_broken_table(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("server: {prot: 1}\n")
    result = run("--config", str(own), "config", "check", "--json")
    assert result.exit_code != 0
    assert json.loads(result.stdout)["problems"] == [f"{own}:1:10: unknown key 'prot' in server; did you mean 'port'?"]
    own.write_text("")
    (tmp_path / "routing_table.json").write_text("{")
    assert json.loads(run("--config", str(own), "config", "check", "--json").stdout)["ok"] is False


def test_config_show_prints_what_is_in_force_as_yaml_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    result = run("config", "show")
    assert "sk-hidden" not in result.stdout
    document = yaml.safe_load(result.stdout)
    assert document["providers"]["openai"]["api_key"] == "set"
    assert document["models"]["gpt-5.5"]["price"][0]["above"]["input_tokens"] == 272_000


def test_config_schema_prints_the_schema() -> None:
    assert run("config", "schema").stdout == schema_text()


def test_models_list_tells_limits_prices_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").stdout)["models"]}
    assert rows["gpt-5.5"]["usable"] is False and rows["gemini-3.1-pro"]["usable"] is True
    assert (rows["gpt-5.5"]["input_usd"], rows["gpt-5.5"]["output_usd"]) == (5, 30)
    assert "claude-opus-4.7" in run("models", "list").stdout


def test_priors_show_prints_each_result_with_its_source() -> None:
    text = run("priors", "show").stdout
    assert "  SWE-Bench Pro: claude-opus-4.7 over gpt-5.5  (Launch-week comparison by Raf_VRS, 2026-04-23)" in text
    assert len(json.loads(run("priors", "show", "--json").stdout)["orderings"]) == text.count(" over ")


def test_priors_check_shows_benchmarks_that_point_both_ways() -> None:
    result = run("priors", "check")
    assert result.exit_code == 0
    assert "research_synthesis: claude-opus-4.7 over gpt-5.5 by FinanceAgent; not so by BrowseComp" in result.stdout


def test_priors_check_fails_when_two_sources_disagree_on_one_benchmark(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    row = "{{benchmark: B, class: general, stronger: {}, than: [{}], source: {}, date: 2026-11-01}}"
    own.write_text(f"priors: {{orderings: [{row.format('a', 'b', 'x')}, {row.format('b', 'a', 'y')}]}}\n")
    result = run("--config", str(own), "priors", "check")
    assert result.exit_code != 0
    assert "general: a over b by B; not so by B" in result.stdout


def test_scores_are_compared_within_one_source_only() -> None:
    def score(model: str, value: float, source: str) -> dict[str, object]:
        return {"benchmark": "B", "class": "general", "model": model, "score": value, "source": source, "date": TODAY}

    one = [score("a", 0.5, "x"), score("b", 0.4, "x")]
    other = [score("a", 0.3, "y"), score("b", 0.6, "y")]
    assert disagreements(Priors.model_validate({"scores": [one[0], other[1]]})) == []
    assert disagreements(Priors.model_validate({"scores": one + other})) == [
        {"class": "general", "models": ["a", "b"], "benchmarks": [["B"], ["B"]]}
    ]


def test_a_new_key_and_its_row_fit_each_other(tmp_path: Path) -> None:
    made = json.loads(run("keys", "new", "--id", "ops", "--role", "admin", "--json").stdout)
    own = tmp_path / "own.yaml"
    text = run("keys", "new", "--id", "app").stdout
    own.write_text(f"keys:\n{text.splitlines()[-1]}\n  - {json.dumps(made['row'])}\n")
    keys = load(own, {}, tmp_path).keys
    assert [(key.id, key.roles) for key in keys] == [("app", ("call",)), ("ops", ("call", "admin"))]
    assert keys[1].sha256 == hashlib.sha256(made["key"].encode()).hexdigest()
    assert hashlib.sha256(text.splitlines()[0].split()[-1].encode()).hexdigest() == keys[0].sha256


def test_a_key_with_a_name_that_no_row_may_have_is_refused() -> None:
    assert run("keys", "new", "--id", "a b").exit_code == 2
