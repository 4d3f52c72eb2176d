"""Reservations: place, read, move, cancel, restore, and what happened to them."""

import hashlib
import re
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.rescheduling import Wanted
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.lean_route import LeanRoute
from yoyaku.booking.entrypoints.http.metrics import (
    CANCELLED,
    CONFIRMED,
    REPLAYED,
    RESCHEDULED,
    RESTORED,
    UNCHANGED,
    count_cancellations,
    count_reservation,
    refusals_counted,
)
from yoyaku.booking.entrypoints.http.openapi.contract import NOT_MODIFIED, problems, secured, takes
from yoyaku.booking.entrypoints.http.preconditions import (
    IF_MATCH_PARAMETER,
    IF_NONE_MATCH_PARAMETER,
    OPTIONAL_IF_MATCH_PARAMETER,
    etag_of_answer,
    is_known,
    optional_version,
    required_version,
)
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import JSON, link_to_next, reply
from yoyaku.booking.entrypoints.http.schemas.fields import INT32_MAX
from yoyaku.booking.entrypoints.http.schemas.reservations import (
    CancelReservationInput,
    Comment,
    PlaceReservationInput,
    RescheduleReservationInput,
    ReservationHistory,
    ReservationOutput,
    RestoreReservationInput,
    show_history_item,
    show_reservation,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.place_reservation import Once, Wish
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import ReservationEntry

router = APIRouter(prefix="/api/v1/reservations", tags=["Reservations"], route_class=LeanRoute)

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
KEY_LENGTH: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{KEY_LENGTH}}}")
_ID: Final = re.compile(r'"id":"([0-9a-f-]{36})"')
_KEY_PARAMETER: Final[dict[str, Any]] = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "A repeat under the same key gets the first answer again (kept for 24 hours).",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
}


@router.post(
    "",
    operation_id="placeReservation",
    summary="Book a room",
    status_code=201,
    response_model=ReservationOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(PlaceReservationInput, parameters=[_KEY_PARAMETER]),
)
async def place_reservation(request: Request) -> Response:
    """Send an `Idempotency-Key`, and a booking whose answer got lost can be asked for again safely."""
    caller = await caller_of(request)
    wanted = await read_body(request, PlaceReservationInput)
    wish = Wish(wanted.room_id, wanted.starts_at, wanted.ends_at, wanted.title)
    once = _once(request, wanted, caller)
    with refusals_counted():
        outcome = await gateway_of(request).reservations.place_reservation(caller, wish, once)
    if isinstance(outcome, ReservationEntry):
        count_reservation(CONFIRMED)
        return _shown(outcome, caller, 201)
    count_reservation(REPLAYED if outcome.replayed else CONFIRMED)
    return _kept(outcome)


def _once(request: Request, wanted: PlaceReservationInput, caller: Caller) -> Once | None:
    keys = request.headers.getlist(KEY_HEADER)
    if not keys:
        return None
    key = keys[0]
    if len(keys) > 1 or not _KEY.fullmatch(key):
        raise RuleBrokenError([Violation(KEY_HEADER, "bad-key", {"max_length": KEY_LENGTH})])
    fingerprint = hashlib.sha256(b"placeReservation\n" + wanted.model_dump_json().encode()).digest()
    return Once(key, fingerprint, partial(_rendered, caller=caller))


def _rendered(entry: ReservationEntry, *, caller: Caller) -> StoredAnswer:
    return StoredAnswer(201, to_json(show_reservation(entry, caller)))


def _kept(answer: StoredAnswer) -> Response:
    headers = {REPLAYED_HEADER: "true"} if answer.replayed else {}
    found = _ID.search(answer.body.decode())
    if found is not None:
        headers["Location"] = f"{router.prefix}/{found[1]}"
        headers["ETag"] = etag_of_answer(1, answer.body)
    return Response(answer.body, answer.status, headers, media_type=JSON)


def _shown(entry: ReservationEntry, caller: Caller, status: int = 200) -> Response:
    body = to_json(show_reservation(entry, caller))
    headers = {"ETag": etag_of_answer(entry.reservation.version, body)}
    if status == 201:
        headers["Location"] = f"{router.prefix}/{entry.reservation.id}"
    return Response(body, status, headers, media_type=JSON)


@router.get(
    "/{reservation_id}",
    operation_id="getReservation",
    summary="Read a reservation",
    response_model=ReservationOutput,
    responses=problems(401, 404, 422, 503) | NOT_MODIFIED,
    openapi_extra={**secured(), "parameters": [IF_NONE_MATCH_PARAMETER]},
)
async def get_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """In any status; another user's title is null for a USER."""
    entry = await gateway_of(request).reservations.get_reservation(caller, reservation_id)
    answer = _shown(entry, caller)
    tag = answer.headers["ETag"]
    return Response(None, 304, {"ETag": tag}) if is_known(request, tag) else answer


