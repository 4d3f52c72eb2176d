"""Reservations as they are read: one by id, and lists by start and id.

Invariant: a page starts right after the last row of the one before, by a key that no write of others moves; what was
there all along is neither repeated nor skipped.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.policy import MAX_DURATION
from yoyaku.booking.domain.reservation import Cancellation, CancelReason, Reservation, ReservationStatus
from yoyaku.booking.usecases.ports.reservations import Listing, Position, ReservationEntry
from yoyaku.postgres.pool import Connection

_COLUMNS: Final = """
SELECT v.id, v.room_id, v.person_id, v.starts_at, v.ends_at, v.title, v.status, v.version, v.created_at,
       v.cancelled_at, v.cancelled_by, v.cancel_reason, v.cancel_comment, m.time_zone
"""
_ENTRY: Final = _COLUMNS + "FROM reservation v JOIN room m ON m.id = v.room_id\n"
# OFFSET keeps the planner from going room by room and sorting, as a plan for any values would: the order is by start.
_ENTRY_BY_START: Final = f"""{_COLUMNS}
FROM reservation v CROSS JOIN LATERAL (SELECT time_zone, site FROM room WHERE id = v.room_id OFFSET 0) m
"""  # noqa: S608 - constants
_BY_ID: Final = _ENTRY + "WHERE v.id = $1"
# $1 and $2 bound the starts: what an index by start is good for. A day is cut by the clock of each room afterwards.
_FILTERED: Final = """
WHERE v.starts_at >= $1 AND v.starts_at < $2 AND v.ends_at > $3
  AND (v.starts_at, v.id) > ($5, $6)
  AND ($4::date IS NULL OR (
      v.ends_at > ($4::timestamp AT TIME ZONE m.time_zone)
      AND v.starts_at < (($4 + 1)::timestamp AT TIME ZONE m.time_zone)
  ))
  AND ($8::text IS NULL OR v.status = $8)
  AND ($9::text IS NULL OR m.site = $9)
  AND ($10::integer IS NULL OR v.room_id = $10)
  AND ($11::uuid IS NULL OR v.person_id = $11)
"""
_ORDERED: Final = "ORDER BY v.starts_at, v.id LIMIT $7"
# A plan made for any value cannot use an index for "IS NULL OR": what is most selective is said once more, plainly.
# Without a room or a person, a day is cut as near as the clocks of the rooms allow before anything is read.
_CUT: Final = """
  AND v.starts_at >= greatest($1, (
      SELECT min($4::timestamp AT TIME ZONE time_zone) - $12::interval FROM room WHERE $4 IS NOT NULL
  ))
  AND v.starts_at < least($2, (SELECT max(($4 + 1)::timestamp AT TIME ZONE time_zone) FROM room WHERE $4 IS NOT NULL))
"""
_ALL: Final = _ENTRY_BY_START + _FILTERED + _CUT + _ORDERED
_OF_ROOM: Final = _ENTRY + _FILTERED + "AND v.room_id = $10\n" + _ORDERED
_OF_PERSON: Final = _ENTRY + _FILTERED + "AND v.person_id = $11\n" + _ORDERED
_WIDEST_ZONE: Final = timedelta(hours=15)
_BEFORE_ALL: Final = UUID(int=0)
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)


async def read_reservation(connection: Connection, reservation_id: UUID) -> ReservationEntry | None:
    """Find a reservation in any status, with the clock of its room."""
    row = await connection.fetchrow(_BY_ID, reservation_id)
    return ReservationEntry(to_reservation(row), row["time_zone"]) if row else None


async def read_listing(
    connection: Connection, wanted: Listing, *, after: Position | None, limit: int
) -> Sequence[ReservationEntry]:
    """List reservations by start and id, starting after a position."""
    earliest, latest = _starts(wanted)
    statement = _statement(wanted)
    rows = await connection.fetch(
        statement,
        earliest,
        latest,
        wanted.since or _FIRST,
        wanted.day,
        after.starts_at if after else earliest,
        after.id if after else _BEFORE_ALL,
        limit,
        wanted.status.value if wanted.status else None,
        wanted.site,
        wanted.room_id,
        wanted.person_id,
        *([MAX_DURATION] if statement is _ALL else []),
    )
    return [ReservationEntry(to_reservation(row), row["time_zone"]) for row in rows]


def _statement(wanted: Listing) -> str:
    if wanted.person_id is not None:
        return _OF_PERSON
    return _ALL if wanted.room_id is None else _OF_ROOM


def _starts(wanted: Listing) -> tuple[datetime, datetime]:
    """Return between which starts everything wanted lies."""
    earliest = _FIRST if wanted.since is None else max(_FIRST, wanted.since - MAX_DURATION)
    latest = wanted.until or _LAST
    if wanted.day is not None:
        midnight = datetime.combine(wanted.day, time.min, UTC)
        earliest = max(earliest, midnight - _WIDEST_ZONE - MAX_DURATION)
        latest = min(latest, midnight + timedelta(days=1) + _WIDEST_ZONE)
    return earliest, latest


def to_reservation(row: asyncpg.Record) -> Reservation:
    """Return the reservation that a row holds."""
    cancellation = None
    if row["cancelled_at"] is not None:
        cancellation = Cancellation(
            at=row["cancelled_at"],
            by=UUID(bytes=row["cancelled_by"].bytes),
            reason=CancelReason(row["cancel_reason"]),
            comment=row["cancel_comment"],
        )
    return Reservation(
        id=UUID(bytes=row["id"].bytes),
        room_id=row["room_id"],
        person_id=UUID(bytes=row["person_id"].bytes),
        interval=Interval(row["starts_at"], row["ends_at"]),
        title=row["title"],
        status=ReservationStatus(row["status"]),
        version=row["version"],
        created_at=row["created_at"],
        cancellation=cancellation,
    )
