"""What an import does to the store: thousands of rows, some a statement, in one transaction.

Invariant: the exclusion constraint decides here as everywhere; a row it keeps out is reported, never forced in.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from yoyaku.booking.adapters.postgres.rooms import PostgresRooms
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person
from yoyaku.booking.usecases.ports.imports import Imported, Known, Rival
from yoyaku.contracts.envelope import Event
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Connection, Pool

_ROWS_A_STATEMENT: Final = 1000

_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('yoyaku.booking.import', 0))"
_LOCK_ROOMS: Final = "SELECT id, site, name FROM room WHERE name = ANY ($1) ORDER BY id FOR SHARE"
_PEOPLE: Final = "SELECT user_id, id FROM person WHERE user_id = ANY ($1)"
_ADD_PEOPLE: Final = """
INSERT INTO person (id, user_id, display_name, role, password_hash, created_at)
SELECT p.id, p.user_id, p.display_name, p.role, $5, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS p (id, user_id, display_name, role)
ON CONFLICT ON CONSTRAINT person_user_id_key DO NOTHING
RETURNING id
"""
_KNOWN: Final = """
SELECT i.room_id, i.external_id, i.fingerprint, i.reservation_id
FROM unnest($1::integer[], $2::text[]) AS k (room_id, external_id)
JOIN imported_booking AS i ON i.room_id = k.room_id AND i.external_id = k.external_id
"""
_ADD_BOOKINGS: Final = """
INSERT INTO reservation (id, room_id, person_id, starts_at, ends_at, occupied, title, status, version, created_at)
SELECT b.id, b.room_id, b.person_id, b.starts_at, b.ends_at, tstzrange(b.held_from, b.held_until), b.title,
       'confirmed', 1, b.created_at
FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::timestamptz[])
     AS b (id, room_id, person_id, starts_at, ends_at, held_from, held_until, title, created_at)
ON CONFLICT ON CONSTRAINT reservation_no_overlap DO NOTHING
RETURNING id
"""
_ADD_NAMES: Final = """
INSERT INTO imported_booking (room_id, external_id, fingerprint, reservation_id, imported_at)
SELECT * FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::uuid[], $5::timestamptz[])
"""
_RIVALS: Final = """
SELECT b.id, v.id AS rival_id, v.starts_at, v.ends_at
FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::timestamptz[])
     AS b (id, room_id, held_from, held_until)
CROSS JOIN LATERAL (
    SELECT r.id, r.starts_at, r.ends_at FROM reservation AS r
    WHERE int4range(r.room_id, r.room_id, '[]') && int4range(b.room_id, b.room_id, '[]')
      AND r.occupied && tstzrange(b.held_from, b.held_until) AND r.status = 'confirmed'
    ORDER BY r.starts_at LIMIT 1
) AS v
"""


class PostgresImports:
    """The store in bulk, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take_turn(self) -> None:
        """Wait for other imports; the turn ends with the transaction."""
        await self._connection.execute(_TAKE_TURN)

    async def lock_rooms(self, names: Sequence[str]) -> Sequence[tuple[int, str, str]]:
        """Lock the rooms of these names against changes and list them as id, site and name."""
        rows = await self._connection.fetch(_LOCK_ROOMS, list(names))
        return [(row["id"], row["site"], row["name"]) for row in rows]

    async def people(self, user_ids: Sequence[str]) -> Mapping[str, UUID]:
        """Find people by user id, in lower case."""
        rows = await self._connection.fetch(_PEOPLE, list(user_ids))
        return {row["user_id"]: _uuid(row["id"]) for row in rows}

    async def add_people(self, people: Sequence[Person], password_hash: str) -> frozenset[UUID]:
        """Store people who share a password that nobody knows; return the ids of those whose user id was free."""
        if not people:
            return frozenset()
        rows = await self._connection.fetch(
            _ADD_PEOPLE,
            [person.id for person in people],
            [person.user_id for person in people],
            [person.display_name for person in people],
            [person.role.value for person in people],
            password_hash,
            people[0].created_at,
        )
        return frozenset(_uuid(row["id"]) for row in rows)

    async def known(self, keys: Sequence[tuple[int, str]]) -> Mapping[tuple[int, str], Known]:
        """Find what earlier imports stored, by room and external id."""
        rows = await self._connection.fetch(_KNOWN, [room for room, _ in keys], [name for _, name in keys])
        return {
            (row["room_id"], row["external_id"]): Known(row["fingerprint"], _uuid(row["reservation_id"]))
            for row in rows
        }

    async def add_bookings(self, bookings: Sequence[Imported]) -> AsyncIterator[Sequence[UUID]]:
        """Store bookings, some a statement; yield after each the ids of those that found their room free."""
        for start in range(0, len(bookings), _ROWS_A_STATEMENT):
            yield await self._add_some(bookings[start : start + _ROWS_A_STATEMENT])

    async def _add_some(self, bookings: Sequence[Imported]) -> Sequence[UUID]:
        reservations = [booking.reservation for booking in bookings]
        rows = await self._connection.fetch(
            _ADD_BOOKINGS,
            [reservation.id for reservation in reservations],
            [reservation.room_id for reservation in reservations],
            [reservation.person_id for reservation in reservations],
            [reservation.interval.starts_at for reservation in reservations],
            [reservation.interval.ends_at for reservation in reservations],
            [booking.occupied.starts_at for booking in bookings],
            [booking.occupied.ends_at for booking in bookings],
            [reservation.title for reservation in reservations],
            [reservation.created_at for reservation in reservations],
        )
        placed = {_uuid(row["id"]) for row in rows}
        stored = [booking for booking in bookings if booking.reservation.id in placed]
        await self._connection.execute(
            _ADD_NAMES,
            [booking.reservation.room_id for booking in stored],
            [booking.external_id for booking in stored],
            [booking.fingerprint for booking in stored],
            [booking.reservation.id for booking in stored],
            [booking.reservation.created_at for booking in stored],
        )
        return [booking.reservation.id for booking in stored]

    async def rivals(self, bookings: Sequence[Imported]) -> Mapping[UUID, Rival]:
        """Say which live reservation is in the way of each of these bookings."""
        rows = await self._connection.fetch(
            _RIVALS,
            [booking.reservation.id for booking in bookings],
            [booking.reservation.room_id for booking in bookings],
            [booking.occupied.starts_at for booking in bookings],
            [booking.occupied.ends_at for booking in bookings],
        )
        return {
            _uuid(row["id"]): Rival(_uuid(row["rival_id"]), Interval(row["starts_at"], row["ends_at"])) for row in rows
        }


class PostgresImportTransaction:
    """One transaction of an import."""

    def __init__(self, outbox: OutboxTransaction) -> None:
        self._outbox = outbox

    @property
    def rooms(self) -> PostgresRooms:
        """The rooms."""
        return PostgresRooms(self._outbox.connection)

    @property
    def imports(self) -> PostgresImports:
        """The store in bulk."""
        return PostgresImports(self._outbox.connection)

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""
        self._outbox.emit(event, subject=subject, actor=actor, client_address=client_address)


class PostgresImportTransactions:
    """Opens transactions on a pool."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresImportTransaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""
        async with self._outbox.transaction(self._pool) as outbox:
            yield PostgresImportTransaction(outbox)


def _uuid(value: UUID) -> UUID:
    """Return the standard library's type: the driver has its own, which is slower to hash."""
    return UUID(bytes=value.bytes)
