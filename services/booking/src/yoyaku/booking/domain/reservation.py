"""A reservation and its life: one table of transitions, the same one the docs draw.

Invariant: a status changes only along `TRANSITIONS`; only statuses in `HOLDS_THE_ROOM` keep others out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.errors import ReservationAlreadyCancelledError, ReservationEndedError
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


TRANSITIONS: Final[Mapping[tuple[ReservationStatus, Act], ReservationStatus]] = {
    (ReservationStatus.CONFIRMED, Act.CANCEL): ReservationStatus.CANCELLED,
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
        after = TRANSITIONS.get((self.status, Act.CANCEL))
        if after is None:
            known = self.cancellation
            raise ReservationAlreadyCancelledError(known.at if known else cancellation.at)
        if self.interval.ends_at <= cancellation.at:
            raise ReservationEndedError(self.interval.ends_at)
        return replace(self, status=after, version=self.version + 1, cancellation=cancellation)
