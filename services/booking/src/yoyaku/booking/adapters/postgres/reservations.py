"""Everything that touches the table of reservations.

Invariant: overlap is refused by the exclusion constraint alone. The insert says ON CONFLICT ... DO NOTHING, because a
plain insert that runs into the constraint deadlocks now and then when several race for one slot.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.policy import MAX_DURATION
from yoyaku.booking.domain.reservation import Cancellation, CancelReason, Reservation, ReservationStatus
from yoyaku.booking.usecases.ports.reservations import Placing, Position, ReservationEntry
from yoyaku.messaging.outbox import with_event
from yoyaku.postgres.pool import Connection

_PLACING: Final = """
room_now AS MATERIALIZED (
    SELECT version FROM room WHERE id = $2 FOR SHARE
), placed AS (
    INSERT INTO reservation (id, room_id, person_id, starts_at, ends_at, occupied, title, status, version, created_at)
    SELECT $1, $2, $3, $4, $5, tstzrange($6, $7), $8, $9, $10, $11 FROM room_now WHERE version = $12
    ON CONFLICT ON CONSTRAINT reservation_no_overlap DO NOTHING
    RETURNING 1
)
"""
_PLACED: Final = "EXISTS (SELECT 1 FROM placed)"
_ROOM_VERSION: Final = "(SELECT version FROM room_now) AS room_version"
_PLACE: Final = f"WITH {_PLACING} SELECT {_ROOM_VERSION}, {_PLACED} AS is_made"
PLACE_WITH_EVENT: Final = with_event(_PLACING, made=_PLACED, result=_ROOM_VERSION, parameters=12)
_FOR_CHANGE: Final = """
SELECT id, room_id, person_id, starts_at, ends_at, title, status, version, created_at,
       cancelled_at, cancelled_by, cancel_reason, cancel_comment
FROM reservation WHERE id = $1 FOR NO KEY UPDATE
"""
_BY_ID: Final = """
SELECT v.id, v.room_id, v.person_id, v.starts_at, v.ends_at, v.title, v.status, v.version, v.created_at,
       v.cancelled_at, v.cancelled_by, v.cancel_reason, v.cancel_comment, m.time_zone
FROM reservation v JOIN room m ON m.id = v.room_id WHERE v.id = $1
"""
_CHANGE: Final = """
UPDATE reservation
SET status = $2, version = $3, cancelled_at = $4, cancelled_by = $5, cancel_reason = $6, cancel_comment = $7
WHERE id = $1 AND version = $3 - 1
"""
# $1 and $2 are the earliest and latest start that any time zone of the world could ask for: what the index is good for.
# The day itself is cut by the clock of each room.
_DAY: Final = """
SELECT v.id, v.room_id, v.person_id, v.starts_at, v.ends_at, v.title, v.status, v.version, v.created_at,
       v.cancelled_at, v.cancelled_by, v.cancel_reason, v.cancel_comment, m.time_zone
FROM reservation v JOIN room m ON m.id = v.room_id
WHERE v.starts_at >= $1 AND v.starts_at < $2
  AND v.ends_at > ($3::date::timestamp AT TIME ZONE m.time_zone)
  AND v.starts_at < (($3::date + 1)::timestamp AT TIME ZONE m.time_zone)
  AND (v.starts_at, v.id) > ($4, $5)
ORDER BY v.starts_at, v.id LIMIT $6
"""
_DAY_OF_ROOM: Final = """
SELECT v.id, v.room_id, v.person_id, v.starts_at, v.ends_at, v.title, v.status, v.version, v.created_at,
       v.cancelled_at, v.cancelled_by, v.cancel_reason, v.cancel_comment, m.time_zone
FROM reservation v JOIN room m ON m.id = v.room_id
WHERE v.starts_at >= $1 AND v.starts_at < $2
  AND v.ends_at > ($3::date::timestamp AT TIME ZONE m.time_zone)
  AND v.starts_at < (($3::date + 1)::timestamp AT TIME ZONE m.time_zone)
  AND (v.starts_at, v.id) > ($4, $5)
  AND v.room_id = $7
ORDER BY v.starts_at, v.id LIMIT $6
"""
_LIVE_AFTER: Final = """
SELECT id, room_id, person_id, starts_at, ends_at, title, status, version, created_at,
       cancelled_at, cancelled_by, cancel_reason, cancel_comment
