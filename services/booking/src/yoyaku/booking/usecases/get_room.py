"""Read one room."""

from dataclasses import dataclass

from yoyaku.booking.domain.errors import RoomNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class GetRoom:
    """Reads one room, retired or not."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, room_id: int) -> Room:
        """Return the room. Raises RoomNotFoundError, NotPermittedError."""
        await self.check_permission(caller, Action.LIST_ROOMS)
        room = await self.reads.room(room_id)
        if room is None:
            raise RoomNotFoundError(room_id)
        return room
