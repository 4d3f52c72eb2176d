"""Take a retired room into use again."""

from dataclasses import dataclass

from yoyaku.booking.domain.errors import RoomNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomChanged


@dataclass(frozen=True, slots=True)
class ReinstateRoom:
    """Undoes a retirement; what was cancelled for it stays cancelled."""

    transactions: Transactions
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, room_id: int) -> Room:
        """Return the room, bookable again. Raises NotPermittedError, RoomNotFoundError, RoomNotRetiredError."""
        await self.check_permission(caller, Action.RETIRE_ROOM)
        async with self.transactions.begin() as tx:
            room = await tx.rooms.find_for_change(room_id)
            if room is None:
                raise RoomNotFoundError(room_id)
            back = room.reinstated()
            await tx.rooms.change(back)
            tx.emit(
                RoomChanged(room_id=room_id, changed=("active",), conflicting_reservations=0),
                subject=f"room/{room_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return back
