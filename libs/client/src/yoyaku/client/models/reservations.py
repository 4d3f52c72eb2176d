"""Reservations, their history, and what is offered when a wish cannot be met."""

from datetime import datetime
from typing import Any

from pydantic import Field

from yoyaku.client.models.answer import Answer, Versioned


class Cancellation(Answer):
    """When and why a reservation was given up."""

    at: datetime
    reason: str
    comment: str | None = None
    by: str | None = None


class Reservation(Versioned):
    """A reservation; what is another user's own is None for a USER."""

    id: str
    room_id: int
    status: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    ends_at_local: datetime
    time_zone: str
    person_id: str | None = None
    title: str | None = None
    created_at: datetime | None = None
    cancellation: Cancellation | None = None

    @property
    def live(self) -> bool:
        """True while the reservation holds its room."""
        return self.status == "confirmed"


class Alternative(Answer):
    """A time and a room that were free when a wish was refused."""

    room_id: int
    room_name: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    ends_at_local: datetime
    kind: str = "same-room"
    """same-room or like-room."""


class HistoryEntry(Answer):
    """One change of a reservation: who, when, what, why, from where."""

    version: int
    at: datetime
    action: str
    by: str | None = None
    changes: dict[str, Any] = Field(default_factory=dict)
    reason: str | None = None
    comment: str | None = None
    client_address: str | None = None
