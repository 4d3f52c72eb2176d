"""What every address answers alike: HEAD like GET without the body, OPTIONS with the methods, TRACE never.

Source: RFC 9110 9.3.2, 9.3.7, 9.3.8 and 10.2.1.
"""

from collections.abc import Callable, Iterable
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yoyaku.booking.entrypoints.http.problems import Problem

_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class AllowedMethods:
    """Which methods an address takes."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._routes = [route for router in routers for route in router.routes if isinstance(route, Route)]

    def __call__(self, path: str) -> str | None:
        """Return the value of Allow; None when there is no such address."""
        if path == "*":
            return ", ".join(_ORDER)
        found = {method for route in self._routes if route.path_regex.match(path) for method in route.methods or ()}
        if not found:
            return None
        found.add("OPTIONS")
        if "GET" in found:
            found.add("HEAD")
        return ", ".join(method for method in _ORDER if method in found)


class Methods:
    """Wraps the routes."""

    def __init__(self, app: ASGIApp, allowed: Callable[[str], str | None]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is the same everywhere; pass on the rest."""
        method = scope.get("method")
        if method == "HEAD":
            # In place: the edge reads from this scope which route it was.
            scope["method"] = "GET"
            await self._app(scope, receive, _bodiless(send))
        elif method in {"OPTIONS", "TRACE"}:
            allow = self._allowed(scope["path"])
            if allow is None:
                raise Problem(404, "not-found")
            if method == "TRACE":
                raise Problem(405, "method-not-allowed", headers={"Allow": allow})
            await Response(status_code=204, headers={"Allow": allow})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _bodiless(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending
