"""Take back the secret address of a calendar feed."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import CalendarNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.calendar_feeds import CalendarTransactions
from yoyaku.contracts.booking_v1 import CalendarRevoked


@dataclass(frozen=True, slots=True)
class RevokeCalendar:
    """Deletes own feeds."""

    transactions: CalendarTransactions
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, calendar_id: UUID) -> None:
        """Make the address say nothing from now on.

        Raises NotPermittedError; CalendarNotFoundError for another person's feed as for one that does not exist.
        """
        await self.check_permission(caller, Action.USE_CALENDARS)
        async with self.transactions.begin() as tx:
            feed = await tx.feeds.remove(calendar_id, caller.person_id)
            if feed is None:
                raise CalendarNotFoundError
            tx.emit(
                CalendarRevoked(
                    calendar_id=str(feed.id),
                    person_id=str(feed.person_id),
                    kind=feed.kind.value,
                    room_id=feed.room_id,
                    revoked_by=caller.actor,
                ),
                subject=f"calendar/{feed.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
