"""The rule for a model that the caller named."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from router.catalog import Catalog, Model, Provider, Tariff
from router.decision import Classification, Decision, Requirements
from router.errors import BadRequest, NoCapableModel
from router.policies import Policy, Question
from router.policies.pinned import choose
from router.types import ChatRequest, Message, Text

PROVIDER = Provider("openai", "openai", "https://openai.test/v1", api_key="sk")
B = Model("b", PROVIDER, "b", (Tariff(1, 2),))
C = Model("c", PROVIDER, "c", (Tariff(1, 2),))
A = Model("a", PROVIDER, "a", (Tariff(5, 30),), fallbacks=("c", "gone", "b"))
CLASSIFICATION = Classification("general", "default")


def no_obstacles(_request: ChatRequest, _model: Model) -> Iterator[str]:
    yield from ()


def takes_no_stop(_request: ChatRequest, _model: Model) -> Iterator[str]:
    yield "stop: this model takes no stop sequences"


QUESTION = Question(
    ChatRequest("a", (Message("user", (Text("Hello"),)),)),
    Requirements(input_tokens=1000, output_tokens=1000),
    Catalog([A, B, C]),
    Policy("thrift"),
    date(2026, 11, 24),
    no_obstacles,
)


def pinned(model: Model, question: Question = QUESTION) -> Decision:
    return choose(question, CLASSIFICATION, "v1", model)


def asking(*models: Model) -> Question:
    return replace(QUESTION, catalog=Catalog(models))


def test_the_named_model_is_first_and_its_own_fallbacks_follow_whatever_the_objective() -> None:
    decision = pinned(A)

    assert decision.targets == (A, C, B)
    assert (decision.reason, decision.assigned, decision.propensity) == ("pinned_by_user", "user", 1.0)
    assert (decision.table_version, decision.objective) == ("v1", "thrift")
    assert decision.classification == CLASSIFICATION and decision.requirements == QUESTION.requirements
    assert [(candidate.name, candidate.excluded) for candidate in decision.candidates] == [
        ("a", None),
        ("c", None),
        ("gone", "unknown_model"),
        ("b", None),
    ]
    assert [candidate.estimated_cost_usd for candidate in decision.candidates] == [0.035, 0.003, None, 0.003]


def test_a_model_without_fallbacks_stands_alone() -> None:
    assert pinned(B).targets == (B,)


def test_a_model_that_falls_back_on_itself_is_called_once() -> None:
    model = replace(A, fallbacks=("a", "b", "b"))

    assert pinned(model, asking(model, B)).targets == (model, B)


def test_a_fallback_that_can_t_is_left_out() -> None:
    keyless = replace(C, provider=replace(PROVIDER, usable=False))

    assert pinned(A, asking(A, B, keyless)).targets == (A, B)


def test_a_named_model_that_can_t_is_not_replaced() -> None:
    keyless = replace(A, provider=replace(PROVIDER, usable=False))

    with pytest.raises(NoCapableModel) as caught:
        pinned(keyless, asking(keyless, B, C))

    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "no_capable_model", "model")
    assert caught.value.message == "a can't take this request: no_key (provider openai has no key); b, c can"


def test_a_field_that_the_named_model_can_t_be_asked_is_named() -> None:
    with pytest.raises(BadRequest) as caught:
        pinned(A, replace(QUESTION, obstacles=takes_no_stop))

    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", "stop")
    assert "takes no stop sequences" in caught.value.message


def test_a_limit_of_cost_holds_for_the_named_model_and_its_fallbacks() -> None:
    with pytest.raises(NoCapableModel, match=r"over_max_cost \(about \$0\.035000, the limit is \$0\.010000\)"):
        pinned(A, replace(QUESTION, policy=Policy(max_cost_usd=0.01)))

    dear = replace(B, tariffs=(Tariff(50, 50),))
    question = replace(asking(A, dear, C), policy=Policy(max_cost_usd=0.05))
    assert pinned(A, question).targets == (A, C)
