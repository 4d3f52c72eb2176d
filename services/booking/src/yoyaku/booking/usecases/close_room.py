"""Close a room for a while (BK-01, BK-03).

Invariant: a closure and a booking cannot both win. Closing locks the room, which a booking locks, too, and leaves it
one version on, which a booking that was judged before then finds out.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime

from yoyaku.booking.domain.closure import CLOSURES_LIMIT, Closure, closed_between, closed_on_days
from yoyaku.booking.domain.errors import RoomNotFoundError, TooManyClosuresError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.reservation import Cancellation, CancelReason
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.make_way import make_way
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.booking.usecases.ports.closures import ClosureEntry
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomClosed


@dataclass(frozen=True, slots=True)
class Times:
    """From one instant to another; both aware."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days by the room's clock, the last included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Closing:
    """When and why; `force` cancels the accepted reservations that lie there, with the reason."""

    when: Times | Days
    reason: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """Closes rooms."""

    transactions: Transactions
    check_permission: CheckPermission
    new_id: NewId
    now: Clock

    async def __call__(self, caller: Caller, room_id: int, closing: Closing) -> tuple[ClosureEntry, int]:
        """Return the closure made and how many reservations were cancelled for it.

        Raises NotPermittedError, RoomNotFoundError, RuleBrokenError, TooManyClosuresError, and without force
        ClosureOverReservationsError when accepted reservations that are not over lie there.
        """
        await self.check_permission(caller, Action.CLOSE_ROOM)
        async with self.transactions.begin() as tx:
            room = await tx.rooms.find_for_change(room_id)
            if room is None:
                raise RoomNotFoundError(room_id)
            now = self.now()
            closure = Closure(self.new_id(), _interval(closing, room, now), visible_text(closing.reason))
            if await tx.closures.count_ahead(room_id, now) >= CLOSURES_LIMIT:
                raise TooManyClosuresError(CLOSURES_LIMIT)
            # What is over stays as it happened.
            window = Interval(max(closure.interval.starts_at, now), closure.interval.ends_at)
            force = Cancellation(now, caller.person_id, CancelReason.MAINTENANCE, closure.reason)
            cancelled = await make_way(tx, caller, room_id, window, force=force if closing.force else None)
            entry = ClosureEntry(closure, room_id, room.time_zone, now, caller.person_id)
            await tx.closures.add(entry)
            await tx.rooms.change(replace(room, version=room.version + 1))
            tx.emit(
                RoomClosed(
                    room_id=room_id,
                    closure_id=str(closure.id),
                    starts_at=closure.interval.starts_at,
                    ends_at=closure.interval.ends_at,
                    cancelled_reservations=cancelled,
                ),
                subject=f"room/{room_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return entry, cancelled


def _interval(closing: Closing, room: Room, now: datetime) -> Interval:
    match closing.when:
        case Times(starts_at, ends_at):
            return closed_between(starts_at, ends_at, room.zone, closing.reason, now)
        case Days(first, last):
            return closed_on_days(first, last, room.zone, closing.reason, now)
