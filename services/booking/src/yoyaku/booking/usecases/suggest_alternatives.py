"""Look for what may be booked instead of what was taken (BK-03).

Invariant: it comes after the refusal and outside its transaction, and whatever goes wrong here, the refusal stands:
then there are no alternatives.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from loguru import logger

from yoyaku.booking.domain.alternative import Alternative
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.nearby import chosen, day_around, like_rooms, other_times, without
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.rooms import RoomFilter

PATIENCE_SECONDS: Final = 2.0
"""How long a refused caller waits for alternatives at most."""
ROOMS_LOOKED_AT: Final = 20


@dataclass(frozen=True, slots=True)
class SuggestAlternatives:
    """Finds another time in the room, or another room at the time, by one query each."""

    reads: Reads
    policy: BookingPolicy
    now: Clock

    async def __call__(
        self, room: Room, wanted: Interval, moving: Reservation | None = None
    ) -> tuple[Alternative, ...]:
        """Return up to three alternatives. `moving` is the reservation that looks for another place."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return tuple(await self._found(room, wanted, moving))
        except Exception as error:  # noqa: BLE001  the refusal is the answer, with or without alternatives
            logger.bind(error=type(error).__name__, room_id=room.id).warning("alternatives could not be looked for")
            return ()

    async def _found(self, room: Room, wanted: Interval, moving: Reservation | None) -> list[Alternative]:
        now = self.now()
        times: list[Interval] = []
        window = day_around(room, wanted, now)
        if window is not None:
            calendar = (await self.reads.busy_of([room.id], window)).get(room.id)
            if calendar is not None:
                own = moving.interval if moving and moving.room_id == room.id else None
                found = other_times(without(calendar, own), window, wanted, self.policy, now)
                times = [interval for interval in found if interval != own]
        fitting = RoomFilter(site=room.site, capacity=room.capacity, features=room.features, active=True, free=wanted)
        others = await self.reads.rooms(fitting, after=0, limit=ROOMS_LOOKED_AT)
        return chosen(room, times, like_rooms(others, room, wanted, self.policy, now), wanted)
