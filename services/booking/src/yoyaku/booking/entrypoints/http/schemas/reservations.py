"""Reservations."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

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
from yoyaku.booking.usecases.show_history import HistoryItem

Title = Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LENGTH, pattern=NO_CONTROL)]
Comment = Annotated[str, StringConstraints(max_length=COMMENT_LENGTH, pattern=NO_CONTROL_BUT_LINES)]


class PlaceReservationInput(Input):
    """A room and a half-open interval on its 30-minute grid, at most 8 hours."""

    room_id: RoomId
    starts_at: InputTime
    ends_at: InputTime
    title: Title = Field(examples=["Weekly review"])


class RescheduleReservationInput(Input):
    """What a reservation shall become; what is left out or null stays as it is."""

    room_id: RoomId | None = None
    starts_at: InputTime | None = None
    ends_at: InputTime | None = None
    title: Title | None = Field(default=None, examples=["Weekly review"])


class CancelReservationInput(Input):
    """Why a reservation is given up."""

    reason: CancelReason
    comment: Comment | None = Field(default=None, examples=["We meet online instead."])
    """Required when an ADMIN cancels somebody else's."""


class RestoreReservationInput(Input):
    """Why a cancelled reservation comes back."""

    comment: Annotated[
        str, StringConstraints(min_length=1, max_length=COMMENT_LENGTH, pattern=NO_CONTROL_BUT_LINES)
    ] = Field(examples=["Cancelled by mistake."])


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


class StepOutput(Output):
    """What a field was and what it became."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    before: int | str | None = Field(alias="from", examples=["2026-04-01T00:00:00Z"])
    after: int | str | None = Field(alias="to", examples=["2026-04-01T01:00:00Z"])


class HistoryItemOutput(Output):
    """One version of a reservation and what made it."""

    version: int
    at: UtcTime
    by: UUID
    action: Literal["place", "reschedule", "cancel", "restore"]
    changes: dict[Literal["room_id", "starts_at", "ends_at", "title", "status"], StepOutput]
    """Only what differs; times in UTC."""
    reason: CancelReason | None
    comment: str | None
    client_address: str | None
    """Where the request came from."""


class ReservationHistory(Output):
    """What happened to a reservation, oldest first; `Link` names the next page."""

    items: list[HistoryItemOutput]


def show_history_item(item: HistoryItem) -> dict[str, Any]:
    """Show one version of a reservation, for an ADMIN."""
    return {
        "version": item.version,
        "at": utc_text(item.at),
        "by": str(item.by),
        "action": item.action,
        "changes": {name: {"from": step.before, "to": step.after} for name, step in item.differences.items()},
        "reason": item.reason,
        "comment": item.comment,
        "client_address": item.client_address,
    }


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
