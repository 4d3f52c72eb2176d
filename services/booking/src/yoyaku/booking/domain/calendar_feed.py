"""A secret address under which a calendar program reads reservations, and what it is shown there.

Invariant: only the owner's own feed carries titles; a room's feed says that the room is held, never by whom or why.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

FEEDS_LIMIT: Final = 20
"""How many addresses a person may have at once."""
BACK: Final = timedelta(days=30)
AHEAD: Final = timedelta(days=365)
CANCELLED_KEPT: Final = timedelta(days=30)
"""How long a feed says that a reservation was cancelled: programs that look less often keep it until they look."""
EVENTS_LIMIT: Final = 1000
"""The earliest of these are shown when there are more."""


class FeedKind(StrEnum):
    """What a feed shows."""

    MINE = "mine"
    """The reservations of the person, with titles."""
    ROOM = "room"
    """When one room is held."""


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """One address. `room_id` is set for a room's feed only; `language` is what the feed itself speaks."""

    id: UUID
    person_id: UUID
    room_id: int | None
    language: str
    created_at: datetime

    @property
    def kind(self) -> FeedKind:
        """What it shows."""
        return FeedKind.MINE if self.room_id is None else FeedKind.ROOM
