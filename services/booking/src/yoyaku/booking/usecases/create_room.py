"""Add a room that can be booked."""

from dataclasses import dataclass

from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import NewRoom, Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomCreated


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """Makes rooms."""

    transactions: Transactions
    check_permission: CheckPermission
    now: Clock

    async def __call__(self, caller: Caller, wanted: NewRoom) -> Room:
        """Return the room made. Raises NotPermittedError, RuleBrokenError, RoomAlreadyExistsError."""
        await self.check_permission(caller, Action.CREATE_ROOM)
        tidy = wanted.tidied()
        async with self.transactions.begin() as tx:
            room = await tx.rooms.add(tidy, self.now())
            tx.emit(
                RoomCreated(room_id=room.id, site=room.site, capacity=room.capacity, time_zone=room.time_zone),
                subject=f"room/{room.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return room
