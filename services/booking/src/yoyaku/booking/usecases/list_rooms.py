"""List the rooms, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class ListRooms:
    """Reads rooms by id."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, *, after: int, limit: int) -> tuple[Sequence[Room], int | None]:
        """Return up to `limit` rooms with ids above `after`, and the id to go on after; None at the end."""
        await self.check_permission(caller, Action.LIST_ROOMS)
        rooms = await self.reads.rooms(after=after, limit=limit + 1)
        return (rooms[:limit], rooms[limit - 1].id) if len(rooms) > limit else (rooms, None)
