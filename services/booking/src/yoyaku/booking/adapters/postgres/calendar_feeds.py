"""Everything that touches the table of calendar feeds, and what they show of reservations.

Invariant: for a room's feed the title does not leave the database.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.calendar_feed import EVENTS_LIMIT, CalendarFeed
from yoyaku.booking.domain.errors import RoomNotFoundError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Role
from yoyaku.booking.domain.reservation import ReservationStatus
from yoyaku.booking.usecases.ports.calendar_feeds import FeedEvent, OpenFeed
from yoyaku.contracts.envelope import Event
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.errors import mapped_errors
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import ACQUIRE_TIMEOUT_SECONDS

_ROOM_KEY: Final = "calendar_feed_room_fkey"
_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('yoyaku.booking.calendar-feeds ' || $1::uuid, 0))"
_COUNT: Final = "SELECT count(*) FROM calendar_feed WHERE person_id = $1"
_ADD: Final = """
INSERT INTO calendar_feed (id, person_id, room_id, language, secret_digest, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_REMOVE: Final = """
DELETE FROM calendar_feed WHERE id = $1 AND person_id = $2
RETURNING id, person_id, room_id, language, created_at
"""
_OF_PERSON: Final = """
SELECT id, person_id, room_id, language, created_at
FROM calendar_feed WHERE person_id = $1 ORDER BY created_at, id
"""
_BY_DIGEST: Final = """
SELECT f.id, f.person_id, f.room_id, f.language, f.created_at, p.role, m.name AS room_name, m.site
FROM calendar_feed f JOIN person p ON p.id = f.person_id LEFT JOIN room m ON m.id = f.room_id
WHERE f.secret_digest = $1 AND p.disabled_at IS NULL
"""
_MINE: Final = """
SELECT v.id, v.starts_at, v.ends_at, v.title, v.status, v.version, m.name, m.site, m.time_zone,
       coalesce(c.changed_at, v.cancelled_at, v.created_at) AS changed_at
FROM reservation v JOIN room m ON m.id = v.room_id
LEFT JOIN reservation_change c ON c.reservation_id = v.id AND c.version = v.version
WHERE v.person_id = $1 AND v.starts_at >= $2 AND v.starts_at < $3 AND (v.status = 'confirmed' OR v.cancelled_at >= $4)
ORDER BY v.starts_at, v.id LIMIT $5
"""
_OF_ROOM: Final = """
SELECT v.id, v.starts_at, v.ends_at, NULL AS title, v.status, v.version, m.name, m.site, m.time_zone,
       coalesce(c.changed_at, v.cancelled_at, v.created_at) AS changed_at
FROM reservation v JOIN room m ON m.id = v.room_id
LEFT JOIN reservation_change c ON c.reservation_id = v.id AND c.version = v.version
WHERE v.room_id = $1 AND v.starts_at >= $2 AND v.starts_at < $3 AND (v.status = 'confirmed' OR v.cancelled_at >= $4)
ORDER BY v.starts_at, v.id LIMIT $5
"""


class PostgresCalendarFeeds:
    """The feeds, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_count(self, person_id: UUID) -> int:
        """Count the feeds of a person; others who ask for the same person wait until the transaction ends."""
        await self._connection.execute(_TAKE_TURNS, person_id)
        return int(await self._connection.fetchval(_COUNT, person_id))

    async def add(self, feed: CalendarFeed, secret_digest: bytes) -> None:
        """Store a feed under the digest of its secret. Raises RoomNotFoundError."""
        try:
            await self._connection.execute(
                _ADD, feed.id, feed.person_id, feed.room_id, feed.language, secret_digest, feed.created_at
            )
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name == _ROOM_KEY and feed.room_id is not None:
                raise RoomNotFoundError(feed.room_id) from error
            raise

    async def remove(self, feed_id: UUID, person_id: UUID) -> CalendarFeed | None:
        """Delete a feed of the person and return it; None when the person has none of this id."""
        row = await self._connection.fetchrow(_REMOVE, feed_id, person_id)
        return _to_feed(row) if row else None


class PostgresCalendarTransaction:
    """One transaction on feeds."""

    def __init__(self, outbox: OutboxTransaction) -> None:
        self._outbox = outbox

    @property
    def feeds(self) -> PostgresCalendarFeeds:
        """The feeds."""
        return PostgresCalendarFeeds(self._outbox.connection)

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""
        self._outbox.emit(event, subject=subject, actor=actor, client_address=client_address)


class PostgresCalendars:
    """Transactions and reads about feeds on a pool."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresCalendarTransaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""
        async with self._outbox.transaction(self._pool) as outbox:
            yield PostgresCalendarTransaction(outbox)

    async def feeds(self, person_id: UUID) -> Sequence[CalendarFeed]:
        """List the feeds of a person, oldest first."""
        async with self._connection() as connection:
            return [_to_feed(row) for row in await connection.fetch(_OF_PERSON, person_id)]

    async def open_feed(self, secret_digest: bytes) -> OpenFeed | None:
        """Find the feed of a secret, unless its owner is disabled."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_BY_DIGEST, secret_digest)
        return OpenFeed(_to_feed(row), Role(row["role"]), row["room_name"], row["site"]) if row else None

    async def events(self, feed: CalendarFeed, window: Interval, cancelled_since: datetime) -> Sequence[FeedEvent]:
        """List what a feed shows of a window, by start and id, `EVENTS_LIMIT` at most."""
        query, whose = (_MINE, feed.person_id) if feed.room_id is None else (_OF_ROOM, feed.room_id)
        async with self._connection() as connection:
            rows = await connection.fetch(query, whose, window.starts_at, window.ends_at, cancelled_since, EVENTS_LIMIT)
        return [_to_event(row) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with mapped_errors():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                yield cast("Connection", connection)


def _to_feed(row: asyncpg.Record) -> CalendarFeed:
    return CalendarFeed(
        id=UUID(bytes=row["id"].bytes),
        person_id=UUID(bytes=row["person_id"].bytes),
        room_id=row["room_id"],
        language=row["language"],
        created_at=row["created_at"],
    )


def _to_event(row: asyncpg.Record) -> FeedEvent:
    return FeedEvent(
        reservation_id=UUID(bytes=row["id"].bytes),
        interval=Interval(row["starts_at"], row["ends_at"]),
        title=row["title"],
        status=ReservationStatus(row["status"]),
        version=row["version"],
        changed_at=row["changed_at"],
        room_name=row["name"],
        site=row["site"],
        time_zone=row["time_zone"],
    )
