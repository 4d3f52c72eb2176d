"""Take a closure back: the room can be booked then again."""

from dataclasses import dataclass, replace
from uuid import UUID

from yoyaku.booking.domain.errors import ClosureNotFoundError, RoomNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomChanged


@dataclass(frozen=True, slots=True)
class OpenRoomAgain:
    """Deletes closures; the audit log keeps that there was one."""

    transactions: Transactions
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, room_id: int, closure_id: UUID) -> None:
        """Delete the closure. Raises NotPermittedError, RoomNotFoundError, ClosureNotFoundError."""
        await self.check_permission(caller, Action.CLOSE_ROOM)
        async with self.transactions.begin() as tx:
            room = await tx.rooms.find_for_change(room_id)
            if room is None:
                raise RoomNotFoundError(room_id)
            if not await tx.closures.remove(room_id, closure_id):
                raise ClosureNotFoundError(str(closure_id))
            await tx.rooms.change(replace(room, version=room.version + 1))
            tx.emit(
                RoomChanged(room_id=room_id, changed=("closures",), conflicting_reservations=0),
                subject=f"room/{room_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
