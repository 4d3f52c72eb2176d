"""The ports in memory, for tests of use cases; `test_ports.py` holds them against the real adapters."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from yoyaku.booking.domain.availability import Holding, RoomCalendar, needed
from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.errors import (
    KeyReusedError,
    PersonAlreadyExistsError,
    RoomAlreadyExistsError,
    RoomAlreadyReservedError,
)
from yoyaku.booking.domain.history import Change, Step
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.rescheduling import Hold
from yoyaku.booking.domain.reservation import HOLDS_THE_ROOM, Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.session import RefreshToken, Session
from yoyaku.booking.domain.signing_key import SigningKey
from yoyaku.booking.usecases.marks import mark_of_calendar, mark_of_list
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.booking.usecases.ports.people import Credentials, PeopleFilter
from yoyaku.booking.usecases.ports.reservations import Listing, Placing, Position, Record, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import NewRoom, RoomFilter, Site
from yoyaku.booking.usecases.ports.sign_in import AccessToken, Principal
from yoyaku.booking.usecases.ports.signing_keys import StoredKey
from yoyaku.booking.usecases.ports.transactions import Fact
from yoyaku.contracts.envelope import Event


@dataclass
class Kept:
    fingerprint: bytes
    answer: StoredAnswer
    kept_at: datetime


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
    closures: dict[UUID, ClosureEntry] = field(default_factory=dict)
    reservations: dict[UUID, tuple[Reservation, Interval]] = field(default_factory=dict)
    placed_from: dict[UUID, str | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    answers: dict[tuple[UUID, str], Kept] = field(default_factory=dict)
    signing_keys: dict[str, StoredKey] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    denials: dict[tuple[DenialKind, str], Denial] = field(default_factory=dict)
    events: list[Emitted] = field(default_factory=list)


class InMemoryTransaction:
    """All ports of a transaction over one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.people = InMemoryPeople(state)
        self.sessions = InMemorySessions(state)
        self.denials = InMemoryDenials(state)
        self.rooms = InMemoryRooms(state)
        self.closures = InMemoryClosures(state)
        self.reservations = InMemoryReservations(state)
        self.answers = InMemoryAnswers(state)
        self.signing_keys = InMemorySigningKeys(state)

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
            outcome = await tx.reservations.place(reservation, occupied, room_version, placed_from=fact.client_address)
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

    async def has_other_admin(self, person_id: UUID) -> bool:
        return any(
            known.person.role is Role.ADMIN and known.person.disabled_at is None and known.person.id != person_id
            for known in self._state.people.values()
        )

    async def find_held(self, person_id: UUID) -> Person | None:
        known = self._state.people.get(person_id)
        return known.person if known else None

    async def find_for_change(self, person_id: UUID) -> Person | None:
        return await self.find_held(person_id)

    async def change(self, person: Person, *, password_hash: str | None = None) -> None:
        known = self._state.people[person.id]
        self._state.people[person.id] = Credentials(person, password_hash or known.password_hash)


class InMemorySessions:
    def __init__(self, state: State) -> None:
        self._state = state

    async def open(self, session: Session, token: RefreshToken) -> None:
        self._state.sessions[session.id] = session
        self._state.refresh_tokens[token.digest] = token

    async def owner_of(self, digest: bytes) -> tuple[UUID, UUID] | None:
        token = self._state.refresh_tokens.get(digest)
        return (token.session_id, self._state.sessions[token.session_id].person_id) if token else None

    async def find_for_change(self, session_id: UUID) -> Session | None:
        return self._state.sessions.get(session_id)

    async def token(self, digest: bytes) -> RefreshToken | None:
        return self._state.refresh_tokens.get(digest)

    async def rotate(self, session: Session, used: RefreshToken, fresh: RefreshToken) -> None:
        self._state.refresh_tokens[used.digest] = replace(used, used_at=fresh.issued_at)
        self._state.refresh_tokens[fresh.digest] = fresh
        self._state.sessions[session.id] = session

    async def revoke(self, session_id: UUID, now: datetime) -> None:
        self._state.sessions[session_id] = replace(self._state.sessions[session_id], revoked_at=now)

    async def revoke_all(self, person_id: UUID, now: datetime, *, but: UUID | None) -> Sequence[Session]:
        ended = [
            known
            for known in self._state.sessions.values()
            if known.person_id == person_id and known.revoked_at is None and known.id != but
        ]
        for session in ended:
            await self.revoke(session.id, now)
        return ended


