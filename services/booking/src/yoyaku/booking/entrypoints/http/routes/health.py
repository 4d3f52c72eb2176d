"""Health of a gateway process: pass or fail for the public, the checks for an OPERATOR or ADMIN (GW-05)."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.domain.person import Role
from yoyaku.booking.entrypoints.http.principal import gateway_of, known_caller
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.observability.health import MEDIA_TYPE, HealthReport
from yoyaku.postgres.errors import PostgresError

router = APIRouter(prefix="/health", tags=["Health"])

_WATCHERS: Final = frozenset({Role.ADMIN, Role.OPERATOR})
_SCHEMA: Final = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": ["pass", "warn", "fail"]}},
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": {"status": example}}}}
    for status, text, example in ((200, "It passes.", "pass"), (503, "It fails.", "fail"))
}


@router.get("/live", operation_id="isLive", summary="Whether the process works", responses=_RESPONSES)
async def live(request: Request) -> Response:
    """Depends on nothing outside the process."""
    return await _answer(request, await gateway_of(request).health.live())


@router.get("/ready", operation_id="isReady", summary="Whether to send requests here", responses=_RESPONSES)
async def ready(request: Request) -> Response:
    """Depends on PostgreSQL; NATS away is a warning."""
    return await _answer(request, await gateway_of(request).health.ready())


@router.get("/startup", operation_id="isStarted", summary="Whether the start is over", responses=_RESPONSES)
async def startup(request: Request) -> Response:
    """Stays passed once it has passed."""
    return await _answer(request, await gateway_of(request).health.startup())


async def _answer(request: Request, report: HealthReport) -> Response:
    body = report.detailed() if await _is_watcher(request) else report.public()
    answer = reply(body, report.http_status)
    answer.headers["content-type"] = MEDIA_TYPE
    return answer


async def _is_watcher(request: Request) -> bool:
    try:
        return (await known_caller(request)).role in _WATCHERS
    except (NotAuthenticatedError, PostgresError):
        return False
