"""What an import reads from files, and what it needs from the store.

Invariant: everything that is read or refused knows its file and line.
"""

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.usecases.ports.rooms import NewRoom, Rooms
from yoyaku.contracts.envelope import Event


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A place in a file; lines count from 1."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line cannot be imported: the field, a stable code, and the facts that help."""

    line: Line
    field: str
    code: str
    facts: Mapping[str, int | str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A room as a file has it."""

    line: Line
    room: NewRoom


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as a file has it."""

    line: Line
    user_id: str
    display_name: str
    role: Role


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking as a file has it.

    `owner` is who holds it when nobody has the user id; `lines` says where a field stands when that is not where the
    row begins.
    """

    line: Line
    room: str
    site: str | None
    user_id: str
    starts_at: datetime
    ends_at: datetime
    title: str
    external_id: str | None
    owner: str | None = None
    lines: Mapping[str, Line] = dataclasses.field(default_factory=dict)

    def line_of(self, name: str) -> Line:
        """Say where a field stands."""
        return self.lines.get(name, self.line)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the files hold, and what in them could not be read.

    `left_out` counts bookings that were cancelled. Where rooms or people could not all be read, a booking may name one
    that only seems unknown.
    """

    rooms: Sequence[RoomRow] = ()
    people: Sequence[PersonRow] = ()
    bookings: Sequence[BookingRow] = ()
    faults: Sequence[Fault] = ()
    left_out: int = 0
    rooms_incomplete: bool = False
    people_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A booking that is to be stored with the name it has elsewhere."""

    reservation: Reservation
    occupied: Interval
    external_id: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A booking that an earlier import stored."""

    fingerprint: bytes
    reservation_id: UUID


@dataclass(frozen=True, slots=True)
class Rival:
    """A live reservation in the way of an import."""

    reservation_id: UUID
    interval: Interval


class Imports(Protocol):
    """The store as an import uses it: many things a statement, inside one transaction."""

    async def take_turn(self) -> None:
        """Wait for other imports; the turn ends with the transaction."""

    async def lock_rooms(self, names: Sequence[str]) -> Sequence[tuple[int, str, str]]:
        """Lock the rooms of these names against changes and list them as id, site and name."""

    async def people(self, user_ids: Sequence[str]) -> Mapping[str, UUID]:
        """Find people by user id, in lower case."""

    async def add_people(self, people: Sequence[Person], password_hash: str) -> frozenset[UUID]:
        """Store people who share a password that nobody knows; return the ids of those whose user id was free."""

    async def known(self, keys: Sequence[tuple[int, str]]) -> Mapping[tuple[int, str], Known]:
        """Find what earlier imports stored, by room and external id."""

    def add_bookings(self, bookings: Sequence[Imported]) -> AsyncIterator[Sequence[UUID]]:
        """Store bookings, some a statement; yield after each the ids of those that found their room free."""

    async def rivals(self, bookings: Sequence[Imported]) -> Mapping[UUID, Rival]:
        """Say which live reservation is in the way of each of these bookings."""


class ImportTransaction(Protocol):
    """One transaction of an import."""

    @property
    def rooms(self) -> Rooms:
        """The rooms."""

    @property
    def imports(self) -> Imports:
        """The store in bulk."""

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""


class ImportTransactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractAsyncContextManager[ImportTransaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""
