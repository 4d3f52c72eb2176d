"""What the use cases need from the outside world.

Invariant: everything done through one `Transaction` commits together with its events, or not at all.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from typing import Protocol, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.contracts.envelope import Event

Clock: TypeAlias = Callable[[], datetime]
"""The time now: aware, UTC."""
NewId: TypeAlias = Callable[[], UUID]
"""A fresh UUIDv7."""
Digest: TypeAlias = Callable[[str], str]
"""A keyed hash: equal texts give equal digests, and nobody without the key can try texts out."""


class Placing(Enum):
    """What became of an attempt to place a reservation."""

    PLACED = auto()
    TAKEN = auto()
    """Another live reservation overlaps, buffers included."""
    ROOM_CHANGED = auto()
    """The room is no longer the version that the booking was judged by."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A person with the stored hash of the password."""

    person: Person
    password_hash: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first successful answer given under an Idempotency-Key."""

    status: int
    body: bytes
    replayed: bool = False
    """Whether it was given before."""


@dataclass(frozen=True, slots=True)
class ReservationEntry:
    """A reservation together with the clock of its room."""

    reservation: Reservation
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        """The room's own clock."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of reservations ended: the next one starts right after it."""

    starts_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room before it has an id."""

    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...] = ()
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0


class People(Protocol):
    """The people, inside a transaction."""

    async def add(self, person: Person, password_hash: str) -> None:
        """Store a person. Raises PersonAlreadyExistsError when the user id is taken."""

    async def change_password_hash(self, person_id: UUID, *, old: str, new: str) -> None:
        """Replace the hash when it is still the old one."""

    async def has_admin(self) -> bool:
        """Say whether an ADMIN exists; transactions that ask take turns until they end."""


class Rooms(Protocol):
    """The rooms, inside a transaction."""

    async def add(self, room: NewRoom, created_at: datetime) -> Room:
        """Store a room and give it its id. Raises RoomAlreadyExistsError when the site has one of this name."""

    async def find(self, room_id: int) -> Room | None:
        """Read a room as it is now."""


class Reservations(Protocol):
    """The reservations, inside a transaction."""

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int) -> Placing:
        """Store a reservation under a shared lock of its room, unless the room changed or is taken."""

    async def find_for_change(self, reservation_id: UUID) -> Reservation | None:
        """Read a reservation and keep others from changing it until the transaction ends."""

    async def change(self, reservation: Reservation) -> None:
        """Store the changed reservation; its version is the one after the stored."""


class Answers(Protocol):
    """The answers kept under Idempotency-Keys, inside a transaction (BK-04)."""

    async def claim(self, person_id: UUID, key: str, fingerprint: bytes) -> StoredAnswer | None:
        """Return the kept answer, or None and the right to keep one.

        Never waits. Raises RequestInProgressError for a twin in flight, KeyReusedError for another fingerprint.
        """

    async def keep(self, person_id: UUID, key: str, fingerprint: bytes, answer: StoredAnswer, now: datetime) -> None:
        """Keep the answer until it expires. Raises RequestInProgressError when a twin has just kept one."""


class Transaction(Protocol):
    """One transaction: state, kept answers and events."""

    @property
    def people(self) -> People:
        """The people."""

    @property
    def rooms(self) -> Rooms:
        """The rooms."""

    @property
    def reservations(self) -> Reservations:
        """The reservations."""

    @property
    def answers(self) -> Answers:
        """The answers kept under Idempotency-Keys."""

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""


class Reads(Protocol):
    """Single reads outside any transaction."""

    async def credentials(self, user_id: str) -> Credentials | None:
        """Find a person by user id, whatever its case."""

    async def room(self, room_id: int) -> Room | None:
        """Find a room as it is now."""

    async def rooms(self, *, after: int, limit: int) -> Sequence[Room]:
        """List rooms by id, starting after one."""

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        """Find a reservation in any status."""

    async def reservations(
        self, day: date, *, room_id: int | None, after: Position | None, limit: int
    ) -> Sequence[ReservationEntry]:
        """List the reservations that hold any of the day, by the clock of each room, by start and id."""


class RoomDirectory(Protocol):
    """Rooms as known a moment ago: cheap, perhaps stale; `version` tells."""

    async def known(self, room_id: int) -> Room | None:
        """Return the room, read from the database when it is not known yet."""

    def forget(self, room_id: int) -> None:
        """Read the room again the next time."""


class Passwords(Protocol):
    """Password hashing, off the event loop and bounded. Raises BusyError when too much of it waits."""

    async def hash(self, password: str) -> str:
        """Hash a new password."""

    async def verify(self, stored: str | None, password: str) -> bool:
        """Check a password; without a stored hash it costs the same and is never right."""

    def is_outdated(self, stored: str) -> bool:
        """Say whether the hash was made with other parameters than today's."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token and how long it is good for."""

    text: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a good access token speaks for. Times are seconds since the epoch."""

    person_id: UUID
    role: Role
    token_id: str
    not_before: float
    expires_at: float


class Tokens(Protocol):
    """Access tokens."""

    def check(self, token: str) -> Principal:
        """Return who the token speaks for. Raises NotAuthenticatedError."""

    def issue(self, person: Person) -> AccessToken:
        """Sign a token for the person."""
