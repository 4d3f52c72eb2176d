"""The rooms, as a transaction changes them and as a process remembers them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.room import NewRoom, Room

__all__ = ["NewRoom", "RoomDirectory", "RoomFilter", "Rooms", "Site"]


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """Which rooms: all that fit everything that is given."""

    site: str | None = None
    capacity: int | None = None
    """At least so many people."""
    features: tuple[str, ...] = ()
    """All of them."""
    active: bool | None = None
    free: Interval | None = None
    """No live reservation, buffers included, and no closure in the way; opening hours are not looked at."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with rooms: how many are in use, and by which clocks."""

    site: str
    rooms: int
    time_zones: tuple[str, ...]


class Rooms(Protocol):
    """The rooms, inside a transaction.

    Whoever changes anything that a booking is judged by locks the room first, then reservations, and stores the room
    one version on (decision 0066).
    """

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        """Store a room and give it its id. Raises RoomAlreadyExistsError when the site has one of this name."""

    async def find(self, room_id: int) -> Room | None:
        """Read a room as it is now."""

    async def find_for_change(self, room_id: int) -> Room | None:
        """Read a room under a lock that neither bookings nor other changes pass until the transaction ends."""

    async def change(self, room: Room) -> None:
        """Store the changed room; its version is the one after the stored. Closures are not touched.

        Raises RoomAlreadyExistsError when the site has another of this name.
        """


class RoomDirectory(Protocol):
    """Rooms as known a moment ago: cheap, perhaps stale; `version` tells."""

    async def known(self, room_id: int) -> Room | None:
        """Return the room, read from the database when it is not known yet."""

    def forget(self, room_id: int) -> None:
        """Read the room again the next time."""
