"""Closures of rooms, and what is free."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.availability import BusyKind, DayPlan
from yoyaku.booking.domain.closure import REASON_LENGTH
from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.entrypoints.http.schemas.fields import (
    NO_CONTROL,
    Input,
    InputTime,
    LocalTime,
    Output,
    RoomId,
    UtcTime,
)
from yoyaku.booking.entrypoints.http.schemas.rooms import IntervalOutput, show_interval
from yoyaku.booking.usecases.close_room import Closing, Days, Times
from yoyaku.booking.usecases.ports.closures import ClosureEntry


class CloseRoomInput(Input):
    """When a room takes no bookings, and why: `starts_at` and `ends_at`, or `first_date` and `last_date`."""

    starts_at: InputTime | None = None
    """On the half hours of the room's clock."""
    ends_at: InputTime | None = None
    first_date: Annotated[datetime.date | None, Field(examples=["2026-12-29"])] = None
    """Whole days by the room's clock."""
    last_date: Annotated[datetime.date | None, Field(examples=["2027-01-03"])] = None
    """Closed, too."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LENGTH, pattern=NO_CONTROL)] = Field(
        examples=["New Year"]
    )
    """Shown to everybody who asks why."""
    force: bool = False
    """Cancel the accepted reservations that lie there, with the reason."""

    def wanted(self) -> Closing:
        """Return what the use case takes. Raises RuleBrokenError unless exactly one pair is given."""
        times, days = (self.starts_at, self.ends_at), (self.first_date, self.last_date)
        if times == (None, None) and None not in days:
            return Closing(Days(*days), self.reason, self.force)  # type: ignore[arg-type]
        if days == (None, None) and None not in times:
            return Closing(Times(*times), self.reason, self.force)  # type: ignore[arg-type]
        raise RuleBrokenError([Violation("starts_at", "times-or-days")])


class ClosureOutput(Output):
    """A time in which a room takes no bookings."""

    id: UUID
    room_id: RoomId
    starts_at: UtcTime
    ends_at: UtcTime
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    reason: str
    created_at: UtcTime

    @classmethod
    def facts(cls, entry: ClosureEntry) -> dict[str, Any]:
        """Return what there is to show of a closure."""
        interval, zone = entry.closure.interval, entry.zone
        return {
            "id": entry.closure.id,
            "room_id": entry.room_id,
            "starts_at": interval.starts_at,
            "ends_at": interval.ends_at,
            "starts_at_local": interval.starts_at.astimezone(zone),
            "ends_at_local": interval.ends_at.astimezone(zone),
            "reason": entry.closure.reason,
            "created_at": entry.created_at,
        }


class MadeClosureOutput(ClosureOutput):
    """A closure that was just made."""

    cancelled_reservations: int


class ClosureList(Output):
    """A page of closures by start; `Link` names the next one."""

    items: list[ClosureOutput]


class BusyOutput(IntervalOutput):
    """A time that cannot be booked, and why."""

    kind: BusyKind


class DayOutput(Output):
    """A day by the room's own clock: free and busy fill it without a gap."""

    date: str = Field(examples=["2026-04-01"])
    free: list[IntervalOutput]
    """Where a new booking may lie, the buffers of both sides counted; on the half hours of the room's clock."""
    busy: list[BusyOutput]


class AvailabilityOutput(Output):
    """When a room is free. The booking window is not part of it."""

    room_id: RoomId
    time_zone: str
    days: list[DayOutput]


def show_availability(room: Room, days: Sequence[DayPlan]) -> dict[str, Any]:
    """Show days as `AvailabilityOutput`: a plain mapping, because people look at it all the time."""
    zone = room.zone
    return {
        "room_id": room.id,
        "time_zone": room.time_zone,
        "days": [
            {
                "date": day.date.isoformat(),
                "free": [show_interval(interval, zone) for interval in day.free],
                "busy": [{**show_interval(busy.interval, zone), "kind": busy.kind.value} for busy in day.busy],
            }
            for day in days
        ],
    }
