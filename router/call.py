"""One upstream call while it runs: what is seen of it becomes its evidence row. Pure: the clock is an argument."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from router.catalog import Model
from router.decision import Decision, Reason
from router.errors import UpstreamError
from router.policies import BYTES_PER_TOKEN
from router.record import EvidenceRow, Outcome
from router.types import (
    ChatResponse,
    Delta,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    is_useful,
)

Clock = Callable[[], float]  # monotonic seconds


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, and when: what all rows of one request share."""

    request_id: str
    at: datetime
    received: float  # by the monotonic clock
    stream: bool
    session: str | None = None
    key_id: str | None = None
    service_tier: str | None = None  # as the caller asked for it


class Call:
    """The attempt number `attempt` (from 1) of a request at `model`."""

    def __init__(
        self,
        origin: Origin,
        decision: Decision,
        model: Model,
        attempt: int,
        *,
        row_id: str,
        clock: Clock,
        waited_s: float,
    ) -> None:
        self.origin = origin
        self.decision = decision
        self.model = model
        self.attempt = attempt
        self.usage: Usage | None = None
        self.open = True  # until its row has been recorded
        self.row_id = row_id
        self._clock = clock
        self._started = clock()
        self._overhead_s = self._started - origin.received - waited_s
        self._first_useful_s: float | None = None
        self._finish_reason: str | None = None
        self._output_size = 0

    @property
    def reason(self) -> Reason:
        """Why this model is called: the decision's reason for its choice, which may be tried more than once."""
        return self.decision.reason if self.model is self.decision.targets[0] else "fallback"

    @property
    def overhead_ms(self) -> float:
        """Our own time before this attempt began."""
        return self._overhead_s * 1000

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started

    def observe(self, deltas: Iterable[Delta]) -> None:
        """Take note of what a streamed event said."""
        for delta in deltas:
            if self._first_useful_s is None and is_useful(delta):
                self._first_useful_s = self.elapsed_s
            match delta:
                case TextDelta(text) | RefusalDelta(text) | ReasoningDelta(text):
                    self._output_size += len(text)
                case ToolCallDelta():
                    self._output_size += len(delta.arguments)
                case UsageReported():
                    self.usage = delta.usage
                case Finished():
                    self._finish_reason = delta.reason

    def answered(self, response: ChatResponse) -> None:
        """Take note of a whole answer: its first useful output is its end."""
        self._first_useful_s = self.elapsed_s
        self._finish_reason = response.finish_reason
        self._output_size = len(response.text or "") + sum(len(call.arguments) for call in response.tool_calls)
        self.usage = response.usage

    def done(self) -> EvidenceRow:
        """The row of a complete answer."""
        return self._row("ok", None)

    def failed(self, error: UpstreamError) -> EvidenceRow:
        self.usage = error.usage or self.usage
        return self._row("truncated" if error.kind == "truncated" else "error", error.kind)

    def broken(self) -> EvidenceRow:
        """The row of a call that our own fault ended."""
        return self._row("error", "internal")

    def cancelled(self) -> EvidenceRow:
        """The row of a call whose client left."""
        return self._row("cancelled", None)

    def _row(self, outcome: Outcome, error_kind: str | None) -> EvidenceRow:
        usage, usage_source = self.usage, "provider" if self.usage is not None else None
        if usage is None and (outcome == "ok" or self._output_size):
            usage = Usage(self.decision.requirements.input_tokens, -(-self._output_size // BYTES_PER_TOKEN))
            usage_source = "estimated"
        cost = self.model.cost_usd(self.usage, self.origin.at.date(), self.origin.service_tier)
        return EvidenceRow(
            task_id=self.origin.request_id,
            task_type=self.decision.classification.task_class,
            model=self.model.name,
            time_to_first_useful_s=_rounded(self._first_useful_s),
            wall_time_s=_rounded(self.elapsed_s),
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cost_usd=cost,
            row_id=self.row_id,
            source="simulated" if self.model.provider.simulated else "live",
            at=self.origin.at,
            request_id=self.origin.request_id,
            attempt=self.attempt,
            outcome=outcome,
            error_kind=error_kind,
            finish_reason=self._finish_reason,
            cached_tokens=usage.cached_tokens if usage else None,
            cache_write_tokens=usage.cache_write_tokens if usage else None,
            reasoning_tokens=usage.reasoning_tokens if usage else None,
            usage_source=usage_source,  # type: ignore[arg-type]  # one of the two words above
            price_version=self.model.price_version if cost is not None else None,
            confidence=self.decision.classification.confidence,
            propensity=self.decision.propensity,
            assigned="fallback" if self.reason == "fallback" else self.decision.assigned,
            reason=self.reason,
            table_version=self.decision.table_version,
            policy=self.decision.objective,
            overhead_ms=round(self.overhead_ms, 3),
            stream=self.origin.stream,
            session=self.origin.session,
            key_id=self.origin.key_id,
        )


def _rounded(seconds: float | None) -> float | None:
    """To the microsecond: what lies below is the clock's noise."""
    return None if seconds is None else round(seconds, 6)
