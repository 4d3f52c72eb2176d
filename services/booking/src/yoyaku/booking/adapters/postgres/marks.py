"""Marks as the database computes them; `usecases/marks.py` says what they are.

Invariant: they agree with the marks of what would be read by the same snapshot.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.availability import needed
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.policy import MAX_DURATION
from yoyaku.booking.domain.room import BUFFER_LIMIT
from yoyaku.postgres.pool import Connection

# A reservation says with its version all that an answer shows of it; the room adds its clock.
_OWN: Final = """
SELECT (
    SELECT string_agg(v.id || ' ' || v.version || ' ' || v.time_zone, ',')
    FROM (
        SELECT v.id, v.version, m.time_zone FROM reservation v JOIN room m ON m.id = v.room_id
        WHERE v.person_id = asked.person_id ORDER BY v.starts_at, v.id LIMIT asked.most
    ) AS v
) AS mark
FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS asked (person_id, most, place) ORDER BY asked.place
"""
# Starts are bounded by the longest reservation and buffer, so that the index by room and start finds them.
_CALENDAR: Final = """
SELECT m.version || ',' || coalesce((
    SELECT string_agg(extract(epoch FROM v.starts_at)::bigint || ' ' || extract(epoch FROM v.ends_at)::bigint || ' '
                      || extract(epoch FROM lower(v.occupied))::bigint || ' '
                      || extract(epoch FROM upper(v.occupied))::bigint, ',' ORDER BY v.starts_at)
    FROM reservation v
    WHERE v.room_id = asked.room_id AND v.status = 'confirmed' AND v.starts_at < asked.ends_at + $4::interval
      AND v.starts_at > asked.starts_at - $4::interval AND v.occupied && tstzrange(asked.starts_at, asked.ends_at)
), '') AS mark
FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY
     AS asked (room_id, starts_at, ends_at, place)
LEFT JOIN room m ON m.id = asked.room_id
ORDER BY asked.place
"""
_REACH: Final[timedelta] = MAX_DURATION + BUFFER_LIMIT

Window = tuple[int, Interval]
"""A room and the time that is asked about."""


async def read_own_marks(connection: Connection, asked: Sequence[tuple[UUID, int]]) -> list[str]:
    """Return the mark of each person's first reservations, as many as are asked for."""
    rows = await connection.fetch(_OWN, [person_id for person_id, _ in asked], [most for _, most in asked])
    return [row["mark"] or "" for row in rows]


async def read_calendar_marks(connection: Connection, windows: Sequence[Window]) -> list[str | None]:
    """Return the mark of what keeps each room busy; None for a room that is not there."""
    reaches = [needed(window) for _, window in windows]
    rows = await connection.fetch(
        _CALENDAR,
        [room_id for room_id, _ in windows],
        [reach.starts_at for reach in reaches],
        [reach.ends_at for reach in reaches],
        _REACH,
    )
    return [row["mark"] for row in rows]
