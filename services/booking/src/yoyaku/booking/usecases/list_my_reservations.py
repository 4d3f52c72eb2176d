"""List the caller's own reservations, page by page (BK-08)."""

from dataclasses import dataclass, replace

from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.list_reservations import Page, check_times, page_of, read_page
from yoyaku.booking.usecases.marks import mark_of_list
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

    async def mark(self, caller: Caller, *, limit: int) -> str:
        """Return a text that differs when `first_page` would. Raises NotPermittedError."""
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        return await self.reads.own_mark(caller.person_id, limit=limit + 1)

    async def first_page(self, caller: Caller, *, limit: int) -> tuple[str, Page]:
        """Return the first page of all the caller's reservations, under its mark. Raises NotPermittedError."""
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        entries = await self.reads.reservations(Listing(person_id=caller.person_id), after=None, limit=limit + 1)
        return mark_of_list(entries), page_of(entries, limit)
