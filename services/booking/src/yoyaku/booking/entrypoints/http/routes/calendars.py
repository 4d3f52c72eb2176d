"""Calendar feeds: made and revoked by their owners, read by calendar programs that know nothing but the address."""

import asyncio
import re
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.calendar_feed import FeedKind
from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.openapi.contract import problems, secured, takes
from yoyaku.booking.entrypoints.http.preconditions import IF_NONE_MATCH_PARAMETER, is_known
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.entrypoints.http.schemas.calendars import (
    CalendarList,
    CalendarOutput,
    PublishCalendarInput,
    PublishedCalendarOutput,
)
from yoyaku.booking.entrypoints.http.texts.language import negotiate
from yoyaku.booking.usecases.caller import Caller

router = APIRouter(prefix="/api/v1/calendars", tags=["Calendars"])

MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?", re.ASCII)
_SECRET_PARAMETER: Final[dict[str, Any]] = {
    "name": "secret",
    "in": "path",
    "required": True,
    "description": "256 random bits; what is none is a 404 like what was revoked.",
    "schema": {"type": "string"},
}
_WRITTEN_AT_ONCE: Final = 50
"""Longer feeds are written in a thread: a thousand events take a fifth of a second that others would wait."""


@router.post(
    "",
    operation_id="publishCalendar",
    summary="Make a secret address for a calendar program",
    status_code=201,
    response_model=PublishedCalendarOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(PublishCalendarInput),
)
async def publish_calendar(request: Request) -> Response:
    """The address is shown once; whoever has it can read the feed until it is revoked."""
    caller = await caller_of(request)
    wanted = await read_body(request, PublishCalendarInput)
    if wanted.kind is FeedKind.ROOM and wanted.room_id is None:
        raise RuleBrokenError([Violation("room_id", "required")])
    if wanted.kind is FeedKind.MINE and wanted.room_id is not None:
        raise RuleBrokenError([Violation("room_id", "not-allowed")])
    language = wanted.language or negotiate(request.headers.get("accept-language"))
    feed, secret = await gateway_of(request).calendars.publish_calendar(caller, wanted.room_id, language)
    shown = PublishedCalendarOutput(
        **CalendarOutput.of(feed).model_dump(), url=f"{_origin(request)}{router.prefix}/{secret}.ics"
    )
    return reply(shown, 201)


def _origin(request: Request) -> str:
    """Return scheme and host as the caller reached this service; nothing when the host is no name of one."""
    host = request.headers.get("host", "")
    return f"{request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""


@router.get(
    "",
    operation_id="listCalendars",
    summary="List the own calendar feeds",
    response_model=CalendarList,
    responses=problems(401, 503),
    openapi_extra=secured(),
)
async def list_calendars(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """Without their addresses."""
    feeds = await gateway_of(request).calendars.list_calendars(caller)
    return reply(CalendarList(items=[CalendarOutput.of(feed) for feed in feeds]))


@router.delete(
    "/{calendar_id}",
    operation_id="revokeCalendar",
    summary="Revoke a calendar feed",
    status_code=204,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def revoke_calendar(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], calendar_id: UUID
) -> Response:
    """Its address says nothing from now on."""
    await gateway_of(request).calendars.revoke_calendar(caller, calendar_id)
    return Response(status_code=204)


@router.get(
    "/{secret}.ics",
    operation_id="readCalendar",
    summary="Read a calendar feed by its secret address",
    response_class=Response,
    responses={
        200: {"description": "The feed.", "content": {"text/calendar": {"schema": {"type": "string"}}}},
        304: {"description": "The caller has it already."},
        **problems(404, 503),
    },
    openapi_extra={"parameters": [_SECRET_PARAMETER, IF_NONE_MATCH_PARAMETER]},
)
async def read_calendar(request: Request) -> Response:
    """30 days back and 365 ahead, as iCalendar. An address that does not exist or was revoked is a 404."""
    calendars = gateway_of(request).calendars
    found, events = await calendars.read_calendar(request.path_params["secret"])
    tag = calendars.tag_of(found, events)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    if len(events) <= _WRITTEN_AT_ONCE:
        content = calendars.write(found, events)
    else:
        content = await asyncio.to_thread(calendars.write, found, events)
    return Response(
        content, headers=headers | {"Content-Disposition": 'inline; filename="yoyaku.ics"'}, media_type=MEDIA_TYPE
    )
