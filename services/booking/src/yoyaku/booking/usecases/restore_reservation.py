"""Let a cancelled reservation hold its room again (BK-07)."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.history import Author, Why, recorded
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.rescheduling import return_to
from yoyaku.booking.domain.reservation import Act
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.hold_again import Again, Judgement, hold
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.reservations import ReservationEntry
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import ReservationRestored


@dataclass(frozen=True, slots=True)
class RestoreReservation:
    """Restores anyone's reservation while its time is not over and its room is free; the reason is kept."""

    again: Again
    transactions: Transactions
    check_permission: CheckPermission
    policy: BookingPolicy
    now: Clock

    async def __call__(self, caller: Caller, reservation_id: UUID, comment: str) -> ReservationEntry:
        """Return the reservation, confirmed again.

        Raises NotPermittedError, ReservationNotFoundError, ReservationNotCancelledError, ReservationEndedError,
        RuleBrokenError, RoomNotBookableError, RoomAlreadyReservedError.
        """
        await self.check_permission(caller, Action.RESTORE_RESERVATION)
        text = visible_text(comment)
        if not text:
            raise RuleBrokenError([Violation("comment", "blank")])

        async def attempt(entry: ReservationEntry, room: Room) -> ReservationEntry:
            return await self._attempt(caller, entry, room, text)

        _, after = await self.again.until_settled(await self.again.read(reservation_id), None, attempt)
        return after

    async def _attempt(self, caller: Caller, entry: ReservationEntry, room: Room, text: str) -> ReservationEntry:
        now = self.now()
        before = entry.reservation
        after = before.restored(now)
        held = return_to(after, room, now, self.policy.judge)
        author = Author(caller.person_id, now, caller.client_address)
        change = recorded(before, after, Act.RESTORE, author, Why(comment=text))
        async with self.transactions.begin() as tx:
            await hold(tx, Judgement(before, after, change, held, room))
            tx.emit(
                ReservationRestored(
                    reservation_id=str(after.id),
                    room_id=after.room_id,
                    person_id=str(after.person_id),
                    starts_at=after.interval.starts_at,
                    ends_at=after.interval.ends_at,
                    restored_by=str(caller.person_id),
                ),
                subject=f"reservation/{after.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return ReservationEntry(after, room.time_zone)
