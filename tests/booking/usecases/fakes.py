"""The ports in memory, for tests of use cases; `test_ports.py` holds them against the real adapters."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID

from yoyaku.booking.domain.errors import (
    KeyReusedError,
    PersonAlreadyExistsError,
    RoomAlreadyExistsError,
)
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.reservation import HOLDS_THE_ROOM, Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.booking.usecases.ports.reservations import Placing, Position, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.booking.usecases.ports.sign_in import AccessToken, Principal
from yoyaku.booking.usecases.ports.transactions import Fact
from yoyaku.contracts.envelope import Event


@dataclass
class Kept:
    fingerprint: bytes
    answer: StoredAnswer


@dataclass
class Emitted:
    event: Event
    subject: str
    actor: str
    client_address: str | None


@dataclass
class State:
    people: dict[UUID, Credentials] = field(default_factory=dict)
    rooms: dict[int, Room] = field(default_factory=dict)
    reservations: dict[UUID, tuple[Reservation, Interval]] = field(default_factory=dict)
    answers: dict[tuple[UUID, str], Kept] = field(default_factory=dict)
    events: list[Emitted] = field(default_factory=list)


class InMemoryTransaction:
    """All ports of a transaction over one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.people = InMemoryPeople(state)
        self.rooms = InMemoryRooms(state)
        self.reservations = InMemoryReservations(state)
        self.answers = InMemoryAnswers(state)

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        self.state.events.append(Emitted(event, subject, actor, client_address))


class InMemoryTransactions:
    """Copies the state for each transaction and keeps the copy when the block ends well."""

    def __init__(self) -> None:
        self.state = State()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryTransaction]:
        tx = InMemoryTransaction(deepcopy(self.state))
        yield tx
        self.state = tx.state

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int, fact: Fact) -> Placing:
        async with self.begin() as tx:
            outcome = await tx.reservations.place(reservation, occupied, room_version)
            if outcome is Placing.PLACED:
                tx.emit(fact.event, subject=fact.subject, actor=fact.actor, client_address=fact.client_address)
        return outcome


class InMemoryPeople:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, person: Person, password_hash: str) -> None:
        if any(known.person.user_id == person.user_id for known in self._state.people.values()):
            raise PersonAlreadyExistsError
        self._state.people[person.id] = Credentials(person, password_hash)

    async def change_password_hash(self, person_id: UUID, *, old: str, new: str) -> None:
        known = self._state.people[person_id]
        if known.password_hash == old:
            self._state.people[person_id] = Credentials(known.person, new)

    async def has_admin(self) -> bool:
        return any(known.person.role is Role.ADMIN for known in self._state.people.values())


class InMemoryRooms:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        if any((known.site, known.name) == (room.site, room.name) for known in self._state.rooms.values()):
            raise RoomAlreadyExistsError
        made = Room(
            id=max(self._state.rooms, default=0) + 1,
            name=room.name,
            site=room.site,
            capacity=room.capacity,
            time_zone=room.time_zone,
            features=room.features,
            buffer_before_minutes=room.buffer_before_minutes,
            buffer_after_minutes=room.buffer_after_minutes,
            active=True,
            version=1,
        )
        self._state.rooms[made.id] = made
        return made

    async def find(self, room_id: int) -> Room | None:
        return self._state.rooms.get(room_id)


class InMemoryReservations:
    def __init__(self, state: State) -> None:
        self._state = state

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int) -> Placing:
        room = self._state.rooms.get(reservation.room_id)
        if room is None or room.version != room_version:
            return Placing.ROOM_CHANGED
        for other, held in self._state.reservations.values():
            if other.room_id == reservation.room_id and other.status in HOLDS_THE_ROOM and held.overlaps(occupied):
                return Placing.TAKEN
        self._state.reservations[reservation.id] = (reservation, occupied)
        return Placing.PLACED

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        found = self._state.reservations.get(reservation_id)
        return found[0] if found else None

    async def change(self, reservation: Reservation) -> None:
        _, occupied = self._state.reservations[reservation.id]
        self._state.reservations[reservation.id] = (reservation, occupied)


class InMemoryAnswers:
    def __init__(self, state: State) -> None:
        self._state = state

    async def claim(self, person_id: UUID, key: str, fingerprint: bytes) -> StoredAnswer | None:
        kept = self._state.answers.get((person_id, key))
        if kept is None:
            return None
        if kept.fingerprint != fingerprint:
            raise KeyReusedError
        return StoredAnswer(kept.answer.status, kept.answer.body, replayed=True)

    async def keep(self, person_id: UUID, key: str, fingerprint: bytes, answer: StoredAnswer, now: datetime) -> None:
        self._state.answers[(person_id, key)] = Kept(fingerprint, answer)


class InMemoryReads:
    def __init__(self, transactions: InMemoryTransactions) -> None:
        self._transactions = transactions

    async def credentials(self, user_id: str) -> Credentials | None:
        people = self._transactions.state.people.values()
        return next((known for known in people if known.person.user_id == user_id.lower()), None)

    async def room(self, room_id: int) -> Room | None:
        return self._transactions.state.rooms.get(room_id)

    async def rooms(self, *, after: int, limit: int) -> Sequence[Room]:
        return [room for number, room in sorted(self._transactions.state.rooms.items()) if number > after][:limit]

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        found = self._transactions.state.reservations.get(reservation_id)
        return self._entry(found[0]) if found else None

    async def reservations(
        self, day: date, *, room_id: int | None, after: Position | None, limit: int
    ) -> Sequence[ReservationEntry]:
        entries = [self._entry(found) for found, _ in self._transactions.state.reservations.values()]
        shown = [
            entry
            for entry in entries
            if (room_id is None or entry.reservation.room_id == room_id)
            and self._holds(entry, day)
            and (after is None or _key(entry) > (after.starts_at, after.id))
        ]
        return sorted(shown, key=_key)[:limit]

    def _entry(self, reservation: Reservation) -> ReservationEntry:
        return ReservationEntry(reservation, self._transactions.state.rooms[reservation.room_id].time_zone)

    @staticmethod
    def _holds(entry: ReservationEntry, day: date) -> bool:
        midnight = datetime.combine(day, time.min, entry.zone)
        following = datetime.combine(day + timedelta(days=1), time.min, entry.zone)
        return entry.reservation.interval.overlaps(Interval(midnight, following))


def _key(entry: ReservationEntry) -> tuple[datetime, UUID]:
    return entry.reservation.interval.starts_at, entry.reservation.id


class PlainPasswords:
    """Counts what is hashed."""

    def __init__(self) -> None:
        self.work = 0
        self.outdated = False

    async def hash(self, password: str) -> str:
        self.work += 1
        return f"hash of {password}"

    async def verify(self, stored: str | None, password: str) -> bool:
        self.work += 1
        return stored == f"hash of {password}"

    def is_outdated(self, stored: str) -> bool:
        return self.outdated


class PlainTokens:
    def issue(self, person: Person) -> AccessToken:
        return AccessToken(f"token of {person.user_id}", 900)

    def check(self, token: str) -> Principal:
        raise NotImplementedError
