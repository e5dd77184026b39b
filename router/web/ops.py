"""Health and metrics. Liveness never looks beyond this process."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST

from router.metrics import Metrics
from router.web.auth import Keys

# What readiness looks at, by name: whether it is well, and a word about it.
Checks = Mapping[str, Callable[[], tuple[bool, str]]]


def routes(metrics: Metrics, keys: Keys, checks: Checks) -> list[HTTPRouteHandler]:
    """The three handlers."""

    @get("/health/live", summary="Whether the process answers", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @get("/health/ready", summary="Whether it can take traffic, and what is wrong if not", sync_to_thread=False)
    def ready() -> Response[dict[str, Any]]:
        results = {name: check() for name, check in checks.items()}
        well = all(fine for fine, _word in results.values())
        document = {
            "status": "ok" if well else "unready",
            "checks": {name: word for name, (_, word) in results.items()},
        }
        return Response(document, status_code=200 if well else 503)

    @get("/metrics", summary="Prometheus metrics", media_type=MediaType.TEXT)
    async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
        keys.check(request.headers, "admin")
        text = await asyncio.to_thread(metrics.render)  # thousands of series would stall the loop
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return [live, ready, scrape]