FROM reservation
WHERE int4range(room_id, room_id, '[]') && int4range($1, $1, '[]') AND occupied && tstzrange($2, NULL)
  AND status = 'confirmed' AND ends_at > $2
ORDER BY starts_at, id
"""
_LOCK_LIVE: Final = """
SELECT id, room_id, person_id, starts_at, ends_at, title, status, version, created_at,
       cancelled_at, cancelled_by, cancel_reason, cancel_comment
FROM reservation
WHERE int4range(room_id, room_id, '[]') && int4range($1, $1, '[]') AND occupied && tstzrange($2, $3)
  AND status = 'confirmed' AND ends_at > $2 AND starts_at < $3
ORDER BY starts_at, id
FOR NO KEY UPDATE
"""
_WIDEST_ZONE: Final = timedelta(hours=15)
_BEFORE_ALL: Final = UUID(int=0)


class PostgresReservations:
    """The reservations, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int) -> Placing:
        """Store a reservation under a shared lock of its room, unless the room changed or is taken."""
        values = placing_values(reservation, occupied, room_version)
        return to_placing(await self._connection.fetchrow(_PLACE, *values), room_version)

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        """Read a reservation and keep others from changing it until the transaction ends."""
        row = await self._connection.fetchrow(_FOR_CHANGE, reservation_id)
        return _to_reservation(row) if row else None

    async def change(self, reservation: Reservation) -> None:
        """Store the changed reservation; its version is the one after the stored."""
        cancellation = reservation.cancellation
        await self._connection.execute(
            _CHANGE,
            reservation.id,
            reservation.status.value,
            reservation.version,
            cancellation.at if cancellation else None,
            cancellation.by if cancellation else None,
            cancellation.reason.value if cancellation else None,
            cancellation.comment if cancellation else None,
        )

    async def live_after(self, room_id: int, instant: datetime) -> Sequence[Reservation]:
        """List the live reservations of a room that end later, by start and id."""
        return [_to_reservation(row) for row in await self._connection.fetch(_LIVE_AFTER, room_id, instant)]

    async def lock_live(self, room_id: int, window: Interval) -> Sequence[Reservation]:
        """Lock and list the live reservations of a room that overlap the window, by start and id."""
        rows = await self._connection.fetch(_LOCK_LIVE, room_id, window.starts_at, window.ends_at)
        return [_to_reservation(row) for row in rows]


def placing_values(reservation: Reservation, occupied: Interval, room_version: int) -> tuple[Any, ...]:
    """Return the values of the placing statements."""
    return (
        reservation.id,
        reservation.room_id,
        reservation.person_id,
        reservation.interval.starts_at,
        reservation.interval.ends_at,
        occupied.starts_at,
        occupied.ends_at,
        reservation.title,
        reservation.status.value,
        reservation.version,
        reservation.created_at,
        room_version,
    )


def to_placing(row: asyncpg.Record | None, room_version: int) -> Placing:
    """Read what a placing statement returned."""
    if row is None or row["room_version"] != room_version:
        return Placing.ROOM_CHANGED
    return Placing.PLACED if row["is_made"] else Placing.TAKEN


async def read_reservation(connection: Connection, reservation_id: UUID) -> ReservationEntry | None:
    """Find a reservation in any status, with the clock of its room."""
    row = await connection.fetchrow(_BY_ID, reservation_id)
    return ReservationEntry(_to_reservation(row), row["time_zone"]) if row else None


async def read_day(
    connection: Connection, day: date, *, room_id: int | None, after: Position | None, limit: int
) -> Sequence[ReservationEntry]:
    """List what holds any of the day by each room's own clock, by start and id."""
    midnight = datetime.combine(day, time.min, UTC)
    earliest = midnight - _WIDEST_ZONE - MAX_DURATION
    latest = midnight + timedelta(days=1) + _WIDEST_ZONE
    arguments = [
        earliest,
        latest,
        day,
        after.starts_at if after else earliest,
        after.id if after else _BEFORE_ALL,
        limit,
    ]
    if room_id is None:
        rows = await connection.fetch(_DAY, *arguments)
    else:
        rows = await connection.fetch(_DAY_OF_ROOM, *arguments, room_id)
    return [ReservationEntry(_to_reservation(row), row["time_zone"]) for row in rows]


def _to_reservation(row: asyncpg.Record) -> Reservation:
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
