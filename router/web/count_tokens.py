"""POST /v1/messages/count_tokens: how long a message's request is. Routed as the call would be; nothing is recorded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from litestar.handlers import ASGIRouteHandler

from router.catalog import Model
from router.dialects import ClientFace, messages
from router.errors import UpstreamError
from router.proxy import Incoming
from router.routing import Router
from router.types import ChatRequest, Wire
from router.upstream import Stopwatch, Upstream
from router.web import calls
from router.web.reply import AsgiReply


@dataclass(frozen=True, slots=True)
class Counter:
    """What counts: the model's own provider where it can, else our estimate."""

    router: Router
    upstream: Upstream
    faces: Mapping[Wire, ClientFace]

    async def handle(self, incoming: Incoming, reply: AsgiReply) -> None:
        """Answer one request. Raises RouterError when the caller gets an error."""
        request = replace(self.router.read(incoming.face, incoming.body), headers=incoming.headers)
        decision = self.router.decide(request, incoming.wishes)
        model = decision.targets[0]
        reply.headers["x-router-model"] = model.name
        count = await self._counted(request, model) if model.wire(request) == "messages" else None
        if count is None:
            reply.headers["x-router-estimated"] = "true"
            count = decision.requirements.input_tokens
        await reply.whole(msgspec.json.encode({"input_tokens": count}))

    async def _counted(self, request: ChatRequest, model: Model) -> int | None:
        """The provider's count, None when it has none to give now. Raises UpstreamError for a request that is wrong."""
        face = self.faces["messages"]
        wire = messages.count_request(face.encode_request(request, model))
        total_at = asyncio.get_running_loop().time() + self.upstream.deadlines.first_byte_s
        try:
            async with (
                Stopwatch(self.upstream.deadlines, total_at, stream=False),
                self.upstream.post(model.provider, wire, face.decode_error, stream=False) as answer,
            ):
                return messages.decode_count(b"".join([block async for block in answer.blocks]))
        except UpstreamError as error:
            if error.retryable or error.kind == "not_found":  # many servers of this format count no tokens
                return None
            raise


def count_route(counter: Counter, door: calls.Door) -> ASGIRouteHandler:
    """The handler of POST /v1/messages/count_tokens."""
    return calls.route("/v1/messages/count_tokens", messages.COUNT_FACE, counter.handle, door)
