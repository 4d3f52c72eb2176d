"""Everything that touches the table of rooms."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from yoyaku.booking.domain.errors import RoomAlreadyExistsError
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.postgres.pool import Connection

_BY_ID: Final = """
SELECT id, name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, active, version
FROM room WHERE id = $1
"""
_PAGE: Final = """
SELECT id, name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, active, version
FROM room WHERE id > $1 ORDER BY id LIMIT $2
"""
_ADD: Final = """
INSERT INTO room (name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT ON CONSTRAINT room_site_name_key DO NOTHING
RETURNING id, name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, active, version
"""


class PostgresRooms:
    """The rooms, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        """Store a room and give it its id. Raises RoomAlreadyExistsError when the site has one of this name."""
        row = await self._connection.fetchrow(
            _ADD,
            room.name,
            room.site,
            room.capacity,
            room.time_zone,
            list(room.features),
            room.buffer_before_minutes,
            room.buffer_after_minutes,
            created_at,
        )
        if row is None:
            raise RoomAlreadyExistsError
        return _to_room(row)

    async def find(self, room_id: int) -> Room | None:
        """Read a room as it is now."""
        return await read_room(self._connection, room_id)


async def read_room(connection: Connection, room_id: int) -> Room | None:
    """Find a room by id."""
    row = await connection.fetchrow(_BY_ID, room_id)
    return _to_room(row) if row else None


async def read_rooms(connection: Connection, *, after: int, limit: int) -> Sequence[Room]:
    """List up to `limit` rooms whose ids are above `after`, by id."""
    return [_to_room(row) for row in await connection.fetch(_PAGE, after, limit)]


def _to_room(row: asyncpg.Record) -> Room:
    return Room(**{**dict(row), "features": tuple(row["features"])})
