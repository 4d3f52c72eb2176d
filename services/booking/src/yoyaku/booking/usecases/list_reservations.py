"""List reservations by day, time, room, site, person and status, page by page (BK-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.interval import YEARS
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import Listing, Position, ReservationEntry

Page = tuple[Sequence[ReservationEntry], Position | None]
"""The reservations of a page by start and id, and where the next one begins; None at the end."""

WIDEST_DAYS: Final = 366
"""How many days one list may span when nothing narrower says whose or which room's."""


@dataclass(frozen=True, slots=True)
class ListReservations:
    """Reads everybody's reservations; titles are hidden on the way out, not here."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, wanted: Listing, *, after: Position | None, limit: int) -> Page:
        """Return up to `limit` reservations by start and id, and where to go on.

        Raises NotPermittedError, also for another person's list, and RuleBrokenError for times that are none.
        """
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        if wanted.person_id not in (None, caller.person_id):
            await self.check_permission(caller, Action.LIST_ANOTHERS_RESERVATIONS)
        check_times(wanted)
        if wanted.person_id is None and wanted.room_id is None:
            _check_width(wanted)
        return await read_page(self.reads, wanted, after=after, limit=limit)


def check_times(wanted: Listing) -> None:
    """Raise RuleBrokenError for what is outside the calendar or ends before it begins."""
    broken = [
        Violation(name, "absurd-time", {"max_year": YEARS[-1]})
        for name, moment in (("date", wanted.day), ("from", wanted.since), ("to", wanted.until))
        if moment is not None and moment.year not in YEARS
    ]
    if not broken and wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        broken = [Violation("to", "not-after-start")]
    if broken:
        raise RuleBrokenError(broken)


def _check_width(wanted: Listing) -> None:
    if wanted.day is not None:
        return
    ends = (("from", wanted.since), ("to", wanted.until))
    missing = [Violation(name, "required") for name, moment in ends if moment is None]
    if missing:
        raise RuleBrokenError(missing)
    if wanted.since and wanted.until and wanted.until - wanted.since > timedelta(days=WIDEST_DAYS):
        raise RuleBrokenError([Violation("to", "span-too-wide", {"max_days": WIDEST_DAYS})])


async def read_page(reads: Reads, wanted: Listing, *, after: Position | None, limit: int) -> Page:
    """Read one page and whether another follows."""
    return page_of(await reads.reservations(wanted, after=after, limit=limit + 1), limit)


def page_of(entries: Sequence[ReservationEntry], limit: int) -> Page:
    """Cut a page of what was read for it and one more."""
    if len(entries) <= limit:
        return entries, None
    last = entries[limit - 1].reservation
    return entries[:limit], Position(last.interval.starts_at, last.id)
