"""Query parameters are refused alike everywhere: unknown ones, and those sent twice that are single (GW-02).

Routes that take query parameters refuse unknown ones themselves, with their other faults. Here stand those that take
none, and repetition, of which the framework would silently take the last. What is read without signing in is left out:
programs that subscribe to a calendar add parameters of their own.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from yoyaku.booking.domain.errors import Violation
from yoyaku.booking.entrypoints.http.problems import Problem

_BELOW: Final = "/api/"
_NAMES_SHOWN: Final = 20
_NAME_LENGTH: Final = 100
_PATHS_REMEMBERED: Final = 2_000
"""The same addresses are asked for again and again; matching one against every route costs more than the rest."""


class _Names(NamedTuple):
    every: frozenset[str]
    lists: frozenset[str]


class QueryNames:
    """Wraps the routes; `document` is asked once, at the first request that has a query."""

    def __init__(self, app: ASGIApp, document: Callable[[], Mapping[str, Any]]) -> None:
        self._app = app
        self._document = document
        self._known: dict[tuple[str, str], _Names | None] = {}
        self._routes: list[tuple[Any, Mapping[str, _Names]]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what no route takes; pass on the rest."""
        if scope.get("query_string") and scope["path"].startswith(_BELOW):
            names = self._remembered(scope["method"], scope["path"])
            if names is not None:
                _check(scope["query_string"], names)
        await self._app(scope, receive, send)

    def _remembered(self, method: str, path: str) -> _Names | None:
        key = (method, path)
        if key not in self._known:
            if len(self._known) >= _PATHS_REMEMBERED:
                self._known.clear()
            self._known[key] = self._names(method, path)
        return self._known[key]

    def _names(self, method: str, path: str) -> _Names | None:
        if self._routes is None:
            self._routes = [
                (
                    compile_path(template)[0],
                    {verb.upper(): _names_of(found) for verb, found in verbs.items() if "security" in found},
                )
                for template, verbs in self._document()["paths"].items()
            ]
        for pattern, verbs in self._routes:
            if method in verbs and pattern.match(path):
                return verbs[method]
        return None


def _names_of(operation: Mapping[str, Any]) -> _Names:
    queries = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    lists = (parameter["name"] for parameter in queries if "array" in str(parameter["schema"]))
    return _Names(frozenset(parameter["name"] for parameter in queries), frozenset(lists))


def _check(query: bytes, names: _Names) -> None:
    sent = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    violations = [
        Violation(name[:_NAME_LENGTH], "repeated")
        for name, times in sent.items()
        if times > 1 and name in names.every - names.lists
    ]
    if not names.every:
        violations += [Violation(name[:_NAME_LENGTH], "unknown-field") for name in sent]
    if violations:
        raise Problem(422, "invalid-request", violations=violations[:_NAMES_SHOWN])
