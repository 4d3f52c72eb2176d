"""The reservations, as a transaction changes them and as they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Reservation


class Placing(Enum):
    """What became of an attempt to place a reservation."""

    PLACED = auto()
    TAKEN = auto()
    """Another live reservation overlaps, buffers included."""
    ROOM_CHANGED = auto()
    """The room is no longer the version that the booking was judged by."""


@dataclass(frozen=True, slots=True)
class ReservationEntry:
    """A reservation together with the clock of its room."""

    reservation: Reservation
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        """The room's own clock."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of reservations ended: the next one starts right after it."""

    starts_at: datetime
    id: UUID


class Reservations(Protocol):
    """The reservations, inside a transaction."""

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int) -> Placing:
        """Store a reservation under a shared lock of its room, unless the room changed or is taken."""

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        """Read a reservation and keep others from changing it until the transaction ends."""

    async def change(self, reservation: Reservation) -> None:
        """Store the changed reservation; its version is the one after the stored."""

    async def live_after(self, room_id: int, instant: datetime) -> Sequence[Reservation]:
        """List the live reservations of a room that end later, by start and id."""

    async def lock_live(self, room_id: int, window: Interval) -> Sequence[Reservation]:
        """Lock and list the live reservations of a room that overlap the window, by start and id.

        The room is locked before, so that none is added and everybody takes the locks in one order.
        """
