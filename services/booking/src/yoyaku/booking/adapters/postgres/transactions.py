"""Transactions with their outbox, single reads, and rooms as known a moment ago."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from yoyaku.booking.adapters.postgres.answers import PostgresAnswers
from yoyaku.booking.adapters.postgres.calendars import read_calendars
from yoyaku.booking.adapters.postgres.closures import PostgresClosures, read_closures
from yoyaku.booking.adapters.postgres.coalesced import Coalesced
from yoyaku.booking.adapters.postgres.history import read_record
from yoyaku.booking.adapters.postgres.listings import read_listing, read_reservation
from yoyaku.booking.adapters.postgres.marks import Window, read_calendar_marks, read_own_marks
from yoyaku.booking.adapters.postgres.people import (
    PostgresPeople,
    read_credentials,
    read_credentials_of,
    read_people,
)
from yoyaku.booking.adapters.postgres.reservations import (
    PLACE_WITH_EVENT,
    PostgresReservations,
    placing_values,
    to_placing,
)
from yoyaku.booking.adapters.postgres.rooms import PostgresRooms, read_room, read_rooms, read_sites
from yoyaku.booking.adapters.postgres.sessions import PostgresDenials, PostgresSessions, read_sessions
from yoyaku.booking.adapters.postgres.signing_keys import PostgresSigningKeys
from yoyaku.booking.domain.availability import RoomCalendar
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.session import Session
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.booking.usecases.ports.people import Credentials, PeopleFilter
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import Listing, Placing, Position, Record, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import RoomFilter, Site
from yoyaku.booking.usecases.ports.transactions import Fact
from yoyaku.contracts.envelope import Event
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.errors import mapped_errors
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import ACQUIRE_TIMEOUT_SECONDS

_ROOMS_REMEMBERED: Final = 10_000


class PostgresTransaction:
    """One transaction: state, kept answers and events."""

    def __init__(self, outbox: OutboxTransaction, *, keep_answers_for: timedelta) -> None:
        self._outbox = outbox
        self._keep_answers_for = keep_answers_for

    @property
    def people(self) -> PostgresPeople:
        """The people."""
        return PostgresPeople(self._outbox.connection)

    @property
    def sessions(self) -> PostgresSessions:
        """The sessions and their refresh tokens."""
        return PostgresSessions(self._outbox.connection)

    @property
    def denials(self) -> PostgresDenials:
        """The denials of access tokens."""
        return PostgresDenials(self._outbox.connection)

    @property
    def rooms(self) -> PostgresRooms:
        """The rooms."""
        return PostgresRooms(self._outbox.connection)

    @property
    def closures(self) -> PostgresClosures:
        """The closures of rooms."""
        return PostgresClosures(self._outbox.connection)

    @property
    def reservations(self) -> PostgresReservations:
        """The reservations."""
        return PostgresReservations(self._outbox.connection)

    @property
    def answers(self) -> PostgresAnswers:
        """The answers kept under Idempotency-Keys."""
        return PostgresAnswers(self._outbox.connection, keep_for=self._keep_answers_for)

    @property
    def signing_keys(self) -> PostgresSigningKeys:
        """The keys that sign access tokens."""
        return PostgresSigningKeys(self._outbox.connection)

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""
        self._outbox.emit(event, subject=subject, actor=actor, client_address=client_address)


class PostgresTransactions:
    """Opens transactions on a pool."""

    def __init__(self, pool: Pool, outbox: Outbox, *, keep_answers_for: timedelta) -> None:
        self._pool = pool
        self._outbox = outbox
        self._keep_answers_for = keep_answers_for

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresTransaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""
        async with self._outbox.transaction(self._pool) as outbox:
            yield PostgresTransaction(outbox, keep_answers_for=self._keep_answers_for)

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int, fact: Fact) -> Placing:
        """Store a reservation and its fact as `begin`, `place` and `emit` would, in one round trip."""
        row = await self._outbox.change(
            self._pool,
            PLACE_WITH_EVENT,
            *placing_values(reservation, occupied, room_version, fact.client_address),
            event=fact.event,
            subject=fact.subject,
            actor=fact.actor,
            client_address=fact.client_address,
        )
        return to_placing(row, room_version)


class PostgresReads:
    """Single reads, each on a connection of the pool; marks that are asked for at the same time share one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calendar_mark = Coalesced(self._calendar_marks)
        self._own_mark = Coalesced(self._own_marks)

    async def credentials(self, user_id: str) -> Credentials | None:
        """Find a person by user id, whatever its case."""
        async with self._connection() as connection:
            return await read_credentials(connection, user_id)

    async def credentials_of(self, person_id: UUID) -> Credentials | None:
        """Find a person by id, with the stored hash."""
        async with self._connection() as connection:
            return await read_credentials_of(connection, person_id)

    async def people(self, wanted: PeopleFilter, *, after: str | None, limit: int) -> Sequence[Person]:
        """List people by user id, starting after one."""
        async with self._connection() as connection:
            return await read_people(connection, wanted, after=after, limit=limit)

    async def sessions(self, person_id: UUID, now: datetime, *, limit: int) -> Sequence[Session]:
        """List the live sessions of a person, the last used first."""
        async with self._connection() as connection:
            return await read_sessions(connection, person_id, now, limit=limit)

    async def room(self, room_id: int) -> Room | None:
        """Find a room as it is now."""
        async with self._connection() as connection:
            return await read_room(connection, room_id)

    async def rooms(
        self, wanted: RoomFilter, *, after: int, limit: int, closures_in: Interval | None = None
    ) -> Sequence[Room]:
        """List the rooms that fit by id, starting after one; with the closures that touch an interval, if given."""
        async with self._connection() as connection:
            return await read_rooms(connection, wanted, after=after, limit=limit, closures_in=closures_in)

    async def sites(self) -> Sequence[Site]:
        """List the sites by name."""
        async with self._connection() as connection:
            return await read_sites(connection)

    async def busy_of(self, room_ids: Sequence[int], window: Interval) -> Mapping[int, RoomCalendar]:
        """Read what keeps rooms busy over the window, in one query."""
        async with self._connection() as connection:
            return await read_calendars(connection, room_ids, window)

    async def calendar_mark(self, room_id: int, window: Interval) -> str | None:
        """Return a text that differs when `busy_of` of the window would; None when there is no such room."""
        return await self._calendar_mark((room_id, window))

    async def own_mark(self, person_id: UUID, *, limit: int) -> str:
        """Return a text that differs when the first `limit` reservations of a person would."""
        return await self._own_mark((person_id, limit))

    async def _calendar_marks(self, windows: Sequence[Window]) -> Sequence[str | None]:
        async with self._connection() as connection:
            return await read_calendar_marks(connection, windows)

    async def _own_marks(self, asked: Sequence[tuple[UUID, int]]) -> Sequence[str]:
        async with self._connection() as connection:
            return await read_own_marks(connection, asked)

    async def closures(
        self,
        room_id: int,
        *,
        since: datetime | None,
        until: datetime | None,
        after: ClosurePosition | None,
        limit: int,
    ) -> Sequence[ClosureEntry]:
        """List those of a room that end after `since` and start before `until`, by start and id."""
        async with self._connection() as connection:
            return await read_closures(connection, room_id, since=since, until=until, after=after, limit=limit)

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        """Find a reservation in any status."""
        async with self._connection() as connection:
            return await read_reservation(connection, reservation_id)

    async def reservations(self, wanted: Listing, *, after: Position | None, limit: int) -> Sequence[ReservationEntry]:
        """List reservations by start and id, starting after a position."""
        async with self._connection() as connection:
            return await read_listing(connection, wanted, after=after, limit=limit)

    async def record(self, reservation_id: UUID, *, after: int, limit: int) -> Record:
        """Read up to `limit` changes of a reservation whose versions are above `after`, by version."""
        async with self._connection() as connection:
            return await read_record(connection, reservation_id, after=after, limit=limit)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with mapped_errors():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                yield cast("Connection", connection)


class RememberedRooms:
    """Rooms as read once; `forget` makes one be read again."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._rooms: dict[int, Room] = {}

    async def known(self, room_id: int) -> Room | None:
        """Return the room, read from the database when it is not known yet; what is not there is not remembered."""
        room = self._rooms.get(room_id)
        if room is None:
            room = await self._reads.room(room_id)
            if room is not None:
                if len(self._rooms) >= _ROOMS_REMEMBERED:
                    self._rooms.clear()
                self._rooms[room_id] = room
        return room

    def forget(self, room_id: int) -> None:
        """Read the room again the next time."""
        self._rooms.pop(room_id, None)
