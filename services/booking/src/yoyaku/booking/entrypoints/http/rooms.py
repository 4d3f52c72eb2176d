"""Rooms."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.contract import problems, secured, takes
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import link_to_next, reply
from yoyaku.booking.entrypoints.http.schemas.fields import INT32_MAX
from yoyaku.booking.entrypoints.http.schemas.rooms import CreateRoomInput, RoomList, RoomOutput
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.rooms import RoomFilter

router = APIRouter(prefix="/api/v1/rooms", tags=["Rooms"])


class RoomQuery(BaseModel):
    """Which page of the rooms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=0, le=INT32_MAX, description="Rooms with ids above this one.")] = 0
    limit: Annotated[int, Field(ge=1, le=200, description="Rooms on a page.")] = 50


@router.get(
    "",
    operation_id="listRooms",
    summary="List the rooms by id",
    response_model=RoomList,
    responses=problems(401, 422, 503),
    openapi_extra=secured(),
)
async def list_rooms(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[RoomQuery, Query()]
) -> Response:
    """For everybody who is signed in."""
    rooms, next_after = await gateway_of(request).rooms.list_rooms(
        caller, RoomFilter(), after=query.after, limit=query.limit
    )
    link = link_to_next(request, after=None if next_after is None else str(next_after))
    return reply(RoomList(items=[RoomOutput.of(room) for room in rooms]), headers=link)


@router.post(
    "",
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
    return reply(RoomOutput.of(room), 201)
