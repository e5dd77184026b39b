"""The default rule: the table's order or the objective's, hard requirements first, and a reason for every choice."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from router.catalog import Catalog, Model, Provider, Tariff, simulated_twin
from router.decision import Classification, Requirements
from router.errors import NoCapableModel
from router.policies import Policy, Question, consider, estimated_cost_usd, requirements
from router.policies.ranked import choose
from router.table import Cell, Ranking, RoutingTable
from router.types import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
)

WITH_KEY = Provider("openai", "openai", "https://openai.test/v1", api_key="sk")
WITHOUT = replace(WITH_KEY, name="anthropic", api_key=None, usable=False)

A = Model("a", WITH_KEY, "a", (Tariff(5, 30),))
B = Model("b", WITH_KEY, "b", (Tariff(1, 2),))
C = Model("c", WITH_KEY, "c")
D = Model("d", WITH_KEY, "d", (Tariff(2, 4),))

EMPTY = RoutingTable("seed", {})
TABLE = RoutingTable(
    "seed_rule",
    {
        "coding": Ranking((Cell("a", mean_score=4.0), Cell("b", mean_score=4.5), Cell("c", mean_score=4.5))),
        "general": Ranking((Cell("b"), Cell("a"))),
    },
)
HELLO = ChatRequest("auto", (Message("user", (Text("Hello"),)),))


def no_obstacles(_request: ChatRequest, _model: Model) -> Iterator[str]:
    yield from ()


def question(*models: Model, request: ChatRequest = HELLO, **fields: Any) -> Question:
    asked: dict[str, Any] = {
        "requirements": requirements(request),
        "policy": Policy(),
        "today": date(2026, 11, 24),
        "obstacles": no_obstacles,
        **fields,
    }
    return Question(request=request, catalog=Catalog(models or (A, B, C, D)), **asked)


def of_class(task_class: str) -> Classification:
    return Classification(task_class, "explicit")


def targets(asked: Question, task_class: str = "coding", table: RoutingTable = TABLE) -> tuple[list[str], str]:
    """The names of the targets, best first, and why the first was chosen."""
    decision = choose(asked, of_class(task_class), table, EMPTY)
    return [model.name for model in decision.targets], decision.reason


def exclusion(model: Model, asked: Question) -> tuple[str | None, str | None]:
    (candidate,) = consider(asked, [model.name])
    return candidate.excluded, candidate.detail


# --- the order -----------------------------------------------------------------------------------------


def test_the_tables_order_stands() -> None:
    assert targets(question()) == (["a", "b", "c"], "table")


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("balanced", (["a", "b", "c"], "table")),
        ("quality", (["b", "c", "a"], "objective")),
        ("thrift", (["b", "a", "c"], "objective")),
    ],
)
def test_an_objective_has_its_own_order(objective: Any, expected: tuple[list[str], str]) -> None:
    assert targets(question(policy=Policy(objective))) == expected


def test_an_objective_that_agrees_with_the_table_is_no_reason() -> None:
    assert targets(question(policy=Policy("thrift")), "general") == (["b", "a"], "table")
    assert targets(question(policy=Policy("quality")), "general") == (["b", "a"], "table")


def test_models_without_a_score_stay_behind_those_with_one_in_the_tables_order() -> None:
    ranking = Ranking((Cell("a"), Cell("b", mean_score=0.0), Cell("c"), Cell("d", mean_score=1.0)))
    table = RoutingTable("p", {"coding": ranking})

    assert targets(question(policy=Policy("quality")), table=table) == (["d", "b", "a", "c"], "objective")


def test_thrift_weighs_this_very_request() -> None:
    cheap_in, cheap_out = replace(A, tariffs=(Tariff(1, 30),)), replace(B, tariffs=(Tariff(5, 1),))
    long_in = Requirements(input_tokens=100_000, output_tokens=10)
    long_out = Requirements(input_tokens=10, output_tokens=100_000)
    thrift = Policy("thrift")

    assert targets(question(cheap_in, cheap_out, requirements=long_in, policy=thrift))[0] == ["a", "b"]
    assert targets(question(cheap_in, cheap_out, requirements=long_out, policy=thrift))[0] == ["b", "a"]


def test_a_decision_tells_what_it_was_made_of() -> None:
    asked = question(policy=Policy("thrift"))
    decision = choose(asked, of_class("coding"), TABLE, EMPTY)

    assert decision.classification == of_class("coding")
    assert (decision.table_version, decision.objective, decision.assigned) == (TABLE.version, "thrift", "table")
    assert decision.propensity == 1.0 and decision.requirements == asked.requirements
    assert [candidate.name for candidate in decision.candidates] == ["a", "b", "c"]


def test_the_scores_of_simulated_models_are_found_by_their_plain_names() -> None:
    asked = question(simulated_twin(A), simulated_twin(B), policy=Policy("quality"))

    assert targets(asked) == (["simulated/b", "simulated/a"], "objective")


# --- falling back --------------------------------------------------------------------------------------


def test_a_model_without_a_key_leaves_its_place_to_the_next() -> None:
    keyless = replace(A, provider=WITHOUT)
    asked = question(keyless, B, C)

    assert targets(asked) == (["b", "c"], "no_key")
    assert choose(asked, of_class("coding"), TABLE, EMPTY).candidates[0].excluded == "no_key"


def test_a_model_that_lacks_what_is_needed_leaves_its_place_to_the_next() -> None:
    asked = question(replace(A, tools=False), B, C, requirements=Requirements(tools=True))

    assert targets(asked) == (["b", "c"], "requirement")


def test_an_objective_that_passes_over_the_next_best_is_the_reason() -> None:
    asked = question(replace(A, provider=WITHOUT), replace(B, tariffs=(Tariff(9, 9),)), replace(C, tariffs=B.tariffs))

    assert targets(asked) == (["b", "c"], "no_key")
    assert targets(replace(asked, policy=Policy("thrift"))) == (["c", "b"], "objective")


def test_a_table_that_names_an_unknown_model_does_no_harm() -> None:
    asked = question(B, C)

    assert targets(asked) == (["b", "c"], "requirement")
    assert choose(asked, of_class("coding"), TABLE, EMPTY).candidates[0].excluded == "unknown_model"


def test_where_no_model_of_the_class_will_do_the_rest_of_the_catalogue_is_asked() -> None:
    models = [replace(model, tools=False) for model in (A, B, C)]
    asked = question(*models, D, requirements=Requirements(tools=True))
    decision = choose(asked, of_class("coding"), TABLE, EMPTY)

    assert (decision.targets, decision.reason) == ((D,), "requirement")
    assert [candidate.name for candidate in decision.candidates] == ["a", "b", "c", "d"]


def test_where_the_class_has_no_key_the_rest_of_the_catalogue_is_asked() -> None:
    models = [replace(model, provider=WITHOUT) for model in (A, B, C)]

    assert targets(question(*models, D)) == (["d"], "no_key")


def test_a_class_that_the_table_doesn_t_know_is_routed_as_general() -> None:
    assert targets(question(), "poetry") == (["b", "a"], "default")


@pytest.mark.parametrize("classes", [{}, {"coding": TABLE.classes["coding"]}])
def test_without_general_the_catalogue_is_the_table(classes: Mapping[str, Ranking]) -> None:
    assert targets(question(), "poetry", RoutingTable("p", classes)) == (["a", "b", "c", "d"], "default")


def test_where_no_model_will_do_the_error_says_what_stood_in_the_way() -> None:
    models = [replace(A, provider=WITHOUT), replace(B, images=False), replace(C, context_tokens=1)]
    asked = question(*models, requirements=Requirements(images=True, input_tokens=9))

    with pytest.raises(NoCapableModel) as caught:
        choose(asked, of_class("coding"), TABLE, EMPTY)

    assert (caught.value.status, caught.value.code) == (400, "no_capable_model")
    assert caught.value.message == (
        "no model can take this request: a: no_key (provider anthropic has no key); b: no_images; c: no_images"
    )


def test_the_error_names_four_models_and_counts_the_others() -> None:
    models = [replace(A, name=name, provider=WITHOUT) for name in "abcdefg"]

    with pytest.raises(NoCapableModel, match=r"d: no_key \(provider anthropic has no key\); and 3 more$"):
        choose(question(*models), of_class("coding"), TABLE, EMPTY)


def test_an_empty_catalogue_is_no_crash() -> None:
    with pytest.raises(NoCapableModel):
        choose(
            Question(HELLO, Requirements(), Catalog([]), Policy(), date(2026, 11, 24), no_obstacles),
            of_class("poetry"),
            RoutingTable("p", {}),
            EMPTY,
        )


# --- what rules a model out ----------------------------------------------------------------------------

ABLE = replace(A, images=True, audio=True, files=True)


@pytest.mark.parametrize(
    ("model", "needs", "code", "detail"),
    [
        (ABLE, Requirements(True, True, True, True, True, 128_000, 10**6), None, None),
        (replace(ABLE, provider=WITHOUT), Requirements(), "no_key", "provider anthropic has no key"),
        (replace(ABLE, tools=False), Requirements(tools=True), "no_tools", None),
        (replace(ABLE, images=False), Requirements(images=True), "no_images", None),
        (replace(ABLE, audio=False), Requirements(audio=True), "no_audio", None),
        (replace(ABLE, files=False), Requirements(files=True), "no_files", None),
        (replace(ABLE, kind="embedding"), Requirements(), "no_chat", None),
        (replace(ABLE, tools=False, images=False, json_schema=False, audio=False, files=False), Requirements(), None,
         None),
        (ABLE, Requirements(input_tokens=128_001), "context_too_small", "about 128001 tokens in, 128000 taken"),
    ],
)  # fmt: skip
def test_a_model_is_ruled_out_by_what_it_lacks(
    model: Model, needs: Requirements, code: str | None, detail: str | None
) -> None:
    assert exclusion(model, question(model, requirements=needs)) == (code, detail)


def test_a_model_is_ruled_out_by_the_first_thing_its_dialect_can_t_say() -> None:
    def obstacles(_request: ChatRequest, model: Model) -> Iterator[str]:
        if model.name == "a":
            yield "stop: this model takes no stop sequences"
            yield "n: this model gives one choice"

    asked = question(obstacles=obstacles)

    assert exclusion(A, asked) == ("unsupported_parameter", "stop: this model takes no stop sequences")
    assert targets(asked) == (["b", "c"], "requirement")


def test_a_limit_of_cost_rules_out_what_costs_more_or_an_unknown_sum() -> None:
    needs = Requirements(input_tokens=1000, output_tokens=1000)
    asked = question(requirements=needs, policy=Policy(max_cost_usd=0.003))

    assert exclusion(A, asked) == ("over_max_cost", "about $0.035000, the limit is $0.003000")
    assert exclusion(B, asked) == (None, None)
    assert exclusion(C, asked) == ("unknown_price", None)
    assert targets(asked) == (["b"], "requirement")


def test_an_unknown_price_is_no_obstacle_without_a_limit() -> None:
    assert exclusion(C, question()) == (None, None)


def test_a_model_that_can_t_be_held_to_a_schema_comes_last_and_is_checked() -> None:
    asked = question(replace(A, json_schema=False), B, C, requirements=Requirements(json_schema=True))

    assert targets(asked) == (["b", "c", "a"], "requirement")


def test_a_stream_goes_to_models_that_can_be_held_to_its_schema() -> None:
    loose = replace(A, json_schema=False)
    streamed = replace(HELLO, stream=True)
    asked = question(loose, B, C, request=streamed, requirements=Requirements(json_schema=True))

    assert exclusion(loose, asked) == ("no_json_schema", None)
    assert targets(asked) == (["b", "c"], "requirement")
    assert consider(asked, ["a"], pinned=True)[0].excluded is None


def test_a_conversation_that_another_provider_keeps_stays_there() -> None:
    elsewhere = replace(B, provider=replace(WITH_KEY, name="other"))
    asked = question(A, elsewhere, request=replace(HELLO, bound_to="openai"))

    assert exclusion(elsewhere, asked) == ("bound_history", "its earlier turns are kept by openai")
    assert exclusion(A, asked) == (None, None)


def test_each_model_is_considered_once() -> None:
    assert [candidate.name for candidate in consider(question(), ["b", "a", "b", "x", "x"])] == ["b", "a", "x"]


# --- what a request needs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Requirements(input_tokens=2, output_tokens=1000)),
        ({"max_tokens": 50}, Requirements(input_tokens=2, output_tokens=50)),
        ({"tools": (Tool("f", "x" * 40),)}, Requirements(tools=True, input_tokens=12, output_tokens=1000)),
        (
            {"response_format": ResponseFormat("json_schema", "a", schema={})},
            Requirements(json_schema=True, input_tokens=2, output_tokens=1000),
        ),
        ({"response_format": ResponseFormat("json_object")}, Requirements(input_tokens=2, output_tokens=1000)),
    ],
)
def test_what_a_request_needs_is_read_off_it(fields: dict[str, Any], expected: Requirements) -> None:
    assert requirements(replace(HELLO, **fields)) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message("user", (Image("https://x.test"),)), Requirements(images=True, input_tokens=1501)),
        (Message("user", (Audio("UklG", "wav"),)), Requirements(audio=True, input_tokens=1501)),
        (Message("user", (File(file_id="f"),)), Requirements(files=True, input_tokens=1501)),
        (Message("assistant", (Refusal("x" * 40),)), Requirements(input_tokens=11)),
        (Message("user", (Text("x" * 400), Text("y" * 400))), Requirements(input_tokens=201)),
        (Message("user", (Text("\u4e16" * 400),)), Requirements(input_tokens=301)),
        (
            Message("assistant", (), (ToolCall("c", "f", '{"x":1}' * 4),)),
            Requirements(tools=True, input_tokens=8),
        ),
    ],
)
def test_what_a_message_needs_is_read_off_its_parts(message: Message, expected: Requirements) -> None:
    assert requirements(ChatRequest("auto", (message,), max_tokens=1)) == replace(expected, output_tokens=1)


def test_an_estimate_counts_no_more_output_than_the_model_can_give() -> None:
    model = replace(A, max_output_tokens=100)
    asked = question(model, requirements=Requirements(input_tokens=1000, output_tokens=10**6))

    assert estimated_cost_usd(asked, model) == pytest.approx(0.008)
    assert estimated_cost_usd(asked, C) is None


def test_a_class_that_the_table_leaves_out_is_routed_by_the_configurations_table() -> None:
    initial = RoutingTable("seed", {"poetry": Ranking((Cell("c"), Cell("a")))})
    decision = choose(question(A, B, C), of_class("poetry"), TABLE, initial)
    assert [model.name for model in decision.targets] == ["c", "a"]
    assert (decision.reason, decision.table_version) == ("default", TABLE.version)
