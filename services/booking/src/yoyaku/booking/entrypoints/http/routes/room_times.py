"""When a room is closed, and when it is free."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.cursors import cursor_of, place_of
from yoyaku.booking.entrypoints.http.metrics import count_cancellations
from yoyaku.booking.entrypoints.http.openapi.contract import NOT_MODIFIED, asks, problems, secured, takes
from yoyaku.booking.entrypoints.http.preconditions import IF_NONE_MATCH_PARAMETER
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.queries import DayText, MomentText, asked, day_of, moment_of
from yoyaku.booking.entrypoints.http.remembered import answer_of, remembered_of
from yoyaku.booking.entrypoints.http.replies import page_links, reply, tagged_reply
from yoyaku.booking.entrypoints.http.schemas.closures import (
    AvailabilityOutput,
    CloseRoomInput,
    ClosureList,
    ClosureOutput,
    MadeClosureOutput,
    show_availability,
)
from yoyaku.booking.entrypoints.http.schemas.fields import RoomId
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.closures import ClosurePosition

router = APIRouter(prefix="/api/v1/rooms/{room_id}", tags=["Rooms"])


@router.post(
    "/closures",
    operation_id="closeRoom",
    summary="Close a room for a while",
    status_code=201,
    response_model=MadeClosureOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(CloseRoomInput),
)
async def close_room(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """For an ADMIN. Refused with 409 and `reservations` while accepted ones lie there, unless `force` cancels them."""
    wanted = await read_body(request, CloseRoomInput)
    entry, cancelled = await gateway_of(request).rooms.close_room(caller, room_id, wanted.wanted())
    if cancelled:
        count_cancellations(CancelReason.MAINTENANCE, cancelled)
    body = MadeClosureOutput(**ClosureOutput.facts(entry), cancelled_reservations=cancelled)
    return reply(body, 201, {"Location": f"{request.url.path}/{entry.closure.id}"})


class ClosureQuery(BaseModel):
    """Which closures, and which page of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[MomentText, Field(alias="from", title="From")] = None
    until: Annotated[MomentText, Field(alias="to", title="To")] = None
    cursor: Annotated[str | None, Field(max_length=200, description="From the `Link` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Closures on a page.")] = 50


@router.get(
    "/closures",
    operation_id="listClosures",
    summary="List when a room is closed",
    response_model=ClosureList,
    responses=problems(401, 404, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [IF_NONE_MATCH_PARAMETER]},
)
async def list_closures(
    request: Request,
    caller: Annotated[Caller, Depends(caller_of)],
    room_id: RoomId,
    query: Annotated[ClosureQuery, Query()],
) -> Response:
    """By start: all of them, or those that hold any of the time `from` to `to`. For everybody who is signed in."""
    place = place_of(query.cursor)
    entries, following = await gateway_of(request).rooms.list_closures(
        caller,
        room_id,
        since=moment_of("from", query.since),
        until=moment_of("to", query.until),
        after=None if place is None else ClosurePosition(*place),
        limit=query.limit,
    )
    links = page_links(request, cursor=None if following is None else cursor_of(following.starts_at, following.id))
    body = ClosureList(items=[ClosureOutput(**ClosureOutput.facts(entry)) for entry in entries])
    return tagged_reply(request, body, links)


@router.delete(
    "/closures/{closure_id}",
    operation_id="openRoomAgain",
    summary="Take a closure back",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def open_room_again(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId, closure_id: UUID
) -> Response:
    """For an ADMIN. What was cancelled for it stays cancelled."""
    await gateway_of(request).rooms.open_room_again(caller, room_id, closure_id)
    return Response(None, 204)


class AvailabilityQuery(BaseModel):
    """Which days: `date`, or `first_date` and `last_date`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: DayText = None
    first_date: DayText = None
    last_date: DayText = None


@router.get(
    "/availability",
    operation_id="showAvailability",
    summary="Show when a room is free",
    response_model=AvailabilityOutput,
    responses=problems(401, 404, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [*asks(AvailabilityQuery), IF_NONE_MATCH_PARAMETER]},
)
async def availability(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """Day by day of the room's own clock, 31 at most, the last included. For everybody who is signed in."""
    first, last = _wanted(asked(request, AvailabilityQuery))
    show, remembered = gateway_of(request).rooms.show_availability, remembered_of(request)
    key = ("availability", room_id, first, last)
    answer = remembered.find(key, await show.mark(caller, room_id, first, last))
    if answer is None:
        room, days, mark = await show(caller, room_id, first, last)
        answer = answer_of(mark, to_json(show_availability(room, days)), {})
        remembered.keep(key, answer)
    return answer.reply(request)


def _wanted(query: AvailabilityQuery) -> tuple[date, date]:
    day = day_of("date", query.date)
    first, last = day_of("first_date", query.first_date), day_of("last_date", query.last_date)
    if day is not None and first is None and last is None:
        return day, day
    if day is None and first is not None and last is not None:
        return first, last
    raise RuleBrokenError([Violation("date", "date-or-days")])
