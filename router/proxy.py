"""The hot path: one request from its bytes to its answer. `routing` runs stops 2 to 4, `exchange` 5 to 7."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from router import ids
from router.call import Origin
from router.decision import Decision, Wishes
from router.dialects import ServerFace
from router.exchange import Exchange, Parts, Reply
from router.journal import Journal
from router.routing import Router


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request as the web gives it, in the wire format of `face`; `received` by the monotonic clock. `headers` are
    those of the caller that a provider of the same wire format gets to see."""

    face: ServerFace
    body: bytes
    wishes: Wishes
    request_id: str
    received: float
    key_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Proxy:
    """Answers requests: decides, remembers the decision, and exchanges."""

    def __init__(self, router: Router, journal: Journal, parts: Parts) -> None:
        self._router = router
        self._journal = journal
        self._parts = parts

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Raises RouterError when the caller gets an error; nothing has been sent then."""
        request = replace(self._router.read(incoming.face, incoming.body), headers=incoming.headers)
        request = await self._parts.sessions.recall(request, incoming.key_id)
        decision = self._router.decide(request, incoming.wishes)
        self._parts.metrics.decided(decision)
        entry = self._journal.open(incoming.request_id, decision)
        reply.headers |= _decision_headers(incoming.request_id, decision)
        origin = Origin(
            request_id=incoming.request_id,
            at=datetime.now(UTC),
            received=incoming.received,
            stream=request.stream,
            session=incoming.wishes.session,
            key_id=incoming.key_id,
            service_tier=request.others.get("service_tier"),
        )
        await Exchange(self._parts, incoming.face, request, decision, origin, incoming.wishes, entry, reply).run()


def _decision_headers(request_id: str, decision: Decision) -> dict[str, str]:
    """The x-router-* headers that are known once the decision is made."""
    classification = decision.classification
    headers = {
        "x-router-decision": ids.decision_id(request_id),
        "x-router-task-class": classification.task_class,
        "x-router-table": decision.table_version,
    }
    if classification.confidence is not None:
        headers["x-router-confidence"] = f"{classification.confidence:.3f}"
    return headers
