"""Reservations."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.person import Action, may
from yoyaku.booking.domain.reservation import COMMENT_LENGTH, TITLE_LENGTH, CancelReason, ReservationStatus
from yoyaku.booking.entrypoints.http.schemas.fields import (
    NO_CONTROL,
    NO_CONTROL_BUT_LINES,
    Input,
    InputTime,
    LocalTime,
    Output,
    RoomId,
    UtcTime,
    utc_text,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.reservations import ReservationEntry


class PlaceReservationInput(Input):
    """A room and a half-open interval on its 30-minute grid, at most 8 hours."""

    room_id: RoomId
    starts_at: InputTime
    ends_at: InputTime
    title: Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LENGTH, pattern=NO_CONTROL)] = Field(
        examples=["Weekly review"]
    )


class CancelReservationInput(Input):
    """Why a reservation is given up."""

    reason: CancelReason
    comment: Annotated[
        str | None, StringConstraints(max_length=COMMENT_LENGTH, pattern=NO_CONTROL_BUT_LINES), Field(default=None)
    ]
    """Required when an ADMIN cancels somebody else's."""


class CancellationOutput(Output):
    """When and why a reservation was given up."""

    at: UtcTime
    by: UUID | None
    """Who; shown to the owner and to an ADMIN."""
    reason: CancelReason
    comment: str | None
    """Shown to the owner and to an ADMIN."""


class ReservationOutput(Output):
    """A reservation. What is another user's own is null for a USER."""

    id: UUID
    room_id: RoomId
    person_id: UUID | None
    title: str | None
    status: ReservationStatus
    starts_at: UtcTime
    ends_at: UtcTime
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    time_zone: str
    version: int
    created_at: UtcTime
    cancellation: CancellationOutput | None


class ReservationList(Output):
    """A page of reservations by start; `Link` names the next one."""

    items: list[ReservationOutput]


def show_reservation(entry: ReservationEntry, caller: Caller) -> dict[str, Any]:
    """Show a reservation as `ReservationOutput`, without what the caller may not see.

    A plain mapping, because the path of a booking is hot; a test holds it against the model.
    """
    reservation = entry.reservation
    sees_all = reservation.person_id == caller.person_id or may(caller.role, Action.READ_ANY_TITLE)
    zone = entry.zone
    interval = reservation.interval
    cancellation = reservation.cancellation
    return {
        "id": str(reservation.id),
        "room_id": reservation.room_id,
        "person_id": str(reservation.person_id) if sees_all else None,
        "title": reservation.title if sees_all else None,
        "status": reservation.status.value,
        "starts_at": utc_text(interval.starts_at),
        "ends_at": utc_text(interval.ends_at),
        "starts_at_local": interval.starts_at.astimezone(zone).isoformat(),
        "ends_at_local": interval.ends_at.astimezone(zone).isoformat(),
        "time_zone": entry.time_zone,
        "version": reservation.version,
        "created_at": utc_text(reservation.created_at),
        "cancellation": None
        if cancellation is None
        else {
            "at": utc_text(cancellation.at),
            "by": str(cancellation.by) if sees_all else None,
            "reason": cancellation.reason.value,
            "comment": cancellation.comment if sees_all else None,
        },
    }
