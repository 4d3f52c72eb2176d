"""What every address answers alike: HEAD like GET without the body, OPTIONS with the methods, TRACE never.

Source: RFC 9110 9.3.2, 9.3.7, 9.3.8 and 10.2.1.
"""

import re
from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yoyaku.booking.entrypoints.http.problems import Problem

_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class AllowedMethods:
    """Which methods an address takes.

    Where several templates fit, the address is that of the most exact one alone: `/users/me` is not `/users/{user_id}`.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        methods: dict[str, set[str]] = {}
        patterns: dict[str, re.Pattern[str]] = {}
        for route in (route for router in routers for route in router.routes if isinstance(route, Route)):
            methods.setdefault(route.path, set()).update(route.methods or ())
            patterns[route.path] = route.path_regex
        by_exactness = sorted(patterns, key=_inexactness)
        self._addresses = [(patterns[path], frozenset(methods[path])) for path in by_exactness]
        self._exceptions = [
            (patterns[path], frozenset(methods[path]))
            for path in by_exactness
            if any(other != path and pattern.match(_PARAMETER.sub("x", path)) for other, pattern in patterns.items())
        ]

    def __call__(self, path: str) -> str | None:
        """Return the value of Allow; None when there is no such address."""
        if path == "*":
            return ", ".join(_ORDER)
        found = next((methods for pattern, methods in self._addresses if pattern.match(path)), None)
        if found is None:
            return None
        every = found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())
        return ", ".join(method for method in _ORDER if method in every)

    def is_meant_for_another(self, method: str, path: str) -> bool:
        """Say whether the router would give the request to a less exact template, because this one lacks the method."""
        found = next((methods for pattern, methods in self._exceptions if pattern.match(path)), None)
        return found is not None and method not in found


def _inexactness(template: str) -> tuple[int, int]:
    return len(_PARAMETER.findall(template)), -len(_PARAMETER.sub("", template))


class Methods:
    """Wraps the routes."""

    def __init__(self, app: ASGIApp, allowed: AllowedMethods) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is the same everywhere; pass on the rest."""
        method = scope.get("method")
        asked = "GET" if method == "HEAD" else method
        if asked and asked not in {"OPTIONS", "TRACE"} and self._allowed.is_meant_for_another(asked, scope["path"]):
            raise Problem(405, "method-not-allowed", headers={"Allow": self._allowed(scope["path"]) or ""})
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
