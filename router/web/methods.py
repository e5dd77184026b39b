"""What HTTP asks of methods: HEAD answers as GET does, and a 405 says in Allow what would be right."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar
from litestar.routes import BaseRoute
from litestar.types import Receive, Send

ASGIApp = Callable[[Any, Receive, Send], Awaitable[None]]


def with_methods(app: Litestar) -> ASGIApp:
    """`app`, so wrapped. A server leaves out the body of an answer to HEAD by itself."""
    routes = [(_pattern(route), _methods(route)) for route in app.routes]
    straight = {(method, route.path) for route in app.routes for method in _methods(route) - {"HEAD"}}

    async def answer(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in straight:
            await app(scope, receive, send)
            return
        path = scope["path"]

        async def send_with_allow(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                allowed = {method for pattern, methods in routes if pattern.fullmatch(path) for method in methods}
                message["headers"] = [*message["headers"], (b"allow", ", ".join(sorted(allowed)).encode())]
            await send(message)

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await app(scope, receive, send_with_allow)

    return answer


def _pattern(route: BaseRoute) -> re.Pattern[str]:
    parts = [re.escape(part) if isinstance(part, str) else "[^/]+" for part in route.path_components]
    return re.compile("/" + "/".join(parts) + "/?")


def _methods(route: BaseRoute) -> set[str]:
    """Those of calls, which are plain ASGI, take POST alone."""
    methods = {str(method) for method in route.methods} or {"POST"}
    return methods | {"HEAD"} if "GET" in methods else methods
