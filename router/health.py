"""Which models can be called now, and how often a call may be tried again.

A breaker for each provider and model is a pure `step` over what its calls came to; `Health` remembers. `Retries` is the
only retry layer: a bound for each call, and a budget for the whole process.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from router.call import Clock
from router.catalog import Model
from router.decision import Outage
from router.errors import UpstreamError, UpstreamKind
from router.log import Log
from router.metrics import CircuitState, Metrics
from router.record import EvidenceRow

SLOTS = 10  # of a window: it slides in steps of a tenth
WAIT_S = 1.0  # what a caller is told to wait while a probe is under way, and where nothing better is known
ALARM_EVERY_S = 60.0
BACKOFF_S = 0.25  # before the second try at most; doubles from one to the next
BACKOFF_LIMIT_S = 2.0
EARLY_S = 0.005  # the event loop's timers may come that much before their time

# ill: the provider's or the operator's fault. neither: the caller's fault or wish, or ours, which says nothing here.
Sign = Literal["well", "ill", "neither"]

_ILL: frozenset[str] = frozenset(
    {
        "connect",
        "timeout",
        "rate_limited",
        "overloaded",
        "server",
        "protocol",
        "truncated",
        "credentials",
        "not_found",
        "quota",
    }
)
# What may pass by itself within seconds, so that the same model is worth another try.
_PASSING: frozenset[UpstreamKind] = frozenset(
    {"connect", "rate_limited", "overloaded", "server", "protocol", "truncated"}
)


# --- windows -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """How often something happened lately, and to how much of it something befell: (slot of time, total, part), oldest
    first."""

    slots: tuple[tuple[int, int, int], ...] = ()

    @property
    def total(self) -> int:
        return sum(slot[1] for slot in self.slots)

    @property
    def part(self) -> int:
        return sum(slot[2] for slot in self.slots)


def counted(window: Window, now: float, span_s: float, *, total: int = 0, part: int = 0) -> Window:
    """The window that ends now, with these added; what is older than `span_s` is gone."""
    slot = int(now * SLOTS / span_s)
    kept = [one for one in window.slots if one[0] > slot - SLOTS]
    if kept and kept[-1][0] == slot:
        _, total_before, part_before = kept.pop()
        total, part = total + total_before, part + part_before
    return Window((*kept, (slot, total, part)))


# --- breakers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens: at `failure_rate` of at least `min_calls` calls within `window_s`, for `open_s`. The
    Retry-After of a provider is believed up to `max_cooling_s`."""

    window_s: float = 30.0
    min_calls: int = 20
    failure_rate: float = 0.5
    open_s: float = 15.0
    max_cooling_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is remembered of one model. Closed while `open_until` is None; from that time on half open: `probe` is the
    one call that was let through. Until `cooling_until` its provider asked not to be called."""

    recent: Window = Window()
    open_until: float | None = None
    probe: str | None = None
    cooling_until: float = 0.0

    @property
    def state(self) -> CircuitState:
        if self.open_until is None:
            return "closed"
        return "open" if self.probe is None else "half_open"


@dataclass(frozen=True, slots=True)
class Began:
    call_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    call_id: str
    sign: Sign
    retry_after_s: float | None = None


def step(circuit: Circuit, event: Began | Ended, now: float, rules: Rules) -> Circuit:
    """The circuit after this event. `now` is monotonic seconds, as are the times in it."""
    match event:
        case Began(call_id):
            due = circuit.open_until is not None and now >= circuit.open_until and circuit.probe is None
            return replace(circuit, probe=call_id) if due else circuit
        case Ended():
            circuit = _cooled(circuit, event, now, rules)
            judge = _closed_judged if circuit.open_until is None else _open_judged
            return judge(circuit, event, now, rules)


def _cooled(circuit: Circuit, event: Ended, now: float, rules: Rules) -> Circuit:
    if event.sign != "ill" or not event.retry_after_s:
        return circuit
    until = now + min(event.retry_after_s, rules.max_cooling_s)
    return replace(circuit, cooling_until=max(circuit.cooling_until, until))


def _closed_judged(circuit: Circuit, event: Ended, now: float, rules: Rules) -> Circuit:
    if event.sign == "neither":
        return circuit
    recent = counted(circuit.recent, now, rules.window_s, total=1, part=int(event.sign == "ill"))
    if event.sign == "ill" and recent.total >= rules.min_calls and recent.part >= rules.failure_rate * recent.total:
        return _opened(circuit, now, rules)
    return replace(circuit, recent=recent)


def _open_judged(circuit: Circuit, event: Ended, now: float, rules: Rules) -> Circuit:
    """Only the probe counts: the others began before the circuit opened."""
    if event.call_id != circuit.probe:
        return circuit
    match event.sign:
        case "well":
            return Circuit(cooling_until=circuit.cooling_until)
        case "ill":
            return _opened(circuit, now, rules)
        case "neither":
            return replace(circuit, probe=None)  # the next call probes


def _opened(circuit: Circuit, now: float, rules: Rules) -> Circuit:
    until = max(now + rules.open_s, circuit.cooling_until)
    return Circuit(open_until=until, cooling_until=circuit.cooling_until)


def outage(circuit: Circuit, now: float) -> Outage | None:
    """Why a new call should go elsewhere, and for how long; None: it need not, be it as the probe."""
    if circuit.probe is not None:
        return Outage("circuit_open", WAIT_S)
    if circuit.open_until is not None and now < circuit.open_until:
        return Outage("circuit_open", circuit.open_until - now)
    if now < circuit.cooling_until:
        return Outage("cooling", circuit.cooling_until - now)
    return None


def sign(row: EvidenceRow) -> Sign:
    """What a finished call says of its model's health."""
    if row.outcome == "ok":
        return "well"
    return "ill" if row.error_kind in _ILL else "neither"


