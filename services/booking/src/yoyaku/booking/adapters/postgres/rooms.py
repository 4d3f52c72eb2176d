"""Everything that touches the table of rooms. A room travels with its closures, in the same query."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import RoomAlreadyExistsError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import OpeningHours, read_hours
from yoyaku.booking.domain.room import NewRoom, Retirement, Room
from yoyaku.booking.usecases.ports.rooms import RoomFilter, Site
from yoyaku.postgres.pool import Connection

CLOSURES_KEPT: Final = timedelta(days=32)
"""How long after its end, by the database's clock, a closure still travels with its room.

A booking may start up to 31 days ago, by the settings; the day more is for clocks that differ.
"""
COLUMNS: Final = """m.id, m.name, m.site, m.capacity, m.time_zone, m.features, m.buffer_before_minutes,
       m.buffer_after_minutes, m.active, m.version, m.created_at, m.opening_hours::text AS opening_hours,
       m.retired_at, m.retirement_reason, c.closure_ids, c.closure_intervals, c.closure_reasons"""
CLOSURE_COLUMNS: Final = """array_agg(id ORDER BY starts_at, id) AS closure_ids,
           array_agg(tstzrange(starts_at, ends_at) ORDER BY starts_at, id) AS closure_intervals,
           array_agg(reason ORDER BY starts_at, id) AS closure_reasons"""
_BY_ID: Final = f"""
SELECT {COLUMNS}
FROM room m CROSS JOIN LATERAL (
    SELECT {CLOSURE_COLUMNS} FROM closure WHERE room_id = m.id AND ends_at > now() - $2::interval
) c
WHERE m.id = $1
"""  # noqa: S608 - constants
# The lock is taken by a statement of its own: the next one sees what the transactions before left, closures included.
_LOCK: Final = "SELECT 1 FROM room WHERE id = $1 FOR UPDATE"
_PAGE: Final = f"""
SELECT {COLUMNS}
FROM room m CROSS JOIN LATERAL (
    SELECT {CLOSURE_COLUMNS} FROM closure
    WHERE room_id = m.id AND ends_at > $3::timestamptz AND starts_at < $4::timestamptz
) c
WHERE m.id > $1
  AND ($5::text IS NULL OR m.site = $5)
  AND ($6::integer IS NULL OR m.capacity >= $6)
  AND m.features @> $7::text[]
  AND ($8::boolean IS NULL OR m.active = $8)
  AND ($9::timestamptz IS NULL OR (
    m.active
    AND NOT EXISTS (
        SELECT 1 FROM reservation v
        WHERE int4range(v.room_id, v.room_id, '[]') && int4range(m.id, m.id, '[]') AND v.status = 'confirmed'
          AND v.occupied && tstzrange($9 - make_interval(mins => m.buffer_before_minutes),
                                      $10::timestamptz + make_interval(mins => m.buffer_after_minutes))
    )
    -- Not NOT EXISTS, which the planner would answer by reading the closures of all rooms.
    AND (SELECT true FROM closure x WHERE x.room_id = m.id AND x.ends_at > $9 AND x.starts_at < $10 LIMIT 1) IS NULL
  ))
ORDER BY m.id LIMIT $2
"""  # noqa: S608 - constants
_SITES: Final = """
SELECT site, count(*) FILTER (WHERE active) AS rooms, array_agg(DISTINCT time_zone ORDER BY time_zone) AS time_zones
FROM room GROUP BY site ORDER BY site
"""
_ADD: Final = """
INSERT INTO room (name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, opening_hours,
                  created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9)
ON CONFLICT ON CONSTRAINT room_site_name_key DO NOTHING
RETURNING id, version
"""
_CHANGE: Final = """
UPDATE room
SET name = $3, site = $4, capacity = $5, time_zone = $6, features = $7, buffer_before_minutes = $8,
    buffer_after_minutes = $9, opening_hours = $10::text::jsonb, active = $11, retired_at = $12,
    retirement_reason = $13, version = $2
