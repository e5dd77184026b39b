"""Breakers step by step and by their laws; the retry budget; the waits between tries. No clock but the test's own."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from router.catalog import Model, Provider
from router.decision import Outage
from router.errors import UpstreamError, UpstreamKind
from router.health import (
    Began,
    Circuit,
    Ended,
    Health,
    Retries,
    RetryRules,
    Rules,
    Sign,
    Window,
    allowed,
    counted,
    outage,
    pause_s,
    sign,
    step,
)
from router.metrics import Metrics
from router.record import EvidenceRow, Outcome

RULES = Rules(window_s=30, min_calls=4, failure_rate=0.5, open_s=15, max_cooling_s=600)
SIGNS: dict[str, Sign] = {"+": "well", "-": "ill", "o": "neither"}

Event = Began | Ended


def after(events: str, start: Circuit | None = None, at: float = 100.0) -> Circuit:
    """The circuit after calls that end so, all at once: + well, - ill, o neither."""
    circuit = start or Circuit()
    for mark in events:
        circuit = step(circuit, Ended("some call", SIGNS[mark]), at, RULES)
    return circuit


OPENED = after("----")  # at 100


# --- step ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ("", "closed"),
        ("---", "closed"),  # too few to judge by
        ("----", "open"),
        ("++--", "open"),  # half of them is enough
        ("+++-", "closed"),
        ("+++---", "open"),
        ("--++", "closed"),  # a success never opens it, a failure after it does
        ("--++-", "open"),
        ("oooooooo", "closed"),
        ("---oooooooo", "closed"),  # what says nothing makes no number either
        ("++oooo--", "open"),
    ],
)
def test_a_circuit_opens_at_the_failure_rate_of_enough_calls(events: str, state: str) -> None:
    assert after(events).state == state


def test_failures_of_long_ago_are_forgotten() -> None:
    circuit = after("---", at=100)
    assert after("-", circuit, at=126).state == "open"
    assert after("-", circuit, at=131).state == "closed"


def test_an_open_circuit_says_how_long_it_stays_so() -> None:
    assert outage(OPENED, 100) == Outage("circuit_open", 15)
    assert outage(OPENED, 112.5) == Outage("circuit_open", 2.5)
    assert outage(OPENED, 115) is None


def test_exactly_one_call_goes_through_a_half_open_circuit() -> None:
    early = step(OPENED, Began("early"), 114.9, RULES)
    assert early == OPENED
    probing = step(early, Began("probe"), 115, RULES)
    assert (probing.state, probing.probe) == ("half_open", "probe")
    assert outage(probing, 115) == Outage("circuit_open", 1)
    assert outage(probing, 10_000) == Outage("circuit_open", 1)  # however long it takes
    assert step(probing, Began("another"), 116, RULES) == probing


@pytest.mark.parametrize(
    ("ended", "state", "found"),
    [
        (Ended("probe", "well"), "closed", None),
        (Ended("probe", "ill"), "open", Outage("circuit_open", 15)),
        (Ended("probe", "ill", 40), "open", Outage("circuit_open", 40)),
        (Ended("probe", "neither"), "open", None),  # the next call probes
        (Ended("of before", "well"), "half_open", Outage("circuit_open", 1)),
        (Ended("of before", "ill"), "half_open", Outage("circuit_open", 1)),
    ],
)
def test_the_probe_alone_decides(ended: Ended, state: str, found: Outage | None) -> None:
    probing = step(OPENED, Began("probe"), 115, RULES)
    judged = step(probing, ended, 120, RULES)
    assert judged.state == state
    assert outage(judged, 120) == found


def test_a_circuit_that_closes_begins_anew() -> None:
    closed = step(step(OPENED, Began("probe"), 115, RULES), Ended("probe", "well"), 116, RULES)
    assert closed == Circuit()
    assert after("---", closed, at=116).state == "closed"


@pytest.mark.parametrize(
    ("ended", "wait_s"),
    [
        (Ended("a", "ill", 7.5), 7.5),
        (Ended("a", "ill", 86_400), 600),  # believed no longer than that
        (Ended("a", "ill", 0), None),
        (Ended("a", "ill"), None),
        (Ended("a", "neither", 7.5), None),
    ],
)
def test_a_provider_that_asks_to_wait_is_left_alone(ended: Ended, wait_s: float | None) -> None:
    found = outage(step(Circuit(), ended, 100, RULES), 100)
    assert found == (None if wait_s is None else Outage("cooling", wait_s))


def test_of_two_waits_the_longer_holds_and_a_late_success_ends_neither() -> None:
    circuit = Circuit()
    for ended in (Ended("a", "ill", 20), Ended("b", "ill", 5), Ended("c", "well")):
        circuit = step(circuit, ended, 100, RULES)
    assert outage(circuit, 110) == Outage("cooling", 10)
    assert outage(circuit, 120) is None


def test_a_circuit_never_probes_before_its_providers_wait_is_over() -> None:
    circuit = step(after("---"), Ended("a", "ill", 60), 100, RULES)
    assert outage(circuit, 120) == Outage("circuit_open", 40)
    assert step(circuit, Began("early"), 159, RULES).probe is None
    assert step(circuit, Began("probe"), 160, RULES).probe == "probe"


# --- laws ----------------------------------------------------------------------------------------------

MOMENTS = st.lists(
    st.tuples(
        st.floats(0, 20),  # seconds since the one before
        st.one_of(
            st.builds(Began, st.sampled_from("abc")),
            st.builds(Ended, st.sampled_from("abc"), st.sampled_from(get_args(Sign)), st.none() | st.floats(0, 50)),
        ),
    ),
    max_size=60,
)


def history(moments: list[tuple[float, Event]]) -> Iterator[tuple[float, Event, Circuit, Circuit]]:
    """Each event with its time and the circuits before and after it."""
    now, circuit = 1000.0, Circuit()
    for seconds, event in moments:
        now, before = now + seconds, circuit
        circuit = step(circuit, event, now, RULES)
        yield now, event, before, circuit


@given(MOMENTS)
def test_law_a_circuit_opens_only_on_a_failure_and_never_on_few_calls(moments: list[tuple[float, Event]]) -> None:
    judged = 0
    for _, event, before, now_is in history(moments):
        judged += isinstance(event, Ended) and event.sign != "neither"
        if before.open_until != now_is.open_until and now_is.open_until is not None:
            assert isinstance(event, Ended) and event.sign == "ill"
            assert before.open_until is not None or judged >= RULES.min_calls


@given(MOMENTS)
def test_law_one_probe_at_a_time_and_none_before_its_time(moments: list[tuple[float, Event]]) -> None:
    for now, event, before, now_is in history(moments):
        if now_is.probe != before.probe and now_is.probe is not None:
            assert before.probe is None and isinstance(event, Began)
            assert before.open_until is not None and now >= before.open_until
            assert outage(before, now) is None
        if before.probe is not None and now_is.probe is None:
            assert isinstance(event, Ended) and event.call_id == before.probe


@given(MOMENTS)
def test_law_what_says_nothing_of_health_changes_nothing_but_frees_the_probe(
    moments: list[tuple[float, Event]],
) -> None:
    for _, event, before, now_is in history(moments):
        if isinstance(event, Ended) and event.sign == "neither":
            assert now_is in (before, replace(before, probe=None))


@given(MOMENTS)
def test_law_who_waits_as_long_as_it_is_told_gets_through(moments: list[tuple[float, Event]]) -> None:
    """Twice at most: while a circuit was open its provider may have asked for more."""
    for now, _, _, circuit in history(moments):
        if circuit.probe is None and (found := outage(circuit, now)):
            later = now + found.wait_s + 0.001
            if found := outage(circuit, later):
                assert found.excluded == "cooling"
                assert outage(circuit, later + found.wait_s + 0.001) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=80))
def test_law_a_window_knows_all_of_nine_tenths_of_it_and_nothing_older(moments: list[tuple[float, bool]]) -> None:
    now, window, seen = 0.0, Window(), list[tuple[float, bool]]()
    for seconds, befell in moments:
        now += seconds
        seen.append((now, befell))
        window = counted(window, now, 10, total=1, part=int(befell))
        recent, at_most = ([one for one in seen if one[0] > now - span_s] for span_s in (9, 10.001))
        assert len(recent) <= window.total <= len(at_most)
        assert sum(one[1] for one in recent) <= window.part <= sum(one[1] for one in at_most)


# --- health --------------------------------------------------------------------------------------------

OPENAI = Provider("openai", "openai", "https://openai.test/v1", api_key="sk")
GPT, MINI = Model("gpt", OPENAI, "gpt"), Model("mini", OPENAI, "mini")


@dataclass
class Fixture:
    """Health with a clock to be set by hand, and what it logged."""

    now: float = 100.0
    metrics: Metrics = field(default_factory=Metrics)
    lines: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        def keep(_logger: object, method: str, event: dict[str, Any]) -> str:
            self.lines.append((method, dict(event)))
            raise structlog.DropEvent

        self.metrics.allow(["gpt", "mini"], [])
        log = structlog.wrap_logger(None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(0))
        self.health = Health(RULES, self.metrics, log, lambda: self.now)

    def finish(
        self, model: Model = GPT, error: str | None = None, row_id: str = "r", wait: float | None = None
    ) -> None:
        self.health.finished(row(error, model.name, row_id), model.provider.name, wait)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"llm_router_{name}", labels)


def row(error: str | None, model: str = "gpt", row_id: str = "r") -> EvidenceRow:
    outcome: Outcome = "cancelled" if error == "cancelled" else "error" if error else "ok"
    kind = None if error == "cancelled" else error
    return EvidenceRow("t", "general", model, row_id=row_id, at=datetime.now(UTC), outcome=outcome, error_kind=kind)


def test_who_is_at_fault_decides_what_a_row_says_of_health() -> None:
    kinds = ["connect", "timeout", "rate_limited", "overloaded", "server", "protocol", "truncated", "credentials",
             "not_found", "quota"]  # fmt: skip
    neither = ["refused", "too_large", "context_length", "invalid_output"]
    assert {*kinds, *neither} == set(get_args(UpstreamKind))
    assert {sign(row(kind)) for kind in kinds} == {"ill"}
    assert {sign(row(kind)) for kind in [*neither, "cancelled", "internal"]} == {"neither"}
    assert sign(row(None)) == "well"


def test_models_of_one_provider_have_circuits_of_their_own() -> None:
    fixture = Fixture()
    for _ in range(4):
        fixture.finish(GPT, "server")
    assert fixture.health.outage(GPT) == Outage("circuit_open", 15)
    assert fixture.health.outage(MINI) is None
    elsewhere = replace(GPT, provider=replace(OPENAI, name="azure"))
    assert fixture.health.outage(elsewhere) is None


def test_a_circuits_life_is_in_metrics_and_log() -> None:
    fixture = Fixture()

    def state() -> float | None:
        return fixture.value("circuit_state", provider="openai", model="gpt")

    assert state() is None
    fixture.finish(GPT)
    assert state() == 0
    for _ in range(4):
        fixture.finish(GPT, "connect")
    assert state() == 2
    fixture.now = 115
    fixture.health.began(GPT, "probe")
    assert state() == 1
    fixture.finish(GPT, row_id="probe")
    assert state() == 0
    for to in ("open", "half_open", "closed"):
        assert fixture.value("circuit_transitions_total", provider="openai", model="gpt", to=to) == 1
    assert [(line["model"], line["state"]) for _, line in fixture.lines] == [
        ("gpt", "open"),
        ("gpt", "half_open"),
        ("gpt", "closed"),
    ]


def test_a_reload_forgets_the_models_that_are_gone_and_no_others() -> None:
    fixture = Fixture()
    for model in (GPT, MINI):
        for _ in range(4):
            fixture.finish(model, "server")
    fixture.health.keep([MINI])
    assert fixture.health.outage(GPT) is None and fixture.health.outage(MINI) is not None
    assert fixture.value("circuit_state", provider="openai", model="gpt") is None
    assert fixture.value("circuit_state", provider="openai", model="mini") == 2


def test_a_refused_key_is_counted_each_time_and_said_aloud_once_a_minute() -> None:
    fixture = Fixture()
    for now in (100, 100.1, 159, 160, 161):
        fixture.now = now
        fixture.finish(GPT, "credentials")
    errors = [line for method, line in fixture.lines if method == "error"]
    assert [line["provider"] for line in errors] == ["openai", "openai"]
    assert fixture.value("credential_alarms_total", provider="openai") == 5


@pytest.mark.parametrize(
    ("kind", "given", "told"), [("overloaded", None, 15), ("overloaded", 3, 3), ("server", None, None)]
)
def test_a_503_tells_how_long_to_wait_where_its_provider_does_not(
    kind: UpstreamKind, given: float | None, told: float | None
) -> None:
    fixture, error = Fixture(), UpstreamError(kind, "no", retry_after_s=given)
    for _ in range(4):
        fixture.finish(GPT, kind)
    fixture.health.tell_wait(error, GPT)
    assert error.retry_after_s == told


# --- retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "retrying", "more"),
    [(1, 0, True), (3, 2, True), (3, 3, False), (15, 3, False), (20, 3, True), (20, 4, False), (100, 19, True),
     (100, 20, False)],
)  # fmt: skip
def test_the_budget_is_a_share_of_the_running_calls_with_a_floor(running: int, retrying: int, more: bool) -> None:
    assert allowed(running, retrying, RetryRules(budget_share=0.2, budget_floor=3)) is more


def retries_of(rules: RetryRules | None = None) -> Retries:
    return Retries(rules or RetryRules(), Metrics(), lambda: 0.0)


def test_a_retry_beyond_the_budget_is_not_made_and_its_caller_told_to_wait() -> None:
    retries, error = retries_of(), UpstreamError("server", "no")
    with ExitStack() as stack:
        at_it = [stack.enter_context(retries.call()) for _ in range(3)]
        assert [tries.granted(error) for tries in at_it] == [True] * 3
        assert error.retry_after_s is None
        with retries.call() as fourth:
            assert not fourth.granted(error) and error.retry_after_s == 1
    assert retries.metrics.registry.get_sample_value("llm_router_retries_refused_total") == 1
    assert (retries.running, retries.retrying) == (0, 0)
    with retries.call() as later:
        assert later.granted(error)


def test_a_call_takes_one_place_for_all_its_tries_and_no_more_than_its_own_number() -> None:
    retries, error = retries_of(), UpstreamError("server", "no")
    with retries.call() as tries:
        assert [tries.granted(error) for _ in range(3)] == [True, True, False]
        assert retries.retrying == 1
    assert retries.metrics.registry.get_sample_value("llm_router_retries_refused_total") == 0


@pytest.mark.parametrize(
    ("kind", "retry_after_s", "tries", "left_s", "chance", "pause"),
    [
        ("server", None, 1, 600, 0.0, 0.0),
        ("server", None, 1, 600, 0.5, 0.125),
        ("server", None, 2, 600, 0.5, 0.25),
        ("connect", None, 3, 600, 0.5, 0.5),
        ("protocol", None, 9, 600, 0.5, 1.0),  # never more than two seconds
        ("rate_limited", 7.0, 1, 600, 0.0, 7.0),  # never undercut
        ("overloaded", 7.0, 1, 600, 0.5, 7.125),
        ("rate_limited", 10.0, 1, 600, 0.5, 10.125),
        ("rate_limited", 10.5, 1, 600, 0.0, None),  # too long to wait for
        ("overloaded", 7.0, 1, 6.9, 0.0, None),  # nor beyond the call's deadline
        ("server", None, 1, 0.1, 0.5, None),
        ("timeout", None, 1, 600, 0.0, None),  # our own deadline: the next try would take as long
        ("quota", None, 1, 600, 0.0, None),
        ("invalid_output", None, 1, 600, 0.0, None),
        ("credentials", None, 1, 600, 0.0, None),
        ("refused", None, 1, 600, 0.0, None),
    ],
)
def test_the_same_model_is_tried_again_after_a_jittered_wait(
    kind: UpstreamKind, retry_after_s: float | None, tries: int, left_s: float, chance: float, pause: float | None
) -> None:
    error = UpstreamError(kind, "no", retry_after_s=retry_after_s)
    assert pause_s(error, tries, left_s, RetryRules(max_wait_s=10), chance) == pause


def test_with_no_wait_allowed_the_same_model_is_never_tried_again() -> None:
    assert pause_s(UpstreamError("server", "no"), 1, 600, RetryRules(max_wait_s=0), 0.0) is None


async def test_a_try_that_is_not_worth_its_wait_takes_nothing_out_of_the_budget() -> None:
    retries = retries_of(RetryRules(max_wait_s=10))
    total_at = asyncio.get_running_loop().time() + 600
    later = UpstreamError("rate_limited", "no", retry_after_s=3600)
    with retries.call() as tries:
        assert not await tries.again(later, total_at)
        assert retries.retrying == 0
