"""Facts about rooms and reservations. Ids instead of names; never a title or a person's words."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.subjects import (
    BOOKING_CALENDAR_PUBLISHED_V1,
    BOOKING_CALENDAR_REVOKED_V1,
    BOOKING_RESERVATION_CANCELLED_V1,
    BOOKING_RESERVATION_CONFIRMED_V1,
    BOOKING_RESERVATION_RESCHEDULED_V1,
    BOOKING_RESERVATION_RESTORED_V1,
    BOOKING_ROOM_CHANGED_V1,
    BOOKING_ROOM_CLOSED_V1,
    BOOKING_ROOM_CREATED_V1,
    BOOKING_ROOM_RETIRED_V1,
)
from yoyaku.contracts.values import Actor, Code, Identifier, Moment

RoomId = Annotated[int, Field(ge=1)]
"""The number of a room."""

Changed = Annotated[tuple[Code, ...], Field(min_length=1, max_length=50)]
"""The names of the fields that changed, sorted; never their values."""

Count = Annotated[int, Field(ge=0)]
"""How many."""


class CancellationReason(StrEnum):
    """Why a reservation was given up (BK-06)."""

    POSTPONED = "postponed"
    """It will take place at another time."""
    CALLED_OFF = "called_off"
    """It will not take place."""
    PARTICIPANT_UNAVAILABLE = "participant_unavailable"
    """Somebody needed cannot come."""
    ROOM_CHANGE = "room_change"
    """It takes place elsewhere."""
    MAINTENANCE = "maintenance"
    """The room is out of use."""
    EMERGENCY = "emergency"
    """Something urgent takes the room."""
    OTHER = "other"
    """None of these; the comment may say more."""


class RoomCreated(Event):
    """A room can be booked from now on."""

    TYPE: ClassVar[str] = BOOKING_ROOM_CREATED_V1

    room_id: RoomId
    site: Annotated[str, Field(min_length=1, max_length=200)]
    """Where it is."""
    capacity: Annotated[int, Field(ge=1)]
    """How many people it holds."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)]
    """IANA name of its time zone."""


class ReservationConfirmed(Event):
    """A reservation was accepted and holds its room over a half-open interval."""

    TYPE: ClassVar[str] = BOOKING_RESERVATION_CONFIRMED_V1

    reservation_id: Identifier
    room_id: RoomId
    person_id: Identifier
    """Whose reservation it is."""
    starts_at: Moment
    ends_at: Moment
    """The first moment after it."""


class ReservationCancelled(Event):
    """A reservation was given up; its interval is free again."""

    TYPE: ClassVar[str] = BOOKING_RESERVATION_CANCELLED_V1

    reservation_id: Identifier
    room_id: RoomId
    person_id: Identifier
    """Whose reservation it was."""
    cancelled_by: Actor
    """Who gave it up: the owner's or an ADMIN's id."""
    reason: CancellationReason
    has_comment: bool
    """Whether a comment is kept with the reservation; its text stays there."""


class ReservationRescheduled(Event):
    """A reservation moved to another time or room, or got another title; it holds its room without a gap."""

    TYPE: ClassVar[str] = BOOKING_RESERVATION_RESCHEDULED_V1

    reservation_id: Identifier
    room_id: RoomId
    person_id: Identifier
    """Whose reservation it is."""
    starts_at: Moment
    ends_at: Moment
    """The first moment after it."""
    previous_room_id: RoomId
    previous_starts_at: Moment
    previous_ends_at: Moment
    title_changed: bool
    """Whether the title is another now; its text stays with the reservation."""
    rescheduled_by: Actor


class ReservationRestored(Event):
    """A cancelled reservation holds its room again."""

    TYPE: ClassVar[str] = BOOKING_RESERVATION_RESTORED_V1

    reservation_id: Identifier
    room_id: RoomId
    person_id: Identifier
    """Whose reservation it is."""
    starts_at: Moment
    ends_at: Moment
    """The first moment after it."""
    restored_by: Actor


class RoomChanged(Event):
    """What is fixed about a room changed."""

    TYPE: ClassVar[str] = BOOKING_ROOM_CHANGED_V1

    room_id: RoomId
    changed: Changed
    conflicting_reservations: Count
    """How many accepted reservations do not fit the new rules; they stay accepted."""


class RoomClosed(Event):
    """A room takes no bookings over a half-open interval."""

    TYPE: ClassVar[str] = BOOKING_ROOM_CLOSED_V1

    room_id: RoomId
    closure_id: Identifier
    starts_at: Moment
    ends_at: Moment
    """The first moment after it."""
    cancelled_reservations: Count
    """How many accepted reservations were cancelled for it; each has an event of its own."""


class RoomRetired(Event):
    """A room takes no bookings any more."""

    TYPE: ClassVar[str] = BOOKING_ROOM_RETIRED_V1

    room_id: RoomId
    cancelled_reservations: Count
    """How many accepted reservations were cancelled for it; each has an event of its own."""


class CalendarKind(StrEnum):
    """What a calendar feed shows."""

    MINE = "mine"
    """The reservations of its owner, with titles."""
    ROOM = "room"
    """When one room is held."""


class CalendarPublished(Event):
    """Reservations can be read under a secret address from now on; the address is not part of the fact."""

    TYPE: ClassVar[str] = BOOKING_CALENDAR_PUBLISHED_V1

    calendar_id: Identifier
    person_id: Identifier
    """Whose calendar it is."""
    kind: CalendarKind
    room_id: RoomId | None = None
    """The room it shows; none when it shows the owner's reservations."""


class CalendarRevoked(Event):
    """A secret address says nothing any more."""

    TYPE: ClassVar[str] = BOOKING_CALENDAR_REVOKED_V1

    calendar_id: Identifier
    person_id: Identifier
    """Whose calendar it was."""
    kind: CalendarKind
    room_id: RoomId | None = None
    revoked_by: Actor
