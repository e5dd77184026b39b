"""One request for embeddings on its way: the model that it names, again where that may help. Nothing falls back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from router import embeddings, explain, ids
from router.call import Call, Origin
from router.catalog import Model
from router.decision import Candidate, Classification, Decision, Requirements, Wishes
from router.dialects import WireRequest
from router.embeddings import EmbeddingRequest
from router.errors import BadRequest, NoCapableModel, UpstreamError
from router.exchange import Parts, Reply
from router.journal import Entry, Journal
from router.policies import all_open
from router.proxy import Incoming
from router.record import EvidenceRow
from router.routing import Router
from router.types import Usage
from router.upstream import Answer, Stopwatch

TASK_TYPE = "embedding"  # of its rows; no task class


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all attempts at one request share. `keep`: whether the caller lets their rows be kept."""

    request: EmbeddingRequest
    wire: WireRequest
    decision: Decision
    origin: Origin
    keep: bool


class Embedder:
    """Answers requests for embeddings."""

    def __init__(self, router: Router, journal: Journal, parts: Parts) -> None:
        self._router = router
        self._journal = journal
        self._parts = parts

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Raises RouterError when the caller gets an error; nothing has been sent then."""
        request, wishes = embeddings.decode_request(incoming.body), incoming.wishes
        _check_wishes(wishes)
        model = self._model(wishes.model or request.model)
        _check_dimensions(request, model)
        origin = Origin(
            incoming.request_id,
            datetime.now(UTC),
            incoming.received,
            stream=False,
            session=wishes.session,
            key_id=incoming.key_id,
        )
        wire = embeddings.FACES[model.provider.dialect].encode_request(request, model)
        asked = _Asked(request, wire, self._decision(request, wishes, model, origin), origin, wishes.record)
        self._parts.metrics.decided(asked.decision)
        entry = self._journal.open(incoming.request_id, asked.decision)
        try:
            found = await self._found(asked, model, entry, reply)
        finally:
            if entry.rows:
                self._parts.metrics.answered(entry.rows[-1], self._parts.clock() - incoming.received)
        facts = {"decision": ids.decision_id(incoming.request_id), "request_id": incoming.request_id}
        extra = {"router": explain.document(asked.decision, entry.rows, **facts)} if wishes.explain else {}
        await reply.whole(embeddings.encode_response(found, request, model.name, extra))

    async def _found(self, asked: "_Asked", model: Model, entry: Entry, reply: Reply) -> embeddings.Embeddings:
        """The vectors, after as many tries as it takes and may take. Raises UpstreamError."""
        total_at = asyncio.get_running_loop().time() + self._parts.upstream.deadlines.total_s
        waited_s = 0.0
        with self._parts.retries.call() as tries:
            while True:
                began = self._parts.clock()
                call = self._call(asked, model, len(entry.rows) + 1, waited_s)
                reply.headers |= _headers(asked.origin.request_id, call)
                try:
                    return await self._attempt(asked, call, entry, reply, total_at)
                except UpstreamError as error:
                    if not await tries.again(error, total_at) or self._parts.health.outage(model) is not None:
                        self._parts.health.tell_wait(error, model)
                        raise
                waited_s += self._parts.clock() - began

    def _call(self, asked: "_Asked", model: Model, attempt: int, waited_s: float) -> Call:
        return Call(
            asked.origin,
            asked.decision,
            model,
            attempt,
            row_id=ids.uuid7(),
            clock=self._parts.clock,
            waited_s=waited_s,
        )

    async def _attempt(
        self, asked: "_Asked", call: Call, entry: Entry, reply: Reply, total_at: float
    ) -> embeddings.Embeddings:
        """One upstream call and its row. Raises UpstreamError."""
        provider, upstream = call.model.provider, self._parts.upstream
        decode_error = self._parts.faces["gemini" if provider.dialect == "gemini" else "chat"].decode_error
        decode = embeddings.FACES[provider.dialect].decode_response

        def record(row: EvidenceRow, retry_after_s: float | None = None) -> asyncio.Future[bool] | None:
            call.open = False
            entry.rows.append(row)
            finish = self._parts.recorder.finish
            return finish(row, provider=provider.name, keep=asked.keep, retry_after_s=retry_after_s)

        self._parts.health.began(call.model, call.row_id)
        try:
            async with (
                Stopwatch(upstream.deadlines, total_at, stream=False),
                upstream.post(provider, asked.wire, decode_error, stream=False) as answer,
            ):
                found = decode(await _body(answer), len(asked.request.inputs))
            call.usage = found.usage
            row = call.done()
            if row.cost_usd is not None:
                reply.headers["x-router-cost-usd"] = f"{row.cost_usd:.8f}"
            await self._parts.recorder.settled(record(row))
            return found
        except UpstreamError as error:
            await self._parts.recorder.settled(record(call.failed(error), error.retry_after_s))
            raise
        except asyncio.CancelledError:
            if call.open:
                record(call.cancelled())
            raise
        finally:
            if call.open:
                record(call.broken())

    def _model(self, name: str) -> Model:
        model = self._router.named(name)
        if model is None:
            text = "embeddings need a model by name, for vectors of different models can't be compared; it can be "
            raise BadRequest(text + (", ".join(self._known()) or "none: models has no embedding model"), param="model")
        if model.kind != "embedding":
            text = f"{model.name} makes no embeddings; it can be {', '.join(self._known()) or 'none'}"
            raise BadRequest(text, param="model", code="unsupported_value")
        if not model.provider.usable:
            raise BadRequest(f"{model.name} can't be called: provider {model.provider.name} has no key", param="model")
        outage = self._parts.health.outage(model)
        if outage is not None and outage.excluded == "circuit_open":
            raise all_open([Candidate(model.name, model, outage.excluded, wait_s=outage.wait_s)])
        return model

    def _known(self) -> list[str]:
        return [model.name for model in self._router.setup.catalog if model.kind == "embedding"]

    def _decision(self, request: EmbeddingRequest, wishes: Wishes, model: Model, origin: Origin) -> Decision:
        cost = model.cost_usd(Usage(request.input_tokens), origin.at.date())
        if wishes.max_cost_usd is not None and (cost is None or cost > wishes.max_cost_usd):
            about = "of unknown price" if cost is None else f"about ${cost:.6f}"
            why = f"over_max_cost ({about}, the limit is ${wishes.max_cost_usd:.6f})"
            raise NoCapableModel(f"{model.name} can't take this request: {why}", param="x-router-max-cost-usd")
        return Decision(
            classification=Classification(TASK_TYPE, "explicit", why=("it asks for embeddings",)),
            candidates=(Candidate(model.name, model, estimated_cost_usd=cost),),
            targets=(model,),
            reason="pinned_by_user",
            table_version=self._router.table_version,
            assigned="user",
            requirements=Requirements(input_tokens=request.input_tokens),
        )


def _check_wishes(wishes: Wishes) -> None:
    """What steers a choice is refused where there is none."""
    for name, wish in (("x-router-task-class", wishes.task_class), ("x-router-objective", wishes.objective)):
        if wish is not None:
            raise BadRequest(f"{name} steers the choice of a model, which embeddings name", param=name)


def _check_dimensions(request: EmbeddingRequest, model: Model) -> None:
    wanted, most = request.dimensions, model.dimensions
    if wanted is not None and most is not None and wanted > most:
        text = f"dimensions is {wanted}; vectors of {model.name} have at most {most}"
        raise BadRequest(text, param="dimensions", code="integer_above_max_value")


async def _body(answer: Answer) -> bytes:
    blocks: AsyncIterator[bytes] = answer.blocks
    body = b"".join([block async for block in blocks])
    answer.finished = True
    return body


def _headers(request_id: str, call: Call) -> dict[str, str]:
    headers = {
        "x-router-decision": ids.decision_id(request_id),
        "x-router-model": call.model.name,
        "x-router-reason": call.decision.reason,
        "x-router-attempts": str(call.attempt),
        "x-router-overhead-ms": f"{call.overhead_ms:.3f}",
    }
    return headers | ({"x-router-simulated": "true"} if call.model.provider.simulated else {})