class InMemoryDenials:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, denial: Denial) -> None:
        self._state.denials[denial.kind, denial.value] = denial


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
            created_at=created_at,
            opening_hours=room.opening_hours,
        )
        self._state.rooms[made.id] = made
        return made

    async def find(self, room_id: int) -> Room | None:
        return with_closures(self._state, room_id)

    async def find_for_change(self, room_id: int) -> Room | None:
        return with_closures(self._state, room_id)

    async def change(self, room: Room) -> None:
        others = (known for known in self._state.rooms.values() if known.id != room.id)
        if any((known.site, known.name) == (room.site, room.name) for known in others):
            raise RoomAlreadyExistsError
        assert self._state.rooms[room.id].version == room.version - 1
        self._state.rooms[room.id] = room


class InMemoryClosures:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, entry: ClosureEntry) -> None:
        self._state.closures[entry.closure.id] = entry

    async def remove(self, room_id: int, closure_id: UUID) -> bool:
        known = self._state.closures.get(closure_id)
        if known is None or known.room_id != room_id:
            return False
        del self._state.closures[closure_id]
        return True

    async def count_ahead(self, room_id: int, now: datetime) -> int:
        return sum(
            entry.room_id == room_id and entry.closure.interval.ends_at > now for entry in self._state.closures.values()
        )


def with_closures(state: State, room_id: int) -> Room | None:
    room = state.rooms.get(room_id)
    entries = sorted(state.closures.values(), key=lambda entry: (entry.closure.interval.starts_at, entry.closure.id))
    closures = tuple(entry.closure for entry in entries if entry.room_id == room_id)
    return replace(room, closures=closures) if room else None


class InMemoryReservations:
    def __init__(self, state: State) -> None:
        self._state = state

    async def place(
        self, reservation: Reservation, occupied: Interval, room_version: int, *, placed_from: str | None
    ) -> Placing:
        room = self._state.rooms.get(reservation.room_id)
        if room is None or room.version != room_version:
            return Placing.ROOM_CHANGED
        if self._is_taken(reservation, occupied):
            return Placing.TAKEN
        self._state.reservations[reservation.id] = (reservation, occupied)
        self._state.placed_from[reservation.id] = placed_from
        return Placing.PLACED

    def _is_taken(self, reservation: Reservation, occupied: Interval) -> bool:
        return any(
            held.overlaps(occupied)
            for other, held in self._state.reservations.values()
            if other.id != reservation.id and other.room_id == reservation.room_id and other.status in HOLDS_THE_ROOM
        )

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        found = self._state.reservations.get(reservation_id)
        return found[0] if found else None

    async def change(self, reservation: Reservation, change: Change) -> None:
        _, occupied = self._state.reservations[reservation.id]
        self._state.reservations[reservation.id] = (reservation, occupied)
        self._state.changes.append(change)

    async def hold(
        self, reservation: Reservation, change: Change, hold: Hold, *, room_version: int, leaves_room_id: int
    ) -> Placing:
        room = self._state.rooms.get(reservation.room_id)
        if room is None or room.version != room_version:
            return Placing.ROOM_CHANGED
        stored, held = self._state.reservations[reservation.id]
        assert stored.room_id == leaves_room_id or stored.version != reservation.version - 1
        if stored.version != reservation.version - 1:
            return Placing.RESERVATION_CHANGED
        occupied = hold.occupied or held
        if hold.within:
            occupied = Interval(max(occupied.starts_at, held.starts_at), min(occupied.ends_at, held.ends_at))
        if self._is_taken(reservation, occupied):
            raise RoomAlreadyReservedError
        self._state.reservations[reservation.id] = (reservation, occupied)
        self._state.changes.append(change)
        return Placing.PLACED

    async def live_after(self, room_id: int, instant: datetime) -> Sequence[Reservation]:
        return [held for held in self._live(room_id) if held.interval.ends_at > instant]

    async def lock_live(self, room_id: int, window: Interval) -> Sequence[Reservation]:
        return [held for held in self._live(room_id) if held.interval.overlaps(window)]

    def _live(self, room_id: int) -> Sequence[Reservation]:
        held = [
            reservation
            for reservation, _ in self._state.reservations.values()
            if reservation.room_id == room_id and reservation.status in HOLDS_THE_ROOM
        ]
        return sorted(held, key=lambda reservation: (reservation.interval.starts_at, reservation.id))


