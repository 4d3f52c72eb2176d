"""Reservations: place, read, list by date, cancel."""

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.contract import problems, secured, takes
from yoyaku.booking.entrypoints.http.metrics import (
    CANCELLED,
    CONFIRMED,
    REPLAYED,
    count_reservation,
    refusals_counted,
)
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import JSON, link_to_next, reply
from yoyaku.booking.entrypoints.http.schemas.fields import INT32_MAX
from yoyaku.booking.entrypoints.http.schemas.reservations import (
    CancelReservationInput,
    PlaceReservationInput,
    ReservationList,
    ReservationOutput,
    show_reservation,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.place_reservation import Once, Wish
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import Position, ReservationEntry

router = APIRouter(prefix="/api/v1/reservations", tags=["Reservations"])

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
KEY_LENGTH: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{KEY_LENGTH}}}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
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
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
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
        headers["ETag"] = '"1"'
    return Response(answer.body, answer.status, headers, media_type=JSON)


def _shown(entry: ReservationEntry, caller: Caller, status: int = 200) -> Response:
    headers = {"ETag": f'"{entry.reservation.version}"'}
    if status == 201:
        headers["Location"] = f"{router.prefix}/{entry.reservation.id}"
    return reply(show_reservation(entry, caller), status, headers)


class ReservationQuery(BaseModel):
    """Which reservations, and which page of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: Annotated[
        str,
        Field(
            description="The day by each room's own clock.",
            examples=["2026-04-01"],
            json_schema_extra={"format": "date"},
        ),
    ]
    room_id: Annotated[int | None, Field(ge=1, le=INT32_MAX)] = None
    cursor: Annotated[str | None, Field(max_length=200, description="From the `Link` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.get(
    "",
    operation_id="listReservations",
    summary="List the reservations of a day",
    response_model=ReservationList,
    responses=problems(401, 422, 503),
    openapi_extra=secured(),
)
async def list_reservations(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[ReservationQuery, Query()]
) -> Response:
    """By start; another user's title is null for a USER."""
    entries, following = await gateway_of(request).reservations.list_reservations(
        caller, _day(query.date), room_id=query.room_id, after=_position(query.cursor), limit=query.limit
    )
    link = link_to_next(request, cursor=None if following is None else _cursor(following))
    return reply({"items": [show_reservation(entry, caller) for entry in entries]}, headers=link)


def _day(text: str) -> date:
    try:
        # date.fromisoformat also takes the weeks and ordinal days of ISO 8601.
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RuleBrokenError([Violation("date", "bad-date")])


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position.starts_at.isoformat()} {position.id}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    try:
        starts_at, _, reservation_id = (
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            .decode("ascii")
            .partition(" ")
        )
        position = Position(datetime.fromisoformat(starts_at), UUID(reservation_id))
        if position.starts_at.utcoffset() is not None:
            return replace(position, starts_at=position.starts_at.astimezone(UTC))
    except (ValueError, OverflowError, binascii.Error):
        pass
    raise RuleBrokenError([Violation("cursor", "bad-cursor")])


@router.get(
    "/{reservation_id}",
    operation_id="getReservation",
    summary="Read a reservation",
    response_model=ReservationOutput,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def get_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """In any status; another user's title is null for a USER."""
    return _shown(await gateway_of(request).reservations.get_reservation(caller, reservation_id), caller)


@router.post(
    "/{reservation_id}/cancel",
    operation_id="cancelReservation",
    summary="Give a reservation up",
    response_model=ReservationOutput,
    responses=problems(401, 404, 409, 503, body=True),
    openapi_extra=takes(CancelReservationInput),
)
async def cancel_reservation(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], reservation_id: UUID
) -> Response:
    """The own one, or as ADMIN anyone's, then with a comment."""
    given = await read_body(request, CancelReservationInput)
    with refusals_counted():
        entry = await gateway_of(request).reservations.cancel_reservation(
            caller, reservation_id, reason=given.reason, comment=given.comment
        )
    count_reservation(CANCELLED)
    return _shown(entry, caller)
