"""List the caller's own reservations, page by page (BK-08)."""

from dataclasses import dataclass, replace

from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.list_reservations import Page, check_times, read_page
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import Listing, Position


@dataclass(frozen=True, slots=True)
class ListMyReservations:
    """Reads what the caller booked, in any status."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, wanted: Listing, *, after: Position | None, limit: int) -> Page:
        """Return up to `limit` of the caller's reservations by start and id, and where to go on.

        Raises NotPermittedError, RuleBrokenError.
        """
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        check_times(wanted)
        return await read_page(self.reads, replace(wanted, person_id=caller.person_id), after=after, limit=limit)
