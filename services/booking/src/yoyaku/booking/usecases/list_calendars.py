"""List the own calendar feeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.booking.domain.calendar_feed import CalendarFeed
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.calendar_feeds import CalendarReads


@dataclass(frozen=True, slots=True)
class ListCalendars:
    """Reads the own feeds, without their secrets."""

    reads: CalendarReads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller) -> Sequence[CalendarFeed]:
        """Return the caller's feeds, oldest first. Raises NotPermittedError."""
        await self.check_permission(caller, Action.USE_CALENDARS)
        return await self.reads.feeds(caller.person_id)
