"""Reads what rooms and reservations say about today's occupancy."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from yoyaku.booking.adapters.postgres.rooms import read_rooms
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.occupancy import RoomDay, room_day
from yoyaku.booking.usecases.ports.rooms import RoomFilter
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_ROOMS_A_TIME: Final = 500
_AROUND: Final = timedelta(hours=48)
"""Today, somewhere on earth, and a reservation that began the day before."""
_LIVE: Final = """
SELECT room_id, starts_at, ends_at FROM reservation
WHERE starts_at > $1 AND starts_at < $2 AND status = 'confirmed' AND room_id > $3 AND room_id <= $4
"""


async def read_occupancy(pool: Pool, now: datetime) -> list[RoomDay]:
    """Measure today of every active room, by id. Raises PostgresError."""
    days: list[RoomDay] = []
    around = Interval(now - _AROUND, now + _AROUND)
    after = 0
    while True:
        async with transaction(pool, read_only=True) as connection:
            rooms = await read_rooms(
                connection, RoomFilter(active=True), after=after, limit=_ROOMS_A_TIME, closures_in=around
            )
            if not rooms:
                return days
            rows = await connection.fetch(_LIVE, around.starts_at, around.ends_at, after, rooms[-1].id)
        reserved: dict[int, list[Interval]] = defaultdict(list)
        for row in rows:
            reserved[row["room_id"]].append(Interval(row["starts_at"], row["ends_at"]))
        days += [room_day(room, reserved[room.id], now) for room in rooms]
        after = rooms[-1].id
