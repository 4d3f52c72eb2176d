"""Rooms: find, make, change, retire."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.availability import open_intervals
from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.interval import YEARS, Interval
from yoyaku.booking.domain.local_time import day_interval
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.domain.room import CAPACITY_LIMIT, FEATURES_LIMIT, NAME_LENGTH, Room
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.metrics import count_cancellations
from yoyaku.booking.entrypoints.http.openapi.contract import NOT_MODIFIED, problems, secured, takes
from yoyaku.booking.entrypoints.http.preconditions import (
    IF_MATCH_PARAMETER,
    IF_NONE_MATCH_PARAMETER,
    etag_of,
    is_known,
    required_version,
)
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.queries import DayText, MomentText, day_of, moment_of
from yoyaku.booking.entrypoints.http.replies import address_with, page_links, reply, tagged_reply
from yoyaku.booking.entrypoints.http.schemas.fields import INT32_MAX, NO_CONTROL, RoomId
from yoyaku.booking.entrypoints.http.schemas.rooms import (
    ChangedRoomOutput,
    ChangeRoomInput,
    CreateRoomInput,
    DaysOutput,
    IntervalOutput,
    ListedRoomOutput,
    RetiredRoomOutput,
    RetireRoomInput,
    RoomList,
    RoomOutput,
    SiteList,
    SiteOutput,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.rooms import RoomFilter

router = APIRouter(prefix="/api/v1", tags=["Rooms"])

_WIDEST_ZONE = timedelta(hours=15)
_Text = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, pattern=NO_CONTROL)]


class RoomQuery(BaseModel):
    """Which rooms, and which page of them: everything given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Annotated[_Text | None, Field(description="Rooms of this site.")] = None
    capacity: Annotated[int | None, Field(ge=1, le=CAPACITY_LIMIT, description="For at least so many.")] = None
    feature: Annotated[list[_Text], Field(max_length=FEATURES_LIMIT, description="All of these.")] = Field(
        default_factory=list
    )
    active: Annotated[bool | None, Field(description="In use, or retired; both when left out.")] = None
    free_from: MomentText = None
    free_to: MomentText = None
    date: DayText = None
    after: Annotated[int, Field(ge=0, le=INT32_MAX, description="Rooms with ids above this one.")] = 0
    limit: Annotated[int, Field(ge=1, le=200, description="Rooms on a page.")] = 50


@router.get(
    "/rooms",
    operation_id="listRooms",
    summary="List the rooms by id",
    response_model=RoomList,
    responses=problems(401, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [IF_NONE_MATCH_PARAMETER]},
)
async def list_rooms(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[RoomQuery, Query()]
) -> Response:
    """For everybody who is signed in.

    With `free_from` and `free_to`, rooms that a booking of that time would find open and free, its buffers counted; a
    page may then be short though `Link` names a next one. With `date`, when each room is open on that day of its own.
    """
    day = day_of("date", query.date)
    if day is not None and day.year not in YEARS:
        raise RuleBrokenError([Violation("date", "absurd-time", {"max_year": YEARS[-1]})])
    wanted = RoomFilter(query.site, query.capacity, tuple(query.feature), query.active, _free(query))
    rooms, following = await gateway_of(request).rooms.list_rooms(
        caller, wanted, after=query.after, limit=query.limit, closures_in=None if day is None else _anywhere(day)
    )
    body = RoomList(
        items=[
            ListedRoomOutput(**RoomOutput.of(room).__dict__, open=None if day is None else _open(room, day))
            for room in rooms
        ],
        days=None if day is None else _days(request, day),
    )
    return tagged_reply(request, body, page_links(request, after=None if following is None else str(following)))


def _free(query: RoomQuery) -> Interval | None:
    free_from, free_to = moment_of("free_from", query.free_from), moment_of("free_to", query.free_to)
    if free_from is None and free_to is None:
        return None
    if free_from is None or free_to is None:
        raise RuleBrokenError([Violation("free_to" if free_to is None else "free_from", "both-or-none")])
    broken = [
        Violation(name, "absurd-time", {"max_year": YEARS[-1]})
        for name, at in (("free_from", free_from), ("free_to", free_to))
        if at.year not in YEARS
    ]
    if not broken and free_to <= free_from:
        broken.append(Violation("free_to", "not-after-start"))
    if not broken and free_to - free_from > _LONGEST_FREE:
        broken.append(Violation("free_to", "too-many-days", {"max_days": _LONGEST_FREE.days}))
    if broken:
        raise RuleBrokenError(broken)
    return Interval(free_from, free_to)


_LONGEST_FREE = timedelta(days=31)


