"""Book a room (BK-02, BK-03, BK-04).

Invariant: the database decides. The rules are judged on a copy of the room that may be stale; the insert goes through
only while the room is still that version, under a shared lock, and only when nothing live overlaps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from yoyaku.booking.domain.errors import (
    BookingError,
    RoomAlreadyReservedError,
    RoomNotBookableError,
    RoomNotFoundError,
    Violation,
)
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.booking.usecases.ports.reservations import Placing, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import RoomDirectory
from yoyaku.booking.usecases.ports.transactions import Fact, Transactions
from yoyaku.booking.usecases.suggest_alternatives import SuggestAlternatives
from yoyaku.contracts.booking_v1 import ReservationConfirmed

ATTEMPTS = 3
"""How often a booking is judged anew when its room keeps changing under it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. Times are aware."""

    room_id: int
    starts_at: datetime
    ends_at: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Once:
    """How to do it at most once: the key, the fingerprint of the request, and how the answer to keep is rendered."""

    key: str
    fingerprint: bytes
    render: Callable[[ReservationEntry], StoredAnswer]


class _RoomChangedError(Exception):
    """The room is no longer what the booking was judged by; the transaction is given up."""


class _RefusedError(Exception):
    """The rules refuse it, as far as the remembered room is right; `error` says why."""

    def __init__(self, error: BookingError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class PlaceReservation:
    """Books rooms."""

    transactions: Transactions
    rooms: RoomDirectory
    check_permission: CheckPermission
    policy: BookingPolicy
    new_id: NewId
    now: Clock
    suggest: SuggestAlternatives

    async def __call__(self, caller: Caller, wish: Wish, once: Once | None = None) -> ReservationEntry | StoredAnswer:
        """Return the reservation made, or the answer kept from the first time.

        Raises NotPermittedError, RoomNotFoundError, RuleBrokenError, RoomNotBookableError, RoomAlreadyReservedError,
        RequestInProgressError, KeyReusedError.
        """
        await self.check_permission(caller, Action.PLACE_RESERVATION)
        for _ in range(ATTEMPTS):
            room = await self.rooms.known(wish.room_id)
            if room is None:
                raise RoomNotFoundError(wish.room_id)
            try:
                return await self._attempt(caller, wish, room, once)
            except RoomAlreadyReservedError:
                wanted = Interval(wish.starts_at.astimezone(UTC), wish.ends_at.astimezone(UTC))
                raise RoomAlreadyReservedError(await self.suggest(room, wanted)) from None
            except _RoomChangedError:
                self.rooms.forget(wish.room_id)
            except _RefusedError as refused:
                self.rooms.forget(wish.room_id)
                current = await self.rooms.known(wish.room_id)
                if current is not None and current.version == room.version:
                    raise refused.error from None
        raise RoomNotBookableError

    async def _attempt(
        self, caller: Caller, wish: Wish, room: Room, once: Once | None
    ) -> ReservationEntry | StoredAnswer:
        if once is None:
            reservation = self._judged(caller, wish, room)
            occupied = room.occupied_by(reservation.interval)
            _check(await self.transactions.place(reservation, occupied, room.version, _fact(reservation, caller)))
            return ReservationEntry(reservation, room.time_zone)
        async with self.transactions.begin() as tx:
            kept = await tx.answers.claim(caller.person_id, once.key, once.fingerprint, self.now())
            if kept is not None:
                return kept
            reservation = self._judged(caller, wish, room)
            occupied = room.occupied_by(reservation.interval)
            _check(await tx.reservations.place(reservation, occupied, room.version, placed_from=caller.client_address))
            fact = _fact(reservation, caller)
            tx.emit(fact.event, subject=fact.subject, actor=fact.actor, client_address=fact.client_address)
            answer = once.render(ReservationEntry(reservation, room.time_zone))
            await tx.answers.keep(caller.person_id, once.key, once.fingerprint, answer, reservation.created_at)
            return answer

    def _judged(self, caller: Caller, wish: Wish, room: Room) -> Reservation:
        now = self.now()
        title = visible_text(wish.title)
        try:
            blank = [] if title else [Violation("title", "blank")]
            interval = self.policy.judge(wish.starts_at, wish.ends_at, room, now, also=blank)
        except BookingError as error:
            raise _RefusedError(error) from error
        return Reservation(
            id=self.new_id(),
            room_id=room.id,
            person_id=caller.person_id,
            interval=interval,
            title=title,
            status=ReservationStatus.CONFIRMED,
            version=1,
            created_at=now,
        )


def _fact(reservation: Reservation, caller: Caller) -> Fact:
    event = ReservationConfirmed(
        reservation_id=str(reservation.id),
        room_id=reservation.room_id,
        person_id=str(caller.person_id),
        starts_at=reservation.interval.starts_at,
        ends_at=reservation.interval.ends_at,
    )
    return Fact(event, f"reservation/{reservation.id}", caller.actor, caller.client_address)


def _check(outcome: Placing) -> None:
    if outcome is Placing.TAKEN:
        raise RoomAlreadyReservedError
    if outcome is Placing.ROOM_CHANGED:
        raise _RoomChangedError
