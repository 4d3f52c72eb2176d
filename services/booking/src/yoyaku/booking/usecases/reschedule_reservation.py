"""Move a reservation to another time or room, or give it another title (BK-05)."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import ReservationNotFoundError, RoomAlreadyReservedError
from yoyaku.booking.domain.expected_version import ExpectedVersion
from yoyaku.booking.domain.history import Author, differences, recorded
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.rescheduling import Wanted, move
from yoyaku.booking.domain.reservation import Act, Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.hold_again import Again, Judgement, hold
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.reservations import ReservationEntry
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.booking.usecases.suggest_alternatives import SuggestAlternatives
from yoyaku.contracts.booking_v1 import ReservationRescheduled


@dataclass(frozen=True, slots=True)
class RescheduleReservation:
    """Moves the own reservation, or as ADMIN anyone's."""

    again: Again
    transactions: Transactions
    check_permission: CheckPermission
    policy: BookingPolicy
    now: Clock
    suggest: SuggestAlternatives

    async def __call__(
        self, caller: Caller, reservation_id: UUID, wanted: Wanted, expected: ExpectedVersion
    ) -> tuple[ReservationEntry, bool]:
        """Return the reservation as it is then, and whether anything had to be changed for it.

        Raises ReservationNotFoundError, NotPermittedError, StaleVersionError, ReservationAlreadyCancelledError,
        ReservationEndedError, RoomNotFoundError, RuleBrokenError, RoomNotBookableError, RoomAlreadyReservedError.
        """
        entry = await self._permitted(caller, reservation_id)

        async def attempt(entry: ReservationEntry, room: Room) -> ReservationEntry:
            expected.check(entry.reservation.version)
            return await self._attempt(caller, entry, wanted, room)

        before, after = await self.again.until_settled(entry, wanted.room_id, attempt)
        return after, after.reservation.version != before.reservation.version

    async def _permitted(self, caller: Caller, reservation_id: UUID) -> ReservationEntry:
        try:
            entry = await self.again.read(reservation_id)
        except ReservationNotFoundError:
            await self.check_permission(caller, Action.RESCHEDULE_OWN_RESERVATION)
            raise
        own = entry.reservation.person_id == caller.person_id
        action = Action.RESCHEDULE_OWN_RESERVATION if own else Action.RESCHEDULE_ANY_RESERVATION
        await self.check_permission(caller, action)
        return entry

    async def _attempt(self, caller: Caller, entry: ReservationEntry, wanted: Wanted, room: Room) -> ReservationEntry:
        now = self.now()
        before = entry.reservation
        moved = move(before, wanted, room, now, self.policy.judge)
        after = before.rescheduled(room_id=room.id, interval=moved.interval, title=moved.title, at=now)
        if not differences(before, after):
            return entry
        author = Author(caller.person_id, now, caller.client_address)
        change = recorded(before, after, Act.RESCHEDULE, author)
        try:
            async with self.transactions.begin() as tx:
                await hold(tx, Judgement(before, after, change, moved.hold, room))
                _tell(tx, caller, before, after)
        except RoomAlreadyReservedError:
            raise RoomAlreadyReservedError(await self.suggest(room, moved.interval, before)) from None
        return ReservationEntry(after, room.time_zone)


def _tell(tx: Transaction, caller: Caller, before: Reservation, after: Reservation) -> None:
    tx.emit(
        ReservationRescheduled(
            reservation_id=str(after.id),
            room_id=after.room_id,
            person_id=str(after.person_id),
            starts_at=after.interval.starts_at,
            ends_at=after.interval.ends_at,
            previous_room_id=before.room_id,
            previous_starts_at=before.interval.starts_at,
            previous_ends_at=before.interval.ends_at,
            title_changed=before.title != after.title,
            rescheduled_by=str(caller.person_id),
        ),
        subject=f"reservation/{after.id}",
        actor=caller.actor,
        client_address=caller.client_address,
    )
