"""Lists of reservations: everybody's and the own, page by page."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.reservation import ReservationStatus
from yoyaku.booking.domain.room import NAME_LENGTH
from yoyaku.booking.entrypoints.http.cursors import cursor_of, place_of
from yoyaku.booking.entrypoints.http.openapi.contract import NOT_MODIFIED, asks, problems, secured
from yoyaku.booking.entrypoints.http.preconditions import IF_NONE_MATCH_PARAMETER
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.queries import DayText, MomentText, asked, day_of, moment_of
from yoyaku.booking.entrypoints.http.remembered import answer_of, remembered_of
from yoyaku.booking.entrypoints.http.replies import page_links, tagged_reply
from yoyaku.booking.entrypoints.http.schemas.fields import INT32_MAX, NO_CONTROL
from yoyaku.booking.entrypoints.http.schemas.reservations import ReservationList, show_reservation
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.list_reservations import Page
from yoyaku.booking.usecases.ports.reservations import Listing, Position

router = APIRouter(prefix="/api/v1/reservations", tags=["Reservations"])


class PageQuery(BaseModel):
    """Which page of a list, and of which time and status."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[MomentText, Field(alias="from", title="From")] = None
    until: Annotated[MomentText, Field(alias="to", title="To")] = None
    status: Annotated[ReservationStatus | None, Field(title="Status", description="Any when left out.")] = None
    cursor: Annotated[str | None, Field(max_length=200, description="From the `Link` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Reservations on a page.")] = 50


class ReservationQuery(PageQuery):
    """Which reservations, and which page of them: everything given must hold."""

    date: DayText = None
    room_id: Annotated[int | None, Field(ge=1, le=INT32_MAX)] = None
    site: Annotated[str | None, Field(min_length=1, max_length=NAME_LENGTH, pattern=NO_CONTROL)] = None
    person_id: Annotated[UUID | None, Field(description="Another person's: for an ADMIN or OPERATOR.")] = None


@router.get(
    "",
    operation_id="listReservations",
    summary="List reservations",
    response_model=ReservationList,
    responses=problems(401, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [*asks(ReservationQuery), IF_NONE_MATCH_PARAMETER]},
)
async def list_reservations(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """What holds any of a `date`, or of the time `from` to `to`, by start; needed unless a room or person is named.

    Another user's title is null for a USER.
    """
    query = asked(request, ReservationQuery)
    if query.date is not None and (query.since is not None or query.until is not None):
        raise RuleBrokenError([Violation("date", "either-or")])
    wanted = Listing(
        day=day_of("date", query.date),
        since=moment_of("from", query.since),
        until=moment_of("to", query.until),
        room_id=query.room_id,
        site=query.site,
        person_id=query.person_id,
        status=query.status,
    )
    page = await gateway_of(request).reservations.list_reservations(
        caller, wanted, after=_position(query.cursor), limit=query.limit
    )
    return _shown(request, page, caller)


@router.get(
    "/my",
    operation_id="listMyReservations",
    summary="List the own reservations",
    response_model=ReservationList,
    responses=problems(401, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [*asks(PageQuery), IF_NONE_MATCH_PARAMETER]},
)
async def list_my_reservations(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """All of them, or those that hold any of the time `from` to `to`; the earliest start first."""
    if not request.scope["query_string"]:
        return await _own(request, caller, PageQuery().limit)
    query = asked(request, PageQuery)
    wanted = Listing(since=moment_of("from", query.since), until=moment_of("to", query.until), status=query.status)
    page = await gateway_of(request).reservations.list_my_reservations(
        caller, wanted, after=_position(query.cursor), limit=query.limit
    )
    return _shown(request, page, caller)


async def _own(request: Request, caller: Caller, limit: int) -> Response:
    """What people open the application with: given again while nothing changed."""
    own, remembered = gateway_of(request).reservations.list_my_reservations, remembered_of(request)
    key = ("own", caller.person_id, limit)
    answer = remembered.find(key, await own.mark(caller, limit=limit))
    if answer is None:
        mark, page = await own.first_page(caller, limit=limit)
        answer = answer_of(mark, to_json(_body(page, caller)), _links(request, page))
        remembered.keep(key, answer)
    return answer.reply(request)


def _shown(request: Request, page: Page, caller: Caller) -> Response:
    return tagged_reply(request, _body(page, caller), _links(request, page))


def _body(page: Page, caller: Caller) -> dict[str, Any]:
    entries, _ = page
    return {"items": [show_reservation(entry, caller) for entry in entries]}


def _links(request: Request, page: Page) -> dict[str, str]:
    _, following = page
    return page_links(request, cursor=None if following is None else cursor_of(following.starts_at, following.id))


def _position(cursor: str | None) -> Position | None:
    place = place_of(cursor)
    return None if place is None else Position(*place)
