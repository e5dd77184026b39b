"""Stored answers of Responses: looked up, listed and deleted by id, each caller's own alone."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from router.errors import BadRequest, NotFound
from router.sessions import Sessions, StoredAnswer
from router.types import Json
from router.web.auth import Keys
from router.web.reply import SECURITY_HEADERS

AnyRequest = Request[Any, Any, Any]
_MOST_ITEMS = 100


def routes(sessions: Sessions, keys: Keys) -> list[HTTPRouteHandler]:
    """The four handlers."""

    async def stored(request: AnyRequest, answer_id: str) -> StoredAnswer:
        found = await sessions.stored(answer_id, keys.check(request.headers, "call"))
        if found is None:
            raise _not_found(answer_id)
        return found

    @get("/v1/responses/{answer_id:str}", summary="A stored answer")
    async def get_answer(request: AnyRequest, answer_id: str, stream: bool = False) -> Response[bytes]:
        if stream:
            raise BadRequest("a stored answer is not streamed again; get it whole", param="stream")
        found = await stored(request, answer_id)
        return Response(bytes(found.document), media_type="application/json", headers=SECURITY_HEADERS)

    @delete("/v1/responses/{answer_id:str}", summary="Forget a stored answer", status_code=200)
    async def delete_answer(request: AnyRequest, answer_id: str) -> dict[str, Any]:
        if not await sessions.forget(answer_id, keys.check(request.headers, "call")):
            raise _not_found(answer_id)
        return {"id": answer_id, "object": "response", "deleted": True}

    @get("/v1/responses/{answer_id:str}/input_items", summary="What a stored answer was asked")
    async def list_input(
        request: AnyRequest,
        answer_id: str,
        limit: Annotated[int, Parameter(ge=1, le=_MOST_ITEMS)] = 20,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> dict[str, Any]:
        found = await stored(request, answer_id)
        return _page(found.input if order == "asc" else found.input[::-1], limit, after)

    @post("/v1/responses/{answer_id:str}/cancel", summary="Refused: no answer runs in the background", status_code=400)
    async def cancel_answer(request: AnyRequest, answer_id: str) -> None:
        await stored(request, answer_id)
        raise BadRequest("Cannot cancel a synchronous response.")

    return [get_answer, delete_answer, list_input, cancel_answer]


def _not_found(answer_id: str) -> NotFound:
    return NotFound(f"Response with id '{answer_id[:100]}' not found.")


def _page(items: list[Json], limit: int, after: str | None) -> dict[str, Any]:
    """A page of OpenAI's list object. Raises BadRequest for an `after` that is not among the items."""
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise BadRequest(f"there is no item {after[:100]!r} to list after", param="after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }
