"""The reservations, as a transaction changes them and as they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.history import Change, Step
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.rescheduling import Hold
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus


class Placing(Enum):
    """What became of an attempt to place a reservation."""

    PLACED = auto()
    TAKEN = auto()
    """Another live reservation overlaps, buffers included."""
    ROOM_CHANGED = auto()
    """The room is no longer the version that the booking was judged by."""
    RESERVATION_CHANGED = auto()
    """The reservation is no longer the version that was to be changed."""


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


@dataclass(frozen=True, slots=True)
class Listing:
    """Which reservations: everything given must hold; None asks for nothing."""

    day: date | None = None
    """What holds any of this day, by the clock of each room."""
    since: datetime | None = None
    """What ends after this moment."""
    until: datetime | None = None
    """What starts before this moment."""
    room_id: int | None = None
    site: str | None = None
    person_id: UUID | None = None
    status: ReservationStatus | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a reservation's past: where the placing came from, and a page of its changes by version."""

    placed_from: str | None
    first_steps: Mapping[str, Step]
    """The first change of each field that ever changed."""
    changes: Sequence[Change]


class Reservations(Protocol):
    """The reservations, inside a transaction."""

    async def place(
        self, reservation: Reservation, occupied: Interval, room_version: int, *, placed_from: str | None
    ) -> Placing:
        """Store a reservation under a shared lock of its room, unless the room changed or is taken."""

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        """Read a reservation and keep others from changing it until the transaction ends."""

    async def change(self, reservation: Reservation, change: Change) -> None:
        """Store the changed reservation and its line of history; its version is the one after the stored."""

    async def hold(
        self, reservation: Reservation, change: Change, hold: Hold, *, room_version: int, leaves_room_id: int
    ) -> Placing:
        """Store a reservation that moves or comes back, with its line of history, under a shared lock of its room.

        Nothing is stored when the room or the reservation changed meanwhile. Raises RoomAlreadyReservedError when
        another live reservation overlaps; never TAKEN, because the transaction is over then.
        """

    async def live_after(self, room_id: int, instant: datetime) -> Sequence[Reservation]:
        """List the live reservations of a room that end later, by start and id."""

    async def lock_live(self, room_id: int, window: Interval) -> Sequence[Reservation]:
        """Lock and list the live reservations of a room that overlap the window, by start and id.

        The room is locked before, so that none is added and everybody takes the locks in one order.
        """
