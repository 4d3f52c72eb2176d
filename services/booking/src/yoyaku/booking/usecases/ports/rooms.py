"""The rooms, as a transaction changes them and as a process remembers them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.booking.domain.room import Room


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room before it has an id."""

    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...] = ()
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0


class Rooms(Protocol):
    """The rooms, inside a transaction."""

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        """Store a room and give it its id. Raises RoomAlreadyExistsError when the site has one of this name."""

    async def find(self, room_id: int) -> Room | None:
        """Read a room as it is now."""


class RoomDirectory(Protocol):
    """Rooms as known a moment ago: cheap, perhaps stale; `version` tells."""

    async def known(self, room_id: int) -> Room | None:
        """Return the room, read from the database when it is not known yet."""

    def forget(self, room_id: int) -> None:
        """Read the room again the next time."""
