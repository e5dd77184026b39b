"""GET /v1/models and /v1/models/{id}: what `model` may say, in OpenAI's form."""

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from router.catalog import Model
from router.errors import NotFound
from router.routing import AUTO, Router
from router.web.auth import Keys

OWNER = "llm-router"


def routes(router: Router, keys: Keys) -> list[HTTPRouteHandler]:
    """The two handlers."""

    @get("/v1/models", summary="The names that `model` may say")
    async def list_models(request: Request[Any, Any, Any]) -> dict[str, Any]:
        keys.check(request.headers, "call")
        return {"object": "list", "data": _documents(router)}

    @get("/v1/models/{name:path}", summary="One of them")
    async def get_model(request: Request[Any, Any, Any], name: str) -> dict[str, Any]:
        keys.check(request.headers, "call")
        name = name.removeprefix("/")
        for document in _documents(router):
            if document["id"] == name:
                return document
        raise NotFound(f"the model {name[:100]!r} does not exist", param="model", code="model_not_found")

    return [list_models, get_model]


def _documents(router: Router) -> list[dict[str, Any]]:
    setup = router.setup
    routed = [AUTO, *(f"{AUTO}:{name}" for name in setup.classes), *setup.catalog.aliases]
    callable_now = [model for model in setup.catalog if model.provider.usable]
    return [_document(name, OWNER) for name in routed] + [_model_document(model) for model in callable_now]


def _document(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _model_document(model: Model) -> dict[str, Any]:
    facts = {"context_tokens": model.context_tokens, "max_output_tokens": model.max_output_tokens}
    simulated = {"simulated": True} if model.provider.simulated else {}
    return {**_document(model.name, model.provider.name), **facts, **simulated}
