"""A reservation and its life: one table of transitions, the same one the docs draw.

Invariant: a status changes only along `TRANSITIONS`; only statuses in `HOLDS_THE_ROOM` keep others out. Each change
raises `version` by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.errors import (
    ReservationAlreadyCancelledError,
    ReservationEndedError,
    ReservationNotCancelledError,
)
from yoyaku.booking.domain.interval import Interval

TITLE_LENGTH: Final = 200
COMMENT_LENGTH: Final = 500


class ReservationStatus(StrEnum):
    """Where a reservation stands."""

    CONFIRMED = "confirmed"
    """It holds its room."""
    CANCELLED = "cancelled"
    """It was given up; the room is free for others."""


class Act(StrEnum):
    """What can be done to a reservation."""

    CANCEL = "cancel"
    """Give the room back."""
    RESCHEDULE = "reschedule"
    """Move it to another time or room, or give it another title."""
    RESTORE = "restore"
    """Take the room again after a cancellation."""


TRANSITIONS: Final[Mapping[tuple[ReservationStatus, Act], ReservationStatus]] = {
    (ReservationStatus.CONFIRMED, Act.CANCEL): ReservationStatus.CANCELLED,
    (ReservationStatus.CONFIRMED, Act.RESCHEDULE): ReservationStatus.CONFIRMED,
    (ReservationStatus.CANCELLED, Act.RESTORE): ReservationStatus.CONFIRMED,
}
HOLDS_THE_ROOM: Final = frozenset({ReservationStatus.CONFIRMED})


class CancelReason(StrEnum):
    """Why a reservation was given up (BK-06)."""

    POSTPONED = "postponed"
    CALLED_OFF = "called_off"
    PARTICIPANT_UNAVAILABLE = "participant_unavailable"
    ROOM_CHANGE = "room_change"
    MAINTENANCE = "maintenance"
    EMERGENCY = "emergency"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Who gave the reservation up, when and why. `comment` is at most `COMMENT_LENGTH` characters."""

    at: datetime
    by: UUID
    reason: CancelReason
    comment: str | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """One room held by one person for one interval. `version` grows by one with each change."""

    id: UUID
    room_id: int
    person_id: UUID
    interval: Interval
    title: str
    status: ReservationStatus
    version: int
    created_at: datetime
    cancellation: Cancellation | None = None

    def cancelled(self, cancellation: Cancellation) -> "Reservation":
        """Return the reservation as cancelled.

        Raises ReservationAlreadyCancelledError when it was before, ReservationEndedError when it is over by then.
        """
        after = self.status_after(Act.CANCEL, cancellation.at)
        return replace(self, status=after, version=self.version + 1, cancellation=cancellation)

    def rescheduled(self, *, room_id: int, interval: Interval, title: str, at: datetime) -> "Reservation":
        """Return the reservation as moved or renamed; whether the room may be booked then is judged elsewhere.

        Raises ReservationAlreadyCancelledError, and ReservationEndedError when it is over by then.
        """
        after = self.status_after(Act.RESCHEDULE, at)
        return replace(self, room_id=room_id, interval=interval, title=title, status=after, version=self.version + 1)

    def restored(self, at: datetime) -> "Reservation":
        """Return the reservation as confirmed again; whether the room is still free is judged elsewhere.

        Raises ReservationNotCancelledError, and ReservationEndedError when its time is over by then.
        """
        after = self.status_after(Act.RESTORE, at)
        return replace(self, status=after, version=self.version + 1, cancellation=None)

    def has_begun(self, at: datetime) -> bool:
        """Say whether its time has come by then."""
        return self.interval.starts_at <= at

    def status_after(self, act: Act, at: datetime) -> ReservationStatus:
        """Return where the act would bring it at that time.

        Raises ReservationAlreadyCancelledError, ReservationNotCancelledError, ReservationEndedError.
        """
        after = TRANSITIONS.get((self.status, act))
        if after is None:
            if self.cancellation is None:
                raise ReservationNotCancelledError
            raise ReservationAlreadyCancelledError(self.cancellation.at)
        if self.interval.ends_at <= at:
            raise ReservationEndedError(self.interval.ends_at)
        return after
