"""GET /v1/models and /v1/models/{id}: what `model` may say, in OpenAI's form or, for its clients, in Anthropic's."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from router.catalog import Model
from router.errors import NotFound
from router.routing import AUTO, Router
from router.web.auth import Keys

OWNER = "llm-router"

Document = dict[str, Any]
Describe = Callable[[str, Model | None], Document]  # a name and its model, None for one that routes


def routes(router: Router, keys: Keys) -> list[HTTPRouteHandler]:
    """The two handlers."""

    @get("/v1/models", summary="The names that `model` may say")
    async def list_models(request: Request[Any, Any, Any]) -> Document:
        keys.check(request.headers, "call")
        describe = _form(request.headers)
        data = [describe(name, model) for name, model in _names(router).items()]
        if describe is _openai:
            return {"object": "list", "data": data}
        return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}

    @get("/v1/models/{name:path}", summary="One of them")
    async def get_model(request: Request[Any, Any, Any], name: str) -> Document:
        keys.check(request.headers, "call")
        name, names = name.removeprefix("/"), _names(router)
        if name not in names:
            raise NotFound(f"the model {name[:100]!r} does not exist", param="model", code="model_not_found")
        return _form(request.headers)(name, names[name])

    return [list_models, get_model]


def _names(router: Router) -> dict[str, Model | None]:
    setup = router.setup
    routed = [AUTO, *(f"{AUTO}:{name}" for name in setup.classes), *setup.catalog.aliases]
    return dict.fromkeys(routed) | {model.name: model for model in setup.catalog if model.provider.usable}


def _form(headers: Mapping[str, str]) -> Describe:
    """Anthropic's clients say which version of its API they speak."""
    return _anthropic if "anthropic-version" in headers else _openai


def _openai(name: str, model: Model | None) -> Document:
    document = {"id": name, "object": "model", "created": 0, "owned_by": OWNER}
    if model is None:
        return document
    facts = {"context_tokens": model.context_tokens, "max_output_tokens": model.max_output_tokens}
    simulated = {"simulated": True} if model.provider.simulated else {}
    return {**document, "owned_by": model.provider.name, **facts, **simulated}


def _anthropic(name: str, model: Model | None) -> Document:
    """An unknown date of release is the epoch, as Anthropic has it."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context_tokens if model else None,
        "max_tokens": model.max_output_tokens if model else None,
    }