def _anywhere(day: date) -> Interval:
    """Return when it may be that day somewhere."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Interval(midnight - _WIDEST_ZONE, midnight + timedelta(days=1) + _WIDEST_ZONE)


def _open(room: Room, day: date) -> list[IntervalOutput]:
    whole = day_interval(day, room.zone)
    return [
        IntervalOutput(
            starts_at=interval.starts_at,
            ends_at=interval.ends_at,
            starts_at_local=interval.starts_at.astimezone(room.zone),
            ends_at_local=interval.ends_at.astimezone(room.zone),
        )
        for interval in (open_intervals(room, whole) if whole else ())
    ]


def _days(request: Request, day: date) -> DaysOutput:
    beside = [(day + timedelta(days=step)).isoformat() for step in (-1, 1)]
    previous, following = (address_with(request, date=text, after=None) for text in beside)
    return DaysOutput(date=day.isoformat(), previous=previous, next=following)


@router.get(
    "/sites",
    operation_id="listSites",
    summary="List the sites",
    response_model=SiteList,
    responses=problems(401, 503),
    openapi_extra=secured(),
)
async def list_sites(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """Every place that has rooms, by name. For everybody who is signed in."""
    sites = await gateway_of(request).rooms.list_sites(caller)
    return reply(SiteList(items=[SiteOutput.of(site) for site in sites]))


@router.post(
    "/rooms",
    operation_id="createRoom",
    summary="Add a room",
    status_code=201,
    response_model=RoomOutput,
    responses=problems(401, 409, 503, body=True),
    openapi_extra=takes(CreateRoomInput),
)
async def create_room(request: Request) -> Response:
    """For an ADMIN."""
    caller = await caller_of(request)
    wanted = await read_body(request, CreateRoomInput)
    room = await gateway_of(request).rooms.create_room(caller, wanted.wanted())
    headers = {"ETag": etag_of(room.version), "Location": f"{router.prefix}/rooms/{room.id}"}
    return reply(RoomOutput.of(room), 201, headers)


@router.get(
    "/rooms/{room_id}",
    operation_id="getRoom",
    summary="Read a room",
    response_model=RoomOutput,
    responses=problems(401, 404, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [IF_NONE_MATCH_PARAMETER]},
)
async def get_room(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """In use or retired. For everybody who is signed in."""
    room = await gateway_of(request).rooms.get_room(caller, room_id)
    headers = {"ETag": etag_of(room.version)}
    if is_known(request, headers["ETag"]):
        return Response(None, 304, headers)
    return reply(RoomOutput.of(room), headers=headers)


@router.patch(
    "/rooms/{room_id}",
    operation_id="changeRoom",
    summary="Change a room",
    response_model=ChangedRoomOutput,
    responses=problems(401, 404, 409, 412, 428, 503, body=True),
    openapi_extra=takes(ChangeRoomInput, parameters=[IF_MATCH_PARAMETER]),
)
async def change_room(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """For an ADMIN. Accepted reservations stay; those that the new rules would not let in are named in `conflicts`."""
    expected = required_version(request)
    wanted = await read_body(request, ChangeRoomInput)
    changed = await gateway_of(request).rooms.change_room(caller, room_id, expected, wanted.wanted())
    return reply(ChangedRoomOutput.of(changed), headers={"ETag": etag_of(changed.room.version)})


@router.post(
    "/rooms/{room_id}/retire",
    operation_id="retireRoom",
    summary="Take a room out of use",
    response_model=RetiredRoomOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(RetireRoomInput),
)
async def retire_room(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """For an ADMIN. Refused with 409 while accepted reservations are not over, unless `force` cancels them."""
    given = await read_body(request, RetireRoomInput)
    room, cancelled = await gateway_of(request).rooms.retire_room(
        caller, room_id, reason=given.reason, force=given.force
    )
    if cancelled:
        count_cancellations(CancelReason.MAINTENANCE, cancelled)
    body = RetiredRoomOutput(room=RoomOutput.of(room), cancelled_reservations=cancelled)
    return reply(body, headers={"ETag": etag_of(room.version)})


@router.post(
    "/rooms/{room_id}/reinstate",
    operation_id="reinstateRoom",
    summary="Take a retired room into use again",
    response_model=RoomOutput,
    responses=problems(401, 404, 409, 422, 503),
    openapi_extra=secured(),
)
async def reinstate_room(request: Request, caller: Annotated[Caller, Depends(caller_of)], room_id: RoomId) -> Response:
    """For an ADMIN. What was cancelled stays cancelled."""
    room = await gateway_of(request).rooms.reinstate_room(caller, room_id)
    return reply(RoomOutput.of(room), headers={"ETag": etag_of(room.version)})
