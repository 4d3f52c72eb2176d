"""List the rooms, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.rooms import RoomFilter

ROUNDS: Final = 5
"""How often more rooms are read to fill a page when the opening hours leave some out; then the page is short."""
ROOMS_A_ROUND: Final = 200


@dataclass(frozen=True, slots=True)
class ListRooms:
    """Reads rooms by id."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(
        self, caller: Caller, wanted: RoomFilter, *, after: int, limit: int, closures_in: Interval | None = None
    ) -> tuple[Sequence[Room], int | None]:
        """Return up to `limit` rooms that fit with ids above `after`, and the id to go on after; None at the end.

        With a free interval, at most `ROUNDS` times `ROOMS_A_ROUND` rooms are looked at for one page, which may be
        short or empty though more follow. Closures that touch `closures_in` travel with the rooms.

        Raises NotPermittedError.
        """
        await self.check_permission(caller, Action.LIST_ROOMS)
        if wanted.free is not None:
            return await self._free(wanted, wanted.free, after, limit, closures_in)
        rooms = await self.reads.rooms(wanted, after=after, limit=limit + 1, closures_in=closures_in)
        return (rooms[:limit], rooms[limit - 1].id) if len(rooms) > limit else (rooms, None)

    async def _free(
        self, wanted: RoomFilter, free: Interval, after: int, limit: int, closures_in: Interval | None
    ) -> tuple[Sequence[Room], int | None]:
        found: list[Room] = []
        for _ in range(ROUNDS):
            rooms = await self.reads.rooms(wanted, after=after, limit=ROOMS_A_ROUND, closures_in=closures_in)
            for room in rooms:
                if len(found) == limit:
                    return found, found[-1].id
                if room.opening_hours is None or room.opening_hours.covers(free.starts_at, free.ends_at, room.zone):
                    found.append(room)
            if len(rooms) < ROOMS_A_ROUND:
                return found, None
            after = rooms[-1].id
        return found, after