class InMemoryAnswers:
    def __init__(self, state: State) -> None:
        self._state = state

    async def claim(self, person_id: UUID, key: str, fingerprint: bytes, now: datetime) -> StoredAnswer | None:
        kept = self._state.answers.get((person_id, key))
        if kept is None or kept.kept_at + timedelta(hours=24) <= now:
            return None
        if kept.fingerprint != fingerprint:
            raise KeyReusedError
        return StoredAnswer(kept.answer.status, kept.answer.body, replayed=True)

    async def keep(self, person_id: UUID, key: str, fingerprint: bytes, answer: StoredAnswer, now: datetime) -> None:
        self._state.answers[(person_id, key)] = Kept(fingerprint, answer, now)


class InMemorySigningKeys:
    def __init__(self, state: State) -> None:
        self._state = state

    async def all_for_change(self) -> Sequence[SigningKey]:
        return [stored.key for stored in self._state.signing_keys.values()]

    async def add(self, key: SigningKey, sealed_private_key: bytes) -> None:
        self._state.signing_keys[key.key_id] = StoredKey(key, sealed_private_key)

    async def change(self, key: SigningKey) -> None:
        sealed = self._state.signing_keys[key.key_id].sealed_private_key if key.revoked_at is None else None
        self._state.signing_keys[key.key_id] = StoredKey(key, sealed)