WHERE id = $1 AND version = $2 - 1
"""
_NAME_CONSTRAINT: Final = "room_site_name_key"


class PostgresRooms:
    """The rooms, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        """Store a room and give it its id. Raises RoomAlreadyExistsError when the site has one of this name."""
        row = await self._connection.fetchrow(_ADD, *_values(room), created_at)
        if row is None:
            raise RoomAlreadyExistsError
        return Room(
            id=row["id"],
            name=room.name,
            site=room.site,
            capacity=room.capacity,
            time_zone=room.time_zone,
            features=room.features,
            buffer_before_minutes=room.buffer_before_minutes,
            buffer_after_minutes=room.buffer_after_minutes,
            active=True,
            version=row["version"],
            created_at=created_at,
            opening_hours=room.opening_hours,
        )

    async def find(self, room_id: int) -> Room | None:
        """Read a room as it is now."""
        return await read_room(self._connection, room_id)

    async def find_for_change(self, room_id: int) -> Room | None:
        """Read a room under a lock that neither bookings nor other changes pass until the transaction ends."""
        if await self._connection.fetchrow(_LOCK, room_id) is None:
            return None
        return await read_room(self._connection, room_id)

    async def change(self, room: Room) -> None:
        """Store the changed room; its version is the one after the stored. Raises RoomAlreadyExistsError."""
        retirement = room.retirement
        try:
            await self._connection.execute(
                _CHANGE,
                room.id,
                room.version,
                *_values(room.facts),
                room.active,
                retirement.at if retirement else None,
                retirement.reason if retirement else None,
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == _NAME_CONSTRAINT:
                raise RoomAlreadyExistsError from error
            raise


async def read_room(connection: Connection, room_id: int) -> Room | None:
    """Find a room by id, with the closures that are not over for long."""
    row = await connection.fetchrow(_BY_ID, room_id, CLOSURES_KEPT)
    return to_room(row) if row else None


async def read_rooms(
    connection: Connection, wanted: RoomFilter, *, after: int, limit: int, closures_in: Interval | None
) -> Sequence[Room]:
    """List up to `limit` rooms that fit and whose ids are above `after`, by id; closures only when asked for."""
    rows = await connection.fetch(
        _PAGE,
        after,
        limit,
        closures_in.starts_at if closures_in else None,
        closures_in.ends_at if closures_in else None,
        wanted.site,
        wanted.capacity,
        list(wanted.features),
        wanted.active,
        wanted.free.starts_at if wanted.free else None,
        wanted.free.ends_at if wanted.free else None,
    )
    return [to_room(row) for row in rows]


async def read_sites(connection: Connection) -> Sequence[Site]:
    """List the sites by name."""
    return [Site(row["site"], row["rooms"], tuple(row["time_zones"])) for row in await connection.fetch(_SITES)]


def to_room(row: asyncpg.Record) -> Room:
    """Return the room of a row with `COLUMNS`."""
    ids, intervals, reasons = row["closure_ids"] or (), row["closure_intervals"] or (), row["closure_reasons"] or ()
    closures = zip(ids, intervals, reasons, strict=True)
    return Room(
        id=row["id"],
        name=row["name"],
        site=row["site"],
        capacity=row["capacity"],
        time_zone=row["time_zone"],
        features=tuple(row["features"]),
        buffer_before_minutes=row["buffer_before_minutes"],
        buffer_after_minutes=row["buffer_after_minutes"],
        active=row["active"],
        version=row["version"],
        created_at=row["created_at"],
        opening_hours=_hours(row["opening_hours"]),
        closures=tuple(Closure(UUID(bytes=i.bytes), Interval(r.lower, r.upper), text) for i, r, text in closures),
        retirement=None if row["retired_at"] is None else Retirement(row["retired_at"], row["retirement_reason"]),
    )


@lru_cache(maxsize=1024)
def _hours(text: str | None) -> OpeningHours | None:
    """Read stored hours; many rooms share theirs."""
    return None if text is None else read_hours(json.loads(text))[0]


def _values(room: NewRoom) -> tuple[object, ...]:
    hours = None if room.opening_hours is None else json.dumps(room.opening_hours.as_texts())
    return (
        room.name,
        room.site,
        room.capacity,
        room.time_zone,
        list(room.features),
        room.buffer_before_minutes,
        room.buffer_after_minutes,
        hours,
    )
