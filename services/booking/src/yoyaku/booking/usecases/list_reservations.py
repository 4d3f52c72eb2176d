"""List the reservations of a day, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.interval import YEARS
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import Position, ReservationEntry


@dataclass(frozen=True, slots=True)
class ListReservations:
    """Reads what holds any of a day, the day being each room's own."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(
        self, caller: Caller, day: date, *, room_id: int | None, after: Position | None, limit: int
    ) -> tuple[Sequence[ReservationEntry], Position | None]:
        """Return up to `limit` reservations by start and id, and where to go on; None at the end.

        Raises NotPermittedError, RuleBrokenError for a day outside the calendar.
        """
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        if day.year not in YEARS:
            raise RuleBrokenError([Violation("date", "absurd-time", {"max_year": YEARS[-1]})])
        entries = await self.reads.reservations(day, room_id=room_id, after=after, limit=limit + 1)
        if len(entries) <= limit:
            return entries, None
        last = entries[limit - 1].reservation
        return entries[:limit], Position(last.interval.starts_at, last.id)
