"""Single reads outside any transaction."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.booking.usecases.ports.reservations import Position, ReservationEntry


class Reads(Protocol):
    """Single reads outside any transaction."""

    async def credentials(self, user_id: str) -> Credentials | None:
        """Find a person by user id, whatever its case."""

    async def room(self, room_id: int) -> Room | None:
        """Find a room as it is now."""

    async def rooms(self, *, after: int, limit: int) -> Sequence[Room]:
        """List rooms by id, starting after one."""

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        """Find a reservation in any status."""

    async def reservations(
        self, day: date, *, room_id: int | None, after: Position | None, limit: int
    ) -> Sequence[ReservationEntry]:
        """List the reservations that hold any of the day, by the clock of each room, by start and id."""
