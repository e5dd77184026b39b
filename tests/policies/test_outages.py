"""Models that can't be called for the moment: passed over while another can, refused with a wait when none can."""

from collections.abc import Iterator
from datetime import date

import pytest

from router.catalog import Catalog, Model, Provider
from router.decision import Classification, Decision, Outage
from router.errors import BadRequest, Overloaded
from router.policies import Policy, Question, pinned, ranked, requirements
from router.table import Cell, Ranking, RoutingTable
from router.types import ChatRequest, Message, Text

PROVIDER = Provider("openai", "openai", "https://openai.test/v1", api_key="sk")
A = Model("a", PROVIDER, "a", fallbacks=("b",))
B, C, UNRANKED = (Model(name, PROVIDER, name) for name in ("b", "c", "unranked"))
TABLE = RoutingTable("seed", {"general": Ranking((Cell("a"), Cell("b"), Cell("c")))})
GENERAL = Classification("general", "explicit")
HELLO = ChatRequest("auto", (Message("user", (Text("Hello"),)),))


def no_obstacles(_request: ChatRequest, _model: Model) -> Iterator[str]:
    yield from ()


def takes_nothing(_request: ChatRequest, model: Model) -> Iterator[str]:
    if model is not C:
        yield "stop: this model takes no stop sequences"


def asked(outages: dict[str, Outage], obstacles: object = no_obstacles) -> Question:
    return Question(
        HELLO,
        requirements(HELLO),
        Catalog([A, B, C, UNRANKED]),
        Policy(),
        date(2026, 11, 24),
        obstacles,  # type: ignore[arg-type]  # one of the two above
        lambda model: outages.get(model.name),
    )


def routed(**outages: Outage) -> Decision:
    return ranked.choose(asked(outages), GENERAL, TABLE, TABLE)


def named(**outages: Outage) -> Decision:
    return pinned.choose(asked(outages), GENERAL, "v1", A)


def opened(wait_s: float) -> Outage:
    return Outage("circuit_open", wait_s)


def cooling(wait_s: float) -> Outage:
    return Outage("cooling", wait_s)


@pytest.mark.parametrize("outage", [opened(12.34), cooling(12.34)])
def test_the_next_model_of_the_table_takes_its_place(outage: Outage) -> None:
    decision = routed(a=outage)
    assert (decision.targets, decision.reason) == ((B, C), "unavailable")
    first = decision.candidates[0]
    assert (first.name, first.excluded, first.detail) == ("a", outage.excluded, "for another 12.3 s")


def test_another_ones_outage_is_no_reason() -> None:
    decision = routed(b=opened(5))
    assert (decision.targets, decision.reason) == ((A, C), "table")


def test_where_all_are_to_cool_they_are_tried_all_the_same() -> None:
    decision = routed(a=cooling(5), b=cooling(1), c=cooling(9))
    assert (decision.targets, decision.reason) == ((A, B, C), "table")
    assert {candidate.excluded for candidate in decision.candidates} == {None}


def test_one_that_is_to_cool_is_better_than_one_that_fails() -> None:
    decision = routed(a=opened(5), b=cooling(60), c=opened(9))
    assert (decision.targets, decision.reason) == ((B,), "unavailable")


def test_where_all_fail_the_caller_is_told_when_the_first_is_tried_again_and_no_unranked_model_answers() -> None:
    with pytest.raises(Overloaded) as caught:
        routed(a=opened(12.5), b=opened(3.25), c=opened(60))
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (503, "circuit_open", 3.25)
    assert caught.value.message == "a, b, c failed too often lately; the next try is in 3.2 s"


def test_a_model_that_can_never_take_the_request_is_not_waited_for() -> None:
    question = asked({"c": opened(7)}, takes_nothing)
    with pytest.raises(Overloaded) as caught:
        ranked.choose(question, GENERAL, TABLE, TABLE)
    assert caught.value.message.startswith("c failed") and caught.value.retry_after_s == 7
    with pytest.raises(BadRequest):
        pinned.choose(question, GENERAL, "v1", A)


@pytest.mark.parametrize("outage", [opened(5), cooling(5)])
def test_a_named_model_gives_way_to_its_own_fallbacks_only(outage: Outage) -> None:
    decision = named(a=outage)
    assert (decision.targets, decision.reason, decision.assigned) == ((B,), "unavailable", "user")


def test_a_named_model_without_fallbacks_is_called_while_it_cools_and_refused_while_it_fails() -> None:
    assert pinned.choose(asked({"b": cooling(5)}), GENERAL, "v1", B).targets == (B,)
    with pytest.raises(Overloaded) as caught:
        pinned.choose(asked({"b": opened(5)}), GENERAL, "v1", B)
    assert (caught.value.code, caught.value.retry_after_s) == ("circuit_open", 5)
