"""One transaction: state, kept answers and events together."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.usecases.ports.answers import Answers
from yoyaku.booking.usecases.ports.closures import Closures
from yoyaku.booking.usecases.ports.people import People
from yoyaku.booking.usecases.ports.reservations import Placing, Reservations
from yoyaku.booking.usecases.ports.rooms import Rooms
from yoyaku.booking.usecases.ports.sessions import Denials, Sessions
from yoyaku.booking.usecases.ports.signing_keys import SigningKeys
from yoyaku.contracts.envelope import Event


@dataclass(frozen=True, slots=True)
class Fact:
    """An event with what its envelope says of it."""

    event: Event
    subject: str
    actor: str
    client_address: str | None


class Transaction(Protocol):
    """One transaction: state, kept answers and events."""

    @property
    def people(self) -> People:
        """The people."""

    @property
    def sessions(self) -> Sessions:
        """The sessions and their refresh tokens."""

    @property
    def denials(self) -> Denials:
        """The denials of access tokens."""

    @property
    def rooms(self) -> Rooms:
        """The rooms."""

    @property
    def closures(self) -> Closures:
        """The closures of rooms."""

    @property
    def reservations(self) -> Reservations:
        """The reservations."""

    @property
    def answers(self) -> Answers:
        """The answers kept under Idempotency-Keys."""

    @property
    def signing_keys(self) -> SigningKeys:
        """The keys that sign access tokens."""

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""

    async def place(self, reservation: Reservation, occupied: Interval, room_version: int, fact: Fact) -> Placing:
        """Do in a transaction of its own what `Reservations.place` and `emit` do; the fact only when it is placed.

        What most bookings need, so it may be cheaper than `begin`.
        """