class InMemoryReads:
    def __init__(self, transactions: InMemoryTransactions) -> None:
        self._transactions = transactions

    async def credentials(self, user_id: str) -> Credentials | None:
        people = self._transactions.state.people.values()
        return next((known for known in people if known.person.user_id == user_id.lower()), None)

    async def credentials_of(self, person_id: UUID) -> Credentials | None:
        return self._transactions.state.people.get(person_id)

    async def people(self, wanted: PeopleFilter, *, after: str | None, limit: int) -> Sequence[Person]:
        people = sorted((known.person for known in self._transactions.state.people.values()), key=lambda p: p.user_id)
        text = (wanted.text or "").lower()
        return [
            person
            for person in people
            if (after is None or person.user_id > after)
            and wanted.role in {None, person.role}
            and wanted.disabled in {None, person.disabled_at is not None}
            and (text in person.user_id or text in person.display_name.lower())
        ][:limit]

    async def sessions(self, person_id: UUID, now: datetime, *, limit: int) -> Sequence[Session]:
        own = [
            known
            for known in self._transactions.state.sessions.values()
            if known.person_id == person_id and known.is_live(now)
        ]
        return sorted(own, key=lambda known: known.last_used_at, reverse=True)[:limit]

    async def room(self, room_id: int) -> Room | None:
        return with_closures(self._transactions.state, room_id)

    async def rooms(
        self, wanted: RoomFilter, *, after: int, limit: int, closures_in: Interval | None = None
    ) -> Sequence[Room]:
        state = self._transactions.state
        rooms = (with_closures(state, number) for number in sorted(state.rooms) if number > after)
        found = [room for room in rooms if room is not None and self._fits(room, wanted)][:limit]
        return [
            replace(
                room,
                closures=tuple(
                    closure for closure in room.closures if closures_in and closure.interval.overlaps(closures_in)
                ),
            )
            for room in found
        ]

    def _fits(self, room: Room, wanted: RoomFilter) -> bool:
        held = [
            occupied
            for reservation, occupied in self._transactions.state.reservations.values()
            if reservation.room_id == room.id and reservation.status in HOLDS_THE_ROOM
        ]
        return (
            wanted.site in (None, room.site)
            and room.capacity >= (wanted.capacity or 0)
            and set(wanted.features) <= set(room.features)
            and wanted.active in (None, room.active)
            and (
                wanted.free is None
                or (
                    room.active
                    and not any(occupied.overlaps(room.occupied_by(wanted.free)) for occupied in held)
                    and not any(closure.interval.overlaps(wanted.free) for closure in room.closures)
                )
            )
        )

    async def sites(self) -> Sequence[Site]:
        rooms = self._transactions.state.rooms.values()
        return [
            Site(
                site,
                sum(room.active for room in rooms if room.site == site),
                tuple(sorted({room.time_zone for room in rooms if room.site == site})),
            )
            for site in sorted({room.site for room in rooms})
        ]

    async def busy_of(self, room_ids: Sequence[int], window: Interval) -> Mapping[int, RoomCalendar]:
        state, reach = self._transactions.state, needed(window)
        found = {}
        for room_id in room_ids:
            room = with_closures(state, room_id)
            if room is None:
                continue
            holdings = [
                Holding(reservation.interval, occupied)
                for reservation, occupied in state.reservations.values()
                if reservation.room_id == room_id and reservation.status in HOLDS_THE_ROOM and occupied.overlaps(reach)
            ]
            closures = tuple(closure for closure in room.closures if closure.interval.overlaps(reach))
            holdings.sort(key=lambda holding: holding.interval)
            found[room_id] = RoomCalendar(replace(room, closures=closures), tuple(holdings))
        return found

    async def calendar_mark(self, room_id: int, window: Interval) -> str | None:
        calendar = (await self.busy_of([room_id], window)).get(room_id)
        return None if calendar is None else mark_of_calendar(calendar)

    async def own_mark(self, person_id: UUID, *, limit: int) -> str:
        return mark_of_list(await self.reservations(Listing(person_id=person_id), after=None, limit=limit))

    async def closures(
        self,
        room_id: int,
        *,
        since: datetime | None,
        until: datetime | None,
        after: ClosurePosition | None,
        limit: int,
    ) -> Sequence[ClosureEntry]:
        entries = [
            entry
            for entry in self._transactions.state.closures.values()
            if entry.room_id == room_id
            and (since is None or entry.closure.interval.ends_at > since)
            and (until is None or entry.closure.interval.starts_at < until)
            and (after is None or _place(entry) > (after.starts_at, after.id))
        ]
        return sorted(entries, key=_place)[:limit]

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        found = self._transactions.state.reservations.get(reservation_id)
        return self._entry(found[0]) if found else None

    async def reservations(self, wanted: Listing, *, after: Position | None, limit: int) -> Sequence[ReservationEntry]:
        entries = [self._entry(found) for found, _ in self._transactions.state.reservations.values()]
        shown = [
            entry
            for entry in entries
            if self._is_wanted(entry, wanted) and (after is None or _key(entry) > (after.starts_at, after.id))
        ]
        return sorted(shown, key=_key)[:limit]

    async def record(self, reservation_id: UUID, *, after: int, limit: int) -> Record:
        state = self._transactions.state
        changes = [change for change in state.changes if change.reservation_id == reservation_id]
        first_steps: dict[str, Step] = {}
        for change in reversed(changes):
            first_steps.update(change.differences)
        page = [change for change in changes if change.version > after][:limit]
        return Record(state.placed_from.get(reservation_id), first_steps, page)

    def _is_wanted(self, entry: ReservationEntry, wanted: Listing) -> bool:
        reservation = entry.reservation
        return all(
            (
                wanted.day is None or self._holds(entry, wanted.day),
                wanted.since is None or reservation.interval.ends_at > wanted.since,
                wanted.until is None or reservation.interval.starts_at < wanted.until,
                wanted.room_id in (None, reservation.room_id),
                wanted.site in (None, self._transactions.state.rooms[reservation.room_id].site),
                wanted.person_id in (None, reservation.person_id),
                wanted.status in (None, reservation.status),
            )
        )

    def _entry(self, reservation: Reservation) -> ReservationEntry:
        return ReservationEntry(reservation, self._transactions.state.rooms[reservation.room_id].time_zone)

    @staticmethod
    def _holds(entry: ReservationEntry, day: date) -> bool:
        midnight = datetime.combine(day, time.min, entry.zone)
        following = datetime.combine(day + timedelta(days=1), time.min, entry.zone)
        return entry.reservation.interval.overlaps(Interval(midnight, following))


def _place(entry: ClosureEntry) -> tuple[datetime, UUID]:
    return entry.closure.interval.starts_at, entry.closure.id


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
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.issued: list[tuple[Person, UUID, datetime]] = []

    def issue(self, person: Person, session_id: UUID, issued_at: datetime) -> AccessToken:
        self.issued.append((person, session_id, issued_at))
        return AccessToken(f"token of {person.user_id}", 900, self._now() + timedelta(seconds=900))

    async def check(self, token: str) -> Principal:
        raise NotImplementedError