class Health:
    """The circuits of all models, by provider and model name: neither a new table nor a reload touches them.

    Fed with the beginnings of calls and with their finished rows. Says aloud when a provider refuses our key.
    """

    def __init__(self, rules: Rules, metrics: Metrics, log: Log, clock: Clock) -> None:
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._alarmed_at: dict[str, float] = {}

    def outage(self, model: Model) -> Outage | None:
        """Why `model` should not be called now, if there is a reason."""
        circuit = self._circuits.get((model.provider.name, model.name))
        return None if circuit is None else outage(circuit, self._clock())

    def tell_wait(self, error: UpstreamError, model: Model) -> None:
        """Give a 503 of `model` that says nothing of it the seconds to wait."""
        if error.status == 503 and error.retry_after_s is None:
            found = self.outage(model)
            error.retry_after_s = WAIT_S if found is None else found.wait_s

    def began(self, model: Model, call_id: str) -> None:
        """A call begins, and will end with a row of this id. It is the probe when the circuit waits for one."""
        self._take(model.provider.name, model.name, Began(call_id))

    def finished(self, row: EvidenceRow, provider: str, retry_after_s: float | None) -> None:
        """A call is over; `retry_after_s` is what the provider asked for."""
        self._take(provider, row.model, Ended(row.row_id, sign(row), retry_after_s))
        if row.error_kind == "credentials":
            self._alarm(provider)

    def keep(self, models: Iterable[Model]) -> None:
        """Forget all models but these."""
        kept = {(model.provider.name, model.name) for model in models}
        for provider, model in set(self._circuits) - kept:
            self._circuits.pop((provider, model), None)
            self._metrics.circuit_forgotten(provider, model)

    def _take(self, provider: str, model: str, event: Began | Ended) -> None:
        before = self._circuits.get((provider, model))
        after = step(before or Circuit(), event, self._clock(), self._rules)
        self._circuits[provider, model] = after
        if before is None or before.state != after.state:
            self._metrics.circuit(provider, model, after.state, changed=before is not None)
        if before is not None and before.state != after.state:
            self._log.warning("circuit", provider=provider, model=model, state=after.state, before=before.state)

    def _alarm(self, provider: str) -> None:
        self._metrics.credential_alarms.labels(provider).inc()
        now = self._clock()
        if now - self._alarmed_at.get(provider, -ALARM_EVERY_S) >= ALARM_EVERY_S:
            self._alarmed_at[provider] = now
            self._log.error("a provider refuses the router's key: wrong, revoked, or not allowed", provider=provider)


# --- retries -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryRules:
    """At most `max_attempts` of one call. Of the calls that run, `budget_share` may be at a try beyond their first, and
    `budget_floor` in any case. One model is tried again after at most `max_wait_s`; with 0, never."""

    max_attempts: int = 3
    max_wait_s: float = 0.0
    budget_share: float = 0.2
    budget_floor: int = 3


def allowed(running: int, retrying: int, rules: RetryRules) -> bool:
    """Whether one more of the running calls may try again, while `retrying` do."""
    return retrying + 1 <= max(rules.budget_floor, rules.budget_share * running)


def pause_s(error: UpstreamError, tries: int, left_s: float, rules: RetryRules, chance: float) -> float | None:
    """Seconds before the same model is tried again after `tries` failures: full jitter, on top of what its provider
    asks for; `chance` is in [0, 1). None: the failure is the answer."""
    least = error.retry_after_s or 0.0
    if error.kind not in _PASSING or not rules.max_wait_s or least > rules.max_wait_s:
        return None
    pause = least + chance * min(BACKOFF_LIMIT_S, BACKOFF_S * 2 ** (tries - 1))
    return pause if pause < left_s else None


class Retries:
    """The tries beyond the first, of all calls of this process. `chance` gives numbers in [0, 1).

    The budget is one of calls at a time, as Envoy's: where calls are few, each of them may go on to another model;
    where many fail at once, they don't double the load.
    """

    def __init__(self, rules: RetryRules, metrics: Metrics, chance: Callable[[], float]) -> None:
        self.rules = rules
        self.metrics = metrics
        self.chance = chance
        self.running = 0
        self.retrying = 0

    @contextmanager
    def call(self) -> Iterator["Tries"]:
        """A client's call runs inside."""
        tries = Tries(self)
        self.running += 1
        try:
            yield tries
        finally:
            self.running -= 1
            self.retrying -= tries.retrying


class Tries:
    """Those of one call."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._count = 1
        self.retrying = False

    def granted(self, error: UpstreamError) -> bool:
        """Take one more try; False when this call has had its own, or too many are at it: the caller of a failure that
        would have been tried again is told to wait."""
        retries = self._retries
        if self._count >= retries.rules.max_attempts:
            return False
        if not self.retrying:
            if not allowed(retries.running, retries.retrying, retries.rules):
                retries.metrics.retries_refused.inc()
                error.retry_after_s = error.retry_after_s or WAIT_S
                return False
            self.retrying = True
            retries.retrying += 1
        self._count += 1
        return True

    async def again(self, error: UpstreamError, total_at: float) -> bool:
        """Whether the one model of a call may be tried again; returns once the wait is over. `total_at`: loop time."""
        left_s = total_at - asyncio.get_running_loop().time()
        pause = pause_s(error, self._count, left_s, self._retries.rules, self._retries.chance())
        if pause is None or not self.granted(error):
            return False
        await asyncio.sleep(pause + EARLY_S)
        return True
