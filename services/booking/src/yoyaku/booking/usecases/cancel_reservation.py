"""Give a reservation up, and say why (BK-06, BK-07).

Invariant: the row is locked while it is judged, so of two cancellations one wins and the other is told.
"""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import ReservationNotFoundError, RuleBrokenError, Violation
from yoyaku.booking.domain.expected_version import ANY_VERSION, ExpectedVersion
from yoyaku.booking.domain.history import Author, Why, recorded
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.reservation import Act, Cancellation, CancelReason
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import ReservationEntry
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import ReservationCancelled


@dataclass(frozen=True, slots=True)
class CancelReservation:
    """Cancels the own reservation, or as ADMIN anyone's."""

    reads: Reads
    transactions: Transactions
    check_permission: CheckPermission
    now: Clock

    async def __call__(
        self,
        caller: Caller,
        reservation_id: UUID,
        *,
        reason: CancelReason,
        comment: str | None,
        expected: ExpectedVersion = ANY_VERSION,
    ) -> ReservationEntry:
        """Return the reservation as cancelled.

        Raises ReservationNotFoundError, NotPermittedError, StaleVersionError, ReservationAlreadyCancelledError,
        ReservationEndedError, and RuleBrokenError when an ADMIN cancels another's without a text.
        """
        entry = await self.reads.reservation(reservation_id)
        if entry is None:
            await self.check_permission(caller, Action.CANCEL_OWN_RESERVATION)
            raise ReservationNotFoundError(str(reservation_id))
        own = entry.reservation.person_id == caller.person_id
        await self.check_permission(caller, Action.CANCEL_OWN_RESERVATION if own else Action.CANCEL_ANY_RESERVATION)
        text = visible_text(comment or "") or None
        if not own and text is None:
            raise RuleBrokenError([Violation("comment", "required-for-others")])
        async with self.transactions.begin() as tx:
            current = await tx.reservations.find_for_change(reservation_id)
            if current is None:
                raise ReservationNotFoundError(str(reservation_id))
            expected.check(current.version)
            now = self.now()
            cancelled = current.cancelled(Cancellation(now, caller.person_id, reason, text))
            author = Author(caller.person_id, now, caller.client_address)
            change = recorded(current, cancelled, Act.CANCEL, author, Why(reason.value, text))
            await tx.reservations.change(cancelled, change)
            tx.emit(
                ReservationCancelled(
                    reservation_id=str(cancelled.id),
                    room_id=cancelled.room_id,
                    person_id=str(cancelled.person_id),
                    cancelled_by=str(caller.person_id),
                    reason=reason.value,
                    has_comment=text is not None,
                ),
                subject=f"reservation/{cancelled.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return ReservationEntry(cancelled, entry.time_zone)
