"""What closing and retiring a room have in common: the accepted reservations that lie there.

Invariant: the room is locked before this is called, so no reservation comes while it is looked; rooms are locked before
reservations by everybody, so that nobody deadlocks (decision 0066).
"""

from typing import Final

from yoyaku.booking.domain.errors import ClosureOverReservationsError, Obstacle
from yoyaku.booking.domain.history import Author, Why, recorded
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Act, Cancellation
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.transactions import Transaction
from yoyaku.contracts.booking_v1 import ReservationCancelled

OBSTACLES_SHOWN: Final = 100


async def make_way(
    tx: Transaction, caller: Caller, room_id: int, window: Interval, *, force: Cancellation | None
) -> int:
    """Cancel what lies in the window, each with its event, and return how many; the window starts now or later.

    Without force nothing is cancelled. Raises ClosureOverReservationsError then, if anything lies there.
    """
    live = await tx.reservations.lock_live(room_id, window)
    if live and force is None:
        shown = live[:OBSTACLES_SHOWN]
        raise ClosureOverReservationsError(
            [Obstacle(held.id, held.interval.starts_at, held.interval.ends_at) for held in shown], len(live)
        )
    if force is None:
        return 0
    for held in live:
        cancelled = held.cancelled(force)
        author = Author(caller.person_id, force.at, caller.client_address)
        why = Why(force.reason.value, force.comment)
        await tx.reservations.change(cancelled, recorded(held, cancelled, Act.CANCEL, author, why))
        tx.emit(
            ReservationCancelled(
                reservation_id=str(cancelled.id),
                room_id=cancelled.room_id,
                person_id=str(cancelled.person_id),
                cancelled_by=str(caller.person_id),
                reason=force.reason.value,
                has_comment=True,
            ),
            subject=f"reservation/{cancelled.id}",
            actor=caller.actor,
            client_address=caller.client_address,
        )
    return len(live)
