"""Every statement that writes reservations.

Invariant: overlap is refused by the exclusion constraint alone. The insert says ON CONFLICT ... DO NOTHING, because a
plain insert that runs into the constraint deadlocks now and then when several race for one slot. An update has no such
words: those of one room take turns by an advisory lock instead, and take both rooms' turns in ascending order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from yoyaku.booking.adapters.postgres.history import changes_text
from yoyaku.booking.adapters.postgres.listings import to_reservation
from yoyaku.booking.domain.errors import RoomAlreadyReservedError
from yoyaku.booking.domain.history import Change
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.rescheduling import Hold
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.usecases.ports.reservations import Placing
from yoyaku.messaging.outbox import with_event
from yoyaku.postgres.pool import Connection

NO_OVERLAP: Final = "reservation_no_overlap"
_TURNS: Final = 0x796F7961
"""The class of the advisory locks by which changes of one room take turns; the other half is the room's id."""

_PLACING: Final = """
room_now AS MATERIALIZED (
    SELECT version FROM room WHERE id = $2 FOR SHARE
), placed AS (
    INSERT INTO reservation
        (id, room_id, person_id, starts_at, ends_at, occupied, title, status, version, created_at, placed_from)
    SELECT $1, $2, $3, $4, $5, tstzrange($6, $7), $8, $9, $10, $11, $13 FROM room_now WHERE version = $12
    ON CONFLICT ON CONSTRAINT reservation_no_overlap DO NOTHING
    RETURNING 1
)
"""
_PLACED: Final = "EXISTS (SELECT 1 FROM placed)"
_ROOM_VERSION: Final = "(SELECT version FROM room_now) AS room_version"
_PLACE: Final = f"WITH {_PLACING} SELECT {_ROOM_VERSION}, {_PLACED} AS is_made"
PLACE_WITH_EVENT: Final = with_event(_PLACING, made=_PLACED, result=_ROOM_VERSION, parameters=13)
_FOR_CHANGE: Final = """
SELECT id, room_id, person_id, starts_at, ends_at, title, status, version, created_at,
       cancelled_at, cancelled_by, cancel_reason, cancel_comment
FROM reservation WHERE id = $1 FOR NO KEY UPDATE
"""
_CHANGE: Final = """
WITH changed AS (
    UPDATE reservation
    SET status = $2, version = $3, cancelled_at = $4, cancelled_by = $5, cancel_reason = $6, cancel_comment = $7
    WHERE id = $1 AND version = $3 - 1
    RETURNING id
)
INSERT INTO reservation_change
    (reservation_id, version, changed_at, changed_by, action, changes, reason, comment, client_address)
SELECT id, $3, $8, $9, $10, $11, $12, $13, $14 FROM changed
"""
# The room's turn comes before its lock and the lock before the reservation's, whoever changes what: no circle of waits.
# A range from NULL to NULL has no bounds, and what is multiplied by it stays as it is.
_HOLD: Final = """
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($1, room.id)
    FROM (SELECT DISTINCT id FROM unnest($2::integer[]) AS id ORDER BY id) AS room
), room_now AS MATERIALIZED (
    SELECT version FROM room WHERE id = $3 AND (SELECT count(*) FROM turn) > 0 FOR SHARE
), changed AS (
    UPDATE reservation AS v
    SET room_id = $3, starts_at = $6, ends_at = $7, title = $8, status = $9, version = $10,
        occupied = CASE WHEN $13 THEN v.occupied * tstzrange($11, $12) ELSE tstzrange($11, $12) END,
        cancelled_at = NULL, cancelled_by = NULL, cancel_reason = NULL, cancel_comment = NULL
    FROM room_now
    WHERE v.id = $5 AND v.version = $10 - 1 AND room_now.version = $4
    RETURNING v.id
), noted AS (
    INSERT INTO reservation_change
        (reservation_id, version, changed_at, changed_by, action, changes, reason, comment, client_address)
    SELECT id, $10, $14, $15, $16, $17, $18, $19, $20 FROM changed
)
SELECT (SELECT version FROM room_now) AS room_version, EXISTS (SELECT 1 FROM changed) AS changed
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


class PostgresReservations:
    """The reservations, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def place(
        self, reservation: Reservation, occupied: Interval, room_version: int, *, placed_from: str | None
    ) -> Placing:
        """Store a reservation under a shared lock of its room, unless the room changed or is taken."""
        values = placing_values(reservation, occupied, room_version, placed_from)
        return to_placing(await self._connection.fetchrow(_PLACE, *values), room_version)

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        """Read a reservation and keep others from changing it until the transaction ends."""
        row = await self._connection.fetchrow(_FOR_CHANGE, reservation_id)
        return to_reservation(row) if row else None

    async def change(self, reservation: Reservation, change: Change) -> None:
        """Store the changed reservation and its line of history; its version is the one after the stored."""
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
            *_line(change),
        )

    async def live_after(self, room_id: int, instant: datetime) -> Sequence[Reservation]:
        """List the live reservations of a room that end later, by start and id."""
        return [to_reservation(row) for row in await self._connection.fetch(_LIVE_AFTER, room_id, instant)]

    async def lock_live(self, room_id: int, window: Interval) -> Sequence[Reservation]:
        """Lock and list the live reservations of a room that overlap the window, by start and id."""
        rows = await self._connection.fetch(_LOCK_LIVE, room_id, window.starts_at, window.ends_at)
        return [to_reservation(row) for row in rows]

    async def hold(
        self, reservation: Reservation, change: Change, hold: Hold, *, room_version: int, leaves_room_id: int
    ) -> Placing:
        """Store a reservation that moves or comes back, with its line of history, under a shared lock of its room.

        Raises RoomAlreadyReservedError when another live reservation overlaps: the transaction is over then.
        """
        try:
            row = await self._connection.fetchrow(
                _HOLD,
                _TURNS,
                [reservation.room_id, leaves_room_id],
                reservation.room_id,
                room_version,
                reservation.id,
                reservation.interval.starts_at,
                reservation.interval.ends_at,
                reservation.title,
                reservation.status.value,
                reservation.version,
                hold.occupied.starts_at if hold.occupied else None,
                hold.occupied.ends_at if hold.occupied else None,
                hold.within,
                *_line(change),
            )
        except asyncpg.ExclusionViolationError as error:
            if error.constraint_name != NO_OVERLAP:
                raise
            raise RoomAlreadyReservedError from error
        if row is None or row["room_version"] != room_version:
            return Placing.ROOM_CHANGED
        return Placing.PLACED if row["changed"] else Placing.RESERVATION_CHANGED


def placing_values(
    reservation: Reservation, occupied: Interval, room_version: int, placed_from: str | None
) -> tuple[Any, ...]:
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
        placed_from,
    )


def to_placing(row: asyncpg.Record | None, room_version: int) -> Placing:
    """Read what a placing statement returned."""
    if row is None or row["room_version"] != room_version:
        return Placing.ROOM_CHANGED
    return Placing.PLACED if row["is_made"] else Placing.TAKEN


def _line(change: Change) -> tuple[object, ...]:
    return (
        change.at,
        change.by,
        change.act.value,
        changes_text(change),
        change.reason,
        change.comment,
        change.client_address,
    )
