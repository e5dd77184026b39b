"""Every error that leaves by HTTP in OpenAI's envelope: ours as they are, the framework's translated, bugs a 500."""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from router import ids
from router.dialects import openai_error
from router.errors import BadRequest, EvidenceError, NotFound, RouterError, TooLarge
from router.log import Log
from router.web.reply import SECURITY_HEADERS

AnyRequest = Request[Any, Any, Any]


def handlers(log: Log) -> ExceptionHandlersMap:
    """The exception handlers of the application."""

    def bug(request: AnyRequest, error: Exception) -> Response[bytes]:
        log.error("unexpected error", path=request.url.path, exc_info=error)
        return _response(RouterError("an unexpected error of the router; its log has the details"))

    def store(_request: AnyRequest, error: EvidenceError) -> Response[bytes]:
        log.error("evidence store", why=str(error))
        return _response(RouterError("the evidence store can't be reached", code="evidence_unavailable"))

    return {RouterError: _ours, HTTPException: _frameworks, EvidenceError: store, Exception: bug}


def _ours(_request: AnyRequest, error: RouterError) -> Response[bytes]:
    return _response(error)


def _frameworks(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    match error.status_code:
        case 404:
            return _response(NotFound(f"there is nothing at {request.url.path[:100]}"))
        case 413:
            return _response(TooLarge("the body is too large"))
        case 405:
            translated = BadRequest(f"{request.method} is not allowed at {request.url.path[:100]}", code="not_allowed")
            translated.status = 405
            return _response(translated)
        case status if status < 500:
            first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
            detail = f"{first.get('key')}: {first.get('message')}" if first else error.detail
            return _response(BadRequest(detail, param=first.get("key")))
        case _:
            return _response(RouterError("the router can't answer this"))


def _response(error: RouterError) -> Response[bytes]:
    return Response(
        openai_error(error, ""),
        status_code=error.status,
        media_type="application/json",
        headers={**SECURITY_HEADERS, "x-request-id": ids.request_id()},
    )
