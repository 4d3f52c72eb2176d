"""Take rooms, people and bookings over from files: all of them, or nothing.

Invariant: one transaction. It is committed only when no line has a fault, so a file is in whole or not at all, each
thing with its event. What an earlier import brought is recognised and left as it is.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final, TypeAlias
from uuid import UUID

from yoyaku.booking.domain.errors import RoomAlreadyExistsError, RoomNotBookableError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.overlap import overlapping
from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.policy import BookingPolicy, check_user_id
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.booking.usecases.ports.imports import (
    BookingRow,
    Fault,
    Imported,
    ImportTransaction,
    ImportTransactions,
    Line,
    Parsed,
)
from yoyaku.booking.usecases.ports.sign_in import Passwords
from yoyaku.contracts.booking_v1 import ReservationConfirmed, RoomCreated
from yoyaku.contracts.envelope import Event
from yoyaku.contracts.identity_v1 import PersonCreated

ACTOR: Final = "operator"

Progress: TypeAlias = Callable[[int], None]
"""Told how many more rows are in the store, not yet committed."""


class ImportRefusedError(Exception):
    """Lines have faults, and nothing was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(sorted(faults, key=attrgetter("line")))


class _RehearsedError(Exception):
    """Everything would have gone well; the transaction is given up because it was a rehearsal."""


@dataclass(slots=True)
class ImportReport:
    """How many were created, and how many were there before and left as they are."""

    rooms_created: int = 0
    rooms_known: int = 0
    people_created: int = 0
    people_known: int = 0
    reservations_created: int = 0
    reservations_known: int = 0
    cancelled_left_out: int = 0


@dataclass(frozen=True, slots=True)
class ImportRecords:
    """Imports what was read from files. `unusable_password` returns one that nobody will ever know."""

    transactions: ImportTransactions
    passwords: Passwords
    policy: BookingPolicy
    unusable_password: Callable[[], str]
    new_id: NewId
    now: Clock

    async def __call__(
        self, parsed: Parsed, *, dry_run: bool = False, progress: Progress = lambda _: None
    ) -> ImportReport:
        """Return what was done, or would be done in a rehearsal. Raises ImportRefusedError naming every fault."""
        password_hash = await self.passwords.hash(self.unusable_password()) if parsed.people else ""
        report = ImportReport(cancelled_left_out=parsed.left_out)
        try:
            async with self.transactions.begin() as tx:
                run = _Run(self, tx, parsed, report, progress, list(parsed.faults))
                await tx.imports.take_turn()
                await run.rooms()
                await run.people(password_hash)
                await run.bookings()
                if run.faults:
                    raise ImportRefusedError(run.faults)
                if dry_run:
                    raise _RehearsedError
        except _RehearsedError:
            pass
        return report


