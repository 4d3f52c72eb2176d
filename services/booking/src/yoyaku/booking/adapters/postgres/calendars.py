"""What keeps rooms busy over a window: rooms, closures and live reservations, in one query.

Reservations are found by the index of the exclusion constraint, which holds the live ones only.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from yoyaku.booking.adapters.postgres.rooms import CLOSURE_COLUMNS, COLUMNS, to_room
from yoyaku.booking.domain.availability import Holding, RoomCalendar, needed
from yoyaku.booking.domain.interval import Interval
from yoyaku.postgres.pool import Connection

_CALENDARS: Final = f"""
SELECT {COLUMNS}, v.intervals, v.occupied
FROM room m CROSS JOIN LATERAL (
    SELECT {CLOSURE_COLUMNS} FROM closure WHERE room_id = m.id AND ends_at > $2 AND starts_at < $3
) c CROSS JOIN LATERAL (
    SELECT array_agg(tstzrange(starts_at, ends_at) ORDER BY starts_at) AS intervals,
           array_agg(occupied ORDER BY starts_at) AS occupied
    FROM reservation
    WHERE int4range(room_id, room_id, '[]') && int4range(m.id, m.id, '[]') AND occupied && tstzrange($2, $3)
      AND status = 'confirmed'
) v
WHERE m.id = ANY ($1::integer[])
"""  # noqa: S608 - constants


async def read_calendars(
    connection: Connection, room_ids: Sequence[int], window: Interval
) -> Mapping[int, RoomCalendar]:
    """Read what keeps rooms busy over the window; a room that is not there is left out."""
    reach = needed(window)
    rows = await connection.fetch(_CALENDARS, list(room_ids), reach.starts_at, reach.ends_at)
    return {row["id"]: _to_calendar(row) for row in rows}


def _to_calendar(row: asyncpg.Record) -> RoomCalendar:
    pairs = zip(row["intervals"] or (), row["occupied"] or (), strict=True)
    holdings = (Holding(Interval(own.lower, own.upper), Interval(all_.lower, all_.upper)) for own, all_ in pairs)
    return RoomCalendar(to_room(row), tuple(holdings))
