"""Everything that touches the table of closures alone; with a room they are read by `rooms.py` and `calendars.py`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.postgres.pool import Connection

_ADD: Final = """
INSERT INTO closure (id, room_id, starts_at, ends_at, reason, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_REMOVE: Final = "DELETE FROM closure WHERE id = $1 AND room_id = $2 RETURNING 1"
_COUNT: Final = "SELECT count(*) FROM closure WHERE room_id = $1 AND ends_at > $2"
_PAGE: Final = """
SELECT c.id, c.room_id, c.starts_at, c.ends_at, c.reason, c.created_at, c.created_by, m.time_zone
FROM closure c JOIN room m ON m.id = c.room_id
WHERE c.room_id = $1
  AND ($2::timestamptz IS NULL OR c.ends_at > $2)
  AND ($3::timestamptz IS NULL OR c.starts_at < $3)
  AND ($4::timestamptz IS NULL OR (c.starts_at, c.id) > ($4, $5))
ORDER BY c.starts_at, c.id LIMIT $6
"""


class PostgresClosures:
    """The closures, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, entry: ClosureEntry) -> None:
        """Store a closure."""
        closure = entry.closure
        await self._connection.execute(
            _ADD,
            closure.id,
            entry.room_id,
            closure.interval.starts_at,
            closure.interval.ends_at,
            closure.reason,
            entry.created_at,
            entry.created_by,
        )

    async def remove(self, room_id: int, closure_id: UUID) -> bool:
        """Delete a closure of the room; say whether it was there."""
        return await self._connection.fetchrow(_REMOVE, closure_id, room_id) is not None

    async def count_ahead(self, room_id: int, now: datetime) -> int:
        """Count the closures of the room that are not over."""
        count: int = await self._connection.fetchval(_COUNT, room_id, now)
        return count


async def read_closures(
    connection: Connection,
    room_id: int,
    *,
    since: datetime | None,
    until: datetime | None,
    after: ClosurePosition | None,
    limit: int,
) -> Sequence[ClosureEntry]:
    """List those of a room that end after `since` and start before `until`, by start and id."""
    position = (after.starts_at, after.id) if after else (None, None)
    return [
        ClosureEntry(
            Closure(UUID(bytes=row["id"].bytes), Interval(row["starts_at"], row["ends_at"]), row["reason"]),
            row["room_id"],
            row["time_zone"],
            row["created_at"],
            UUID(bytes=row["created_by"].bytes),
        )
        for row in await connection.fetch(_PAGE, room_id, since, until, *position, limit)
    ]
