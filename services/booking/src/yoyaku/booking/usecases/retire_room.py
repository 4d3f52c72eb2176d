"""Take a room out of use, from now on (BK-01).

Invariant: as for a closure, retiring and booking cannot both win.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from yoyaku.booking.domain.errors import RoomNotFoundError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.reservation import Cancellation, CancelReason
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.make_way import make_way
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomRetired

_FOR_EVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RetireRoom:
    """Retires rooms; nothing of them is deleted."""

    transactions: Transactions
    check_permission: CheckPermission
    now: Clock

    async def __call__(self, caller: Caller, room_id: int, *, reason: str, force: bool = False) -> tuple[Room, int]:
        """Return the room as retired, and how many reservations were cancelled for it.

        Raises NotPermittedError, RoomNotFoundError, RuleBrokenError, RoomAlreadyRetiredError, and without force
        ClosureOverReservationsError when accepted reservations are not over.
        """
        await self.check_permission(caller, Action.RETIRE_ROOM)
        text = visible_text(reason)
        if not text:
            raise RuleBrokenError([Violation("reason", "blank")])
        async with self.transactions.begin() as tx:
            room = await tx.rooms.find_for_change(room_id)
            if room is None:
                raise RoomNotFoundError(room_id)
            now = self.now()
            retired = room.retired(now, text)
            cancellation = Cancellation(now, caller.person_id, CancelReason.MAINTENANCE, text) if force else None
            cancelled = await make_way(tx, caller, room_id, Interval(now, _FOR_EVER), force=cancellation)
            await tx.rooms.change(retired)
            tx.emit(
                RoomRetired(room_id=room_id, cancelled_reservations=cancelled),
                subject=f"room/{room_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return retired, cancelled
