"""Let a reservation that is there already take a room: when it moves, and when it comes back.

Invariant: nothing is decided on what is no longer so. The update goes through only while the reservation and the room
are the versions that were judged; what changed meanwhile is read and judged anew, and so is the victim of a deadlock
(BK-03).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.errors import (
    ReservationNotFoundError,
    RoomNotBookableError,
    RoomNotFoundError,
    StaleVersionError,
)
from yoyaku.booking.domain.history import Change
from yoyaku.booking.domain.rescheduling import Hold
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import Placing, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import RoomDirectory
from yoyaku.booking.usecases.ports.transactions import Transaction
from yoyaku.postgres.errors import SerializationError

ATTEMPTS: Final = 4
"""How often a change is judged anew when others keep changing what it is judged by."""


class RoomChangedError(Exception):
    """The room is no longer what the change was judged by; the transaction is given up."""


class ReservationChangedError(Exception):
    """The reservation is no longer what was to be changed; the transaction is given up."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a change makes of a reservation, judged by one version of its room."""

    before: Reservation
    after: Reservation
    change: Change
    hold: Hold
    room: Room


async def hold(tx: Transaction, judged: Judgement) -> None:
    """Store the change. Raises RoomAlreadyReservedError, and what `until_settled` tries again."""
    outcome = await tx.reservations.hold(
        judged.after,
        judged.change,
        judged.hold,
        room_version=judged.room.version,
        leaves_room_id=judged.before.room_id,
    )
    if outcome is Placing.ROOM_CHANGED:
        raise RoomChangedError
    if outcome is Placing.RESERVATION_CHANGED:
        raise ReservationChangedError


@dataclass(frozen=True, slots=True)
class Again:
    """Runs a change until nothing moved under it."""

    reads: Reads
    rooms: RoomDirectory

    async def until_settled(
        self,
        entry: ReservationEntry,
        room_id: int | None,
        attempt: Callable[[ReservationEntry, Room], Awaitable[ReservationEntry]],
    ) -> tuple[ReservationEntry, ReservationEntry]:
        """Return the reservation before and after the attempt that nothing overtook.

        It runs on the reservation and its room (another one when `room_id` says so) as they are now.

        Raises RoomNotFoundError, ReservationNotFoundError, what the attempt raises; after `ATTEMPTS` that were
        overtaken StaleVersionError, RoomNotBookableError or SerializationError.
        """
        overtaken: Exception = RoomNotBookableError()
        for _ in range(ATTEMPTS):
            room = await self._room(entry.reservation.room_id if room_id is None else room_id)
            try:
                return entry, await attempt(entry, room)
            except RoomChangedError:
                overtaken = RoomNotBookableError()
            except SerializationError as error:
                overtaken = error
            except ReservationChangedError:
                overtaken = StaleVersionError(entry.reservation.version + 1)
            entry = await self.read(entry.reservation.id)
        raise overtaken

    async def read(self, reservation_id: UUID) -> ReservationEntry:
        """Return the reservation as it is now. Raises ReservationNotFoundError."""
        entry = await self.reads.reservation(reservation_id)
        if entry is None:
            raise ReservationNotFoundError(str(reservation_id))
        return entry

    async def _room(self, room_id: int) -> Room:
        # A change is rare: it is judged by the room as it is, not as it was remembered.
        self.rooms.forget(room_id)
        room = await self.rooms.known(room_id)
        if room is None:
            raise RoomNotFoundError(room_id)
        return room