@dataclass(slots=True)
class _Run:
    """One import inside its transaction."""

    command: ImportRecords
    tx: ImportTransaction
    parsed: Parsed
    report: ImportReport
    progress: Progress
    faults: list[Fault]
    _room_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    _sites: dict[str, list[str]] = field(default_factory=dict)
    _rooms: dict[int, Room] = field(default_factory=dict)
    _people: dict[str, UUID] = field(default_factory=dict)

    async def rooms(self) -> None:
        """Find and lock the rooms that are named, and make those that are new."""
        names = {row.room.name for row in self.parsed.rooms}
        names |= {name for row in self.parsed.bookings for name in (row.room, row.room.rpartition(", ")[0])}
        for room_id, site, name in await self.tx.imports.lock_rooms(sorted(names)):
            self._know(room_id, site, name)
        first: dict[tuple[str, str], Line] = {}
        for row in self.parsed.rooms:
            key = (row.room.site, row.room.name)
            if key in first:
                self._refuse(row.line, "name", "twice-in-files", other=str(first[key]))
            elif key in self._room_ids:
                self.report.rooms_known += 1
            else:
                try:
                    room = await self.tx.rooms.add(row.room, self.command.now())
                except RoomAlreadyExistsError:
                    self._refuse(row.line, "name", "changed-meanwhile")
                    continue
                self._rooms[room.id] = room
                self._know(room.id, room.site, room.name)
                self._emit(
                    RoomCreated(room_id=room.id, site=room.site, capacity=room.capacity, time_zone=room.time_zone),
                    f"room/{room.id}",
                )
                self.report.rooms_created += 1
                self.progress(1)
            first.setdefault(key, row.line)

    def _know(self, room_id: int, site: str, name: str) -> None:
        self._room_ids[site, name] = room_id
        self._sites.setdefault(name, []).append(site)

    async def people(self, password_hash: str) -> None:
        """Find the people who are named, and make those who are new."""
        named = {row.user_id.lower() for row in self.parsed.people}
        named |= {name.lower() for row in self.parsed.bookings for name in (row.user_id, row.owner or "")}
        self._people.update(await self.tx.imports.people(sorted(named)))
        first: dict[str, Line] = {}
        wanted: dict[UUID, tuple[Line, Person]] = {}
        now = self.command.now()
        for row in self.parsed.people:
            user_id = row.user_id.lower()
            if user_id in first:
                self._refuse(row.line, "user_id", "twice-in-files", other=str(first[user_id]))
                continue
            first[user_id] = row.line
            if user_id in self._people:
                self.report.people_known += 1
            elif broken := check_user_id(row.user_id):
                self._refuse(row.line, "user_id", broken[0].code, **broken[0].facts)
            else:
                person = Person(self.command.new_id(), user_id, row.display_name, row.role, now)
                wanted[person.id] = (row.line, person)
        added = await self.tx.imports.add_people([person for _, person in wanted.values()], password_hash)
        for line, person in wanted.values():
            if person.id not in added:
                self._refuse(line, "user_id", "changed-meanwhile")
                continue
            self._people[person.user_id] = person.id
            self._emit(PersonCreated(person_id=str(person.id), role=person.role.value), f"person/{person.id}")
        self.report.people_created = len(added)
        self.progress(len(added))

    async def bookings(self) -> None:
        """Store the bookings that are new."""
        claims = await self._claims()
        known = await self.tx.imports.known([claim.key for claim in claims])
        wishes: list[_Wish] = []
        for claim in claims:
            before = known.get(claim.key)
            if before is None:
                wish = self._judged(claim)
                wishes += [wish] if wish else []
            elif before.fingerprint == claim.fingerprint:
                self.report.reservations_known += 1
            else:
                line = claim.row.line_of("external_id")
                self._refuse(line, "external_id", "changed-since-import", reservation_id=str(before.reservation_id))
        await self._store(self._without_rivals_in_files(wishes))

    async def _claims(self) -> list["_Claim"]:
        """Say whose and which room's each booking is."""
        first: dict[tuple[int, str], Line] = {}
        claims: list[_Claim] = []
        for row in self.parsed.bookings:
            room, person_id = await self._room(row), self._person(row)
            if room is None or person_id is None:
                continue
            claim = _Claim(row, room, person_id, _fingerprint(row, person_id))
            if claim.key in first:
                self._refuse(row.line_of("external_id"), "external_id", "twice-in-files", other=str(first[claim.key]))
                continue
            first[claim.key] = row.line
            claims.append(claim)
        return claims

    async def _room(self, row: BookingRow) -> Room | None:
        name, site = row.room, row.site
        if name not in self._sites:
            name, _, site = row.room.rpartition(", ")
        sites = [known for known in self._sites.get(name, []) if site is None or known == site]
        if len(sites) != 1:
            if sites or not self.parsed.rooms_incomplete:
                code = "room-at-several-sites" if sites else "unknown-room"
                self._refuse(row.line_of("room"), "room", code, room=row.room)
            return None
        room_id = self._room_ids[sites[0], name]
        if room_id not in self._rooms:
            room = await self.tx.rooms.find(room_id)
            assert room is not None  # its row is locked
            self._rooms[room_id] = room
        return self._rooms[room_id]

    def _person(self, row: BookingRow) -> UUID | None:
        found = self._people.get(row.user_id.lower()) or self._people.get((row.owner or "").lower())
        if found is None and not self.parsed.people_incomplete:
            self._refuse(row.line_of("user_id"), "user_id", "unknown-person", user_id=row.user_id or row.owner or "")
        return found

    def _judged(self, claim: "_Claim") -> "_Wish | None":
        """Return what is to be stored when the rules of booking allow it.

        How long ago it was does not matter, and the hours and closures of today say nothing about what is over.
        """
        row, room, now = claim.row, claim.room, self.command.now()
        try:
            interval = self.command.policy.judge(row.starts_at, row.ends_at, room, now)
        except RoomNotBookableError as error:
            if row.ends_at > now:
                self._refuse_all(row, error.violations)
                return None
            interval = Interval(row.starts_at, row.ends_at)
        except RuleBrokenError as error:
            self._refuse_all(row, error.violations)
            return None
        reservation = Reservation(
            id=self.command.new_id(),
            room_id=room.id,
            person_id=claim.person_id,
            interval=interval,
            title=row.title,
            status=ReservationStatus.CONFIRMED,
            version=1,
            created_at=now,
        )
        booking = Imported(reservation, room.occupied_by(interval), claim.key[1], claim.fingerprint)
        return _Wish(row, booking)

    def _refuse_all(self, row: BookingRow, violations: Sequence[Violation]) -> None:
        for broken in violations:
            name = "room" if broken.field == "room_id" else broken.field
            self._refuse(row.line_of(name), name, broken.code, **broken.facts)

    def _without_rivals_in_files(self, wishes: list["_Wish"]) -> list["_Wish"]:
        by_room: dict[int, list[_Wish]] = {}
        for wish in wishes:
            by_room.setdefault(wish.booking.reservation.room_id, []).append(wish)
        refused: set[UUID] = set()
        for group in by_room.values():
            for rival, wish in overlapping((wish.booking.occupied, wish) for wish in group):
                line = wish.row.line_of("starts_at")
                self._refuse(line, "starts_at", "overlaps-in-files", other=str(rival.row.line_of("starts_at")))
                refused.add(wish.booking.reservation.id)
        return [wish for wish in wishes if wish.booking.reservation.id not in refused]

    async def _store(self, wishes: list["_Wish"]) -> None:
        stored: set[UUID] = set()
        async for ids in self.tx.imports.add_bookings([wish.booking for wish in wishes]):
            stored.update(ids)
            self.progress(len(ids))
        taken = [wish for wish in wishes if wish.booking.reservation.id not in stored]
        rivals = await self.tx.imports.rivals([wish.booking for wish in taken]) if taken else {}
        for wish in taken:
            line, rival = wish.row.line_of("starts_at"), rivals.get(wish.booking.reservation.id)
            if rival is None:
                self._refuse(line, "starts_at", "changed-meanwhile")
            else:
                facts = {"reservation_id": str(rival.reservation_id), "starts_at": _text(rival.interval.starts_at)}
                self._refuse(line, "starts_at", "overlaps-stored", **facts)
        for wish in wishes:
            reservation = wish.booking.reservation
            if reservation.id in stored:
                self._emit(_confirmed(reservation), f"reservation/{reservation.id}")
        self.report.reservations_created = len(stored)

    def _refuse(self, line: Line, name: str, code: str, **facts: int | str) -> None:
        self.faults.append(Fault(line, name, code, facts))

    def _emit(self, event: Event, subject: str) -> None:
        self.tx.emit(event, subject=subject, actor=ACTOR, client_address=None)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row whose room and owner are known."""

    row: BookingRow
    room: Room
    person_id: UUID
    fingerprint: bytes

    @property
    def key(self) -> tuple[int, str]:
        """The name by which a later import knows it again; without one of its own its content is its name."""
        return self.room.id, self.row.external_id or f"content:{self.fingerprint.hex()}"


@dataclass(frozen=True, slots=True)
class _Wish:
    """A row that is to be stored."""

    row: BookingRow
    booking: Imported


def _fingerprint(row: BookingRow, person_id: UUID) -> bytes:
    facts = (str(person_id), _text(row.starts_at), _text(row.ends_at), row.title)
    return hashlib.sha256("\n".join(facts).encode()).digest()


def _confirmed(reservation: Reservation) -> ReservationConfirmed:
    return ReservationConfirmed(
        reservation_id=str(reservation.id),
        room_id=reservation.room_id,
        person_id=str(reservation.person_id),
        starts_at=reservation.interval.starts_at,
        ends_at=reservation.interval.ends_at,
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
