"""Every instrument, all read off finished rows and decisions.

Labels come from closed sets: configured names; anything else is `other`. No key, no user and no text of a request
is ever a label.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from router import __version__
from router.decision import Decision, Method
from router.record import EvidenceRow

Phase = Literal["decode", "classify", "decide", "total"]
Publication = Literal["published", "refused"]
CircuitState = Literal["closed", "half_open", "open"]  # as the gauge counts them: 0, 1, 2

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 20, 30, 60, 120, 300, 600)
_OVERHEAD = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
_COMMIT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2)


class Metrics:
    """The instruments in a registry of their own. `allow` says which names may become labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._models: frozenset[str] = frozenset()
        self._classes: frozenset[str] = frozenset()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"llm_router_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"llm_router_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"llm_router_{name}", text, labels, buckets=tuple(buckets), registry=self.registry)

        self._requests = counter("requests_total", "Requests answered", "task_class", "model", "outcome", "stream")
        self._duration = histogram(
            "request_duration_seconds", "Whole time of a request", _SECONDS, "task_class", "model"
        )
        self._first_useful = histogram(
            "time_to_first_useful_seconds", "Until the first output that helps", _SECONDS, "task_class", "model"
        )
        self._overhead = histogram("overhead_seconds", "Time of our own, by phase", _OVERHEAD, "phase")
        self.in_progress = gauge("requests_in_progress", "Requests being answered")
        self._attempts = counter("upstream_attempts_total", "Upstream calls", "provider", "model", "kind", "outcome")
        self._fallbacks = counter("fallbacks_total", "Moves to the next model", "from_model", "to_model", "reason")
        self._circuit = gauge("circuit_state", "0 closed, 1 a probe is under way, 2 open", "provider", "model")
        self._circuit_changes = counter("circuit_transitions_total", "Changes of circuits", "provider", "model", "to")
        self.retries_refused = counter("retries_refused_total", "Further attempts that the retry budget refused")
        self.credential_alarms = counter("credential_alarms_total", "Calls whose key a provider refused", "provider")
        self._tokens = counter("tokens_total", "Tokens, by bucket", "model", "type")
        self._cost = counter("cost_usd_total", "Known cost", "task_class", "model")
        self._unpriced = counter("unpriced_requests_total", "Answers of unknown cost", "model")
        self._decisions = counter("decisions_total", "Decisions", "task_class", "model", "reason")
        self._classifications = counter("classifications_total", "Classifications", "task_class", "method")
        self._table_info = gauge("table_info", "The table in force", "version")
        self._table_at = gauge("table_published_timestamp_seconds", "When the table in force was published")
        self.publications = counter("table_publications_total", "Changes of the table in force", "result")
        self.rows = counter("evidence_rows_total", "Evidence rows", "source", "result")
        self.commit = histogram("evidence_commit_seconds", "Time of one group commit", _COMMIT)
        gauge("build_info", "The running version", "version").labels(__version__).set(1)
        for phase in get_args(Phase):
            self._overhead.labels(phase)
        for result in get_args(Publication):
            self.publications.labels(result)

    def allow(self, models: Iterable[str], classes: Iterable[str]) -> None:
        """From now on these names may be labels."""
        self._models, self._classes = frozenset(models), frozenset(classes)
        for name in self._classes:
            for method in get_args(Method):
                self._classifications.labels(name, method)

    def timed(self, phase: Phase, seconds: float) -> None:
        """Observe time of our own."""
        self._overhead.labels(phase).observe(seconds)

    def decided(self, decision: Decision) -> None:
        classification = decision.classification
        task_class = self._class(classification.task_class)
        self._classifications.labels(task_class, classification.method).inc()
        self._decisions.labels(task_class, self._model(decision.targets[0].name), decision.reason).inc()

    def attempted(self, row: EvidenceRow, provider: str) -> None:
        """Count one upstream call from its row."""
        model = self._model(row.model)
        self._attempts.labels(provider, model, row.source, row.error_kind or row.outcome).inc()
        if row.usage_source == "provider":
            for kind, count in (
                ("input", row.input_tokens),
                ("output", row.output_tokens),
                ("cached", row.cached_tokens),
                ("cache_write", row.cache_write_tokens),
                ("reasoning", row.reasoning_tokens),
            ):
                if count:
                    self._tokens.labels(model, kind).inc(count)
        if row.cost_usd is not None:
            self._cost.labels(self._class(row.task_type), model).inc(row.cost_usd)
        elif row.outcome == "ok":
            self._unpriced.labels(model).inc()

    def fell_back(self, from_model: str, to_model: str, reason: str) -> None:
        self._fallbacks.labels(self._model(from_model), self._model(to_model), reason).inc()

    def circuit(self, provider: str, model: str, state: CircuitState, *, changed: bool) -> None:
        """Show a circuit's state, and count the change that led to it."""
        model = self._model(model)
        self._circuit.labels(provider, model).set(get_args(CircuitState).index(state))
        if changed:
            self._circuit_changes.labels(provider, model, state).inc()

    def circuit_forgotten(self, provider: str, model: str) -> None:
        """Show nothing any more of a model that is gone."""
        self._circuit.remove(provider, self._model(model))

    def answered(self, row: EvidenceRow, duration_s: float) -> None:
        """Count a request from the row of its last attempt."""
        task_class, model = self._class(row.task_type), self._model(row.model)
        stream = "true" if row.stream else "false"
        self._requests.labels(task_class, model, row.outcome, stream).inc()
        self._duration.labels(task_class, model).observe(duration_s)
        if row.time_to_first_useful_s is not None:
            self._first_useful.labels(task_class, model).observe(row.time_to_first_useful_s)

    def refused(self, *, server_fault: bool) -> None:
        """Count a request that reached no model."""
        self._requests.labels("other", "other", "failed" if server_fault else "refused", "other").inc()

    def in_force(self, version: str, since: datetime | None) -> None:
        self._table_info.clear()
        self._table_info.labels(version).set(1)
        if since is not None:
            self._table_at.set(since.timestamp())

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)

    def _model(self, name: str) -> str:
        return name if name in self._models else "other"

    def _class(self, name: str) -> str:
        return name if name in self._classes else "other"