@router.patch(
    "/{reservation_id}",
    operation_id="rescheduleReservation",
    summary="Move a reservation, or give it another title",
    response_model=ReservationOutput,
    responses=problems(401, 404, 409, 412, 428, 503, body=True),
    openapi_extra=takes(RescheduleReservationInput, parameters=[IF_MATCH_PARAMETER]),
)
async def reschedule_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """The own one, or as ADMIN anyone's. What has begun keeps its start and room; its end may still move."""
    expected = required_version(request)
    given = await read_body(request, RescheduleReservationInput)
    wanted = Wanted(given.room_id, given.starts_at, given.ends_at, given.title)
    with refusals_counted():
        entry, changed = await gateway_of(request).reservations.reschedule_reservation(
            caller, reservation_id, wanted, expected
        )
    count_reservation(RESCHEDULED if changed else UNCHANGED)
    return _shown(entry, caller)


@router.post(
    "/{reservation_id}/cancel",
    operation_id="cancelReservation",
    summary="Give a reservation up",
    response_model=ReservationOutput,
    responses=problems(401, 404, 409, 412, 503, body=True),
    openapi_extra=takes(CancelReservationInput, parameters=[OPTIONAL_IF_MATCH_PARAMETER]),
)
async def cancel_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """The own one, or as ADMIN anyone's, then with a comment."""
    given = await read_body(request, CancelReservationInput)
    return _shown(await _cancelled(request, caller, reservation_id, given.reason, given.comment), caller)


class CancelQuery(BaseModel):
    """Why a reservation is given up, in the short form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: CancelReason = CancelReason.CALLED_OFF
    comment: Annotated[Comment | None, Field(description="Required when an ADMIN cancels somebody else's.")] = None


@router.delete(
    "/{reservation_id}",
    operation_id="deleteReservation",
    summary="Give a reservation up, in short",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 409, 412, 422, 503),
    openapi_extra={**secured(), "parameters": [OPTIONAL_IF_MATCH_PARAMETER]},
)
async def delete_reservation(
    request: Request,
    caller: Annotated[Caller, Depends(caller_of)],
    reservation_id: UUID,
    query: Annotated[CancelQuery, Query()],
) -> Response:
    """The same as cancel; the reservation stays to be read, as cancelled."""
    await _cancelled(request, caller, reservation_id, query.reason, query.comment)
    return Response(None, 204)


async def _cancelled(
    request: Request, caller: Caller, reservation_id: UUID, reason: CancelReason, comment: str | None
) -> ReservationEntry:
    expected = optional_version(request)
    with refusals_counted():
        entry = await gateway_of(request).reservations.cancel_reservation(
            caller, reservation_id, reason=reason, comment=comment, expected=expected
        )
    count_reservation(CANCELLED)
    count_cancellations(reason)
    return entry


@router.post(
    "/{reservation_id}/restore",
    operation_id="restoreReservation",
    summary="Let a cancelled reservation hold its room again",
    response_model=ReservationOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(RestoreReservationInput),
)
async def restore_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """For an ADMIN, while its time is not over and its room is free."""
    given = await read_body(request, RestoreReservationInput)
    with refusals_counted():
        entry = await gateway_of(request).reservations.restore_reservation(caller, reservation_id, given.comment)
    count_reservation(RESTORED)
    return _shown(entry, caller)


class HistoryQuery(BaseModel):
    """Which page of a history."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=0, le=INT32_MAX, description="Versions above this one.")] = 0
    limit: Annotated[int, Field(ge=1, le=200, description="Versions on a page.")] = 50


@router.get(
    "/{reservation_id}/history",
    operation_id="showReservationHistory",
    summary="Read what happened to a reservation",
    response_model=ReservationHistory,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def show_history(
    request: Request,
    caller: Annotated[Caller, Depends(caller_of)],
    reservation_id: UUID,
    query: Annotated[HistoryQuery, Query()],
) -> Response:
    """For an ADMIN: who, when, what, why and from where, oldest first."""
    items, following = await gateway_of(request).reservations.show_history(
        caller, reservation_id, after=query.after, limit=query.limit
    )
    link = link_to_next(request, after=None if following is None else str(following))
    return reply({"items": [show_history_item(item) for item in items]}, headers=link)
