"""One request for embeddings on its way: the model that it names, one call, one row. Nothing falls back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from router import embeddings, ids
from router.call import Call, Origin
from router.catalog import Model
from router.decision import Candidate, Classification, Decision, Requirements
from router.embeddings import EmbeddingRequest
from router.errors import BadRequest, UpstreamError
from router.exchange import Parts, Reply
from router.journal import Journal
from router.proxy import Incoming
from router.record import EvidenceRow
from router.routing import Router
from router.upstream import Answer, Stopwatch

TASK_TYPE = "embedding"  # of its rows; no task class


class Embedder:
    """Answers requests for embeddings."""

    def __init__(self, router: Router, journal: Journal, parts: Parts) -> None:
        self._router = router
        self._journal = journal
        self._parts = parts

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Raises RouterError when the caller gets an error; nothing has been sent then."""
        request = embeddings.decode_request(incoming.body)
        model = self._model(incoming.wishes.model or request.model)
        face = embeddings.FACES[model.provider.dialect]
        wire = face.encode_request(request, model)
        decision = self._decision(request, model)
        entry = self._journal.open(incoming.request_id, decision)
        origin = Origin(incoming.request_id, datetime.now(UTC), incoming.received, False, key_id=incoming.key_id)
        call = Call(origin, decision, model, 1, row_id=ids.uuid7(), clock=self._parts.clock, waited_s=0.0)
        reply.headers |= _headers(incoming.request_id, call)

        def record(row: EvidenceRow) -> asyncio.Future[bool] | None:
            call.open = False
            entry.rows.append(row)
            keep = incoming.wishes.record
            return self._parts.recorder.finish(row, provider=model.provider.name, keep=keep)

        upstream = self._parts.upstream
        total_at = asyncio.get_running_loop().time() + upstream.deadlines.total_s
        decode_error = self._parts.faces["gemini" if model.provider.dialect == "gemini" else "chat"].decode_error
        try:
            async with (
                Stopwatch(upstream.deadlines, total_at, stream=False),
                upstream.post(model.provider, wire, decode_error, stream=False) as answer,
            ):
                found = face.decode_response(await _body(answer), len(request.inputs))
            call.usage = found.usage
            row = call.done()
            if row.cost_usd is not None:
                reply.headers["x-router-cost-usd"] = f"{row.cost_usd:.8f}"
            await self._parts.recorder.settled(record(row))
        except UpstreamError as error:
            await self._parts.recorder.settled(record(call.failed(error)))
            raise
        except asyncio.CancelledError:
            if call.open:
                record(call.cancelled())
            raise
        finally:
            if call.open:
                record(call.broken())
        await reply.whole(embeddings.encode_response(found, request, model.name))

    def _model(self, name: str) -> Model:
        model = self._router.named(name)
        if model is None:
            text = "embeddings need a model by name, for vectors of different models can't be compared; it can be "
            raise BadRequest(text + (", ".join(self._known()) or "none: models has no embedding model"), param="model")
        if model.kind != "embedding":
            text = f"{model.name} makes no embeddings; it can be {', '.join(self._known()) or 'none'}"
            raise BadRequest(text, param="model", code="unsupported_value")
        if not model.provider.usable or model.provider.dialect not in embeddings.FACES:
            raise BadRequest(f"{model.name} can't be called: provider {model.provider.name} has no key", param="model")
        return model

    def _known(self) -> list[str]:
        return [model.name for model in self._router.setup.catalog if model.kind == "embedding"]

    def _decision(self, request: EmbeddingRequest, model: Model) -> Decision:
        return Decision(
            classification=Classification(TASK_TYPE, "explicit", why=("it asks for embeddings",)),
            candidates=(Candidate(model.name, model),),
            targets=(model,),
            reason="pinned_by_user",
            table_version=self._router.table_version,
            assigned="user",
            requirements=Requirements(input_tokens=request.input_tokens),
        )


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
        "x-router-attempts": "1",
        "x-router-overhead-ms": f"{call.overhead_ms:.3f}",
    }
    return headers | ({"x-router-simulated": "true"} if call.model.provider.simulated else {})
