"""The gateway as an ASGI application.

Invariant: every answer that is no success is a problem, whoever refused: a route, the framework, or the edge.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from yoyaku.booking.domain.errors import BookingError, NotPermittedError, TokenDeniedError
from yoyaku.booking.entrypoints.http.bodies import violations_of
from yoyaku.booking.entrypoints.http.edge.draining import Draining
from yoyaku.booking.entrypoints.http.edge.methods import AllowedMethods, Methods
from yoyaku.booking.entrypoints.http.edge.middleware import Edge
from yoyaku.booking.entrypoints.http.metrics import BY_REVOCATION, BY_ROLE, count_denial, create_series
from yoyaku.booking.entrypoints.http.openapi.contract import BEARER, REF_TEMPLATE, bodies, queried
from yoyaku.booking.entrypoints.http.openapi.document import complete
from yoyaku.booking.entrypoints.http.problems import Problem, problem_of, unexpected
from yoyaku.booking.entrypoints.http.query_names import QueryNames
from yoyaku.booking.entrypoints.http.remembered import RememberedAnswers
from yoyaku.booking.entrypoints.http.routes import (
    audit,
    auth,
    backups,
    calendars,
    docs,
    health,
    keys,
    reservation_lists,
    reservations,
    room_times,
    rooms,
    users,
)
from yoyaku.booking.entrypoints.http.schemas.problem import ProblemOutput
from yoyaku.booking.settings import SERVICE, GatewaySettings
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.wiring.gateway import Gateway
from yoyaku.lifecycle.process import utc_now, version_of
from yoyaku.postgres.errors import PostgresError

_DESCRIPTION: Final = """Books meeting rooms. Errors are `application/problem+json` (RFC 9457) with a stable `code`, in
English or Japanese by `Accept-Language`; every answer carries `X-Trace-Id`."""
_NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
"""The edge traces: FastAPI's own spans would start a second trace inside it, and cost more (decision 0041)."""
_ROUTERS: Final = (
    reservation_lists,
    reservations,
    room_times,
    rooms,
    auth,
    calendars,
    users,
    keys,
    audit,
    backups,
    health,
    docs,
)
"""In the order in which a request is compared with their routes, so what is asked for most stands first."""
_ALLOWED: Final = AllowedMethods(module.router for module in _ROUTERS)


def make_app(
    running: Callable[[], AbstractAsyncContextManager[Gateway]],
    *,
    settings: GatewaySettings,
    now: Clock = utc_now,
    draining: Draining | None = None,
) -> ASGIApp:
    """Return the application; `running` opens what it needs when the server starts it."""
    api = make_api()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running() as gateway:
            app.state.gateway = gateway
            create_series()
            yield

    api.router.lifespan_context = lifespan

    def gateway() -> Gateway:
        opened: Gateway = api.state.gateway
        return opened

    routes = Methods(QueryNames(api, api.openapi), _ALLOWED)
    return Edge(routes, gateway=gateway, settings=settings, now=now, draining=draining or Draining())


def make_api() -> FastAPI:
    """Return the routes with their description, not connected to anything."""
    api = FastAPI(
        title="Yoyaku",
        version=version_of(SERVICE),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=docs.OPENAPI_PATH,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    api.state.remembered = RememberedAnswers()
    for module in _ROUTERS:
        api.include_router(module.router)
    api.add_exception_handler(Exception, _on_unexpected)
    for kind in (Problem, BookingError, PostgresError, RequestValidationError, HTTPException):
        api.add_exception_handler(kind, _on_expected)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]
    return api


async def _on_expected(request: Request, error: Exception) -> Response:
    if isinstance(error, NotPermittedError):
        count_denial(BY_ROLE)
    elif isinstance(error, TokenDeniedError):
        count_denial(BY_REVOCATION)
    problem = _translated(request, error)
    if problem is None:
        raise error
    return problem.render(request.headers.get("accept-language"))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    """Answer; the framework raises the error again afterwards, and the edge logs it."""
    problem = problem_of(error) or unexpected()
    return problem.render(request.headers.get("accept-language"))


def _translated(request: Request, error: Exception) -> Problem | None:
    if isinstance(error, RequestValidationError):
        prefixes = ("query", "path", "header", "body")
        return Problem(422, "invalid-request", violations=violations_of(list(error.errors()), prefixes=prefixes))
    if isinstance(error, HTTPException):
        codes = {404: "not-found", 405: "method-not-allowed"}
        code = codes.get(error.status_code)
        allow = _ALLOWED(request.url.path)
        headers = {"Allow": allow} if code == "method-not-allowed" and allow else error.headers
        return Problem(error.status_code, code, headers=headers) if code else None
    return problem_of(error)


def _document(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        document = FastAPI.openapi(api)
        models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in bodies.values()]
        models.append((ProblemOutput, "serialization"))
        _, definitions = models_json_schema(models, ref_template=REF_TEMPLATE)
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update({**queried, **definitions["$defs"]})
        components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        complete(document)
        api.openapi_schema = document
    return api.openapi_schema
