"""Give a person a secret address under which calendar programs read reservations.

Invariant: the secret is returned once and kept nowhere; the store and the event know its digest or nothing.
"""

import hashlib
from dataclasses import dataclass

from yoyaku.booking.domain.calendar_feed import FEEDS_LIMIT, CalendarFeed
from yoyaku.booking.domain.errors import TooManyCalendarsError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.calendar_feeds import CalendarTransactions, NewSecret
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.contracts.booking_v1 import CalendarPublished


@dataclass(frozen=True, slots=True)
class PublishCalendar:
    """Makes feeds."""

    transactions: CalendarTransactions
    check_permission: CheckPermission
    new_id: NewId
    new_secret: NewSecret
    now: Clock

    async def __call__(self, caller: Caller, room_id: int | None, language: str) -> tuple[CalendarFeed, str]:
        """Return the feed of the caller's own reservations, or of a room, and its secret.

        Raises NotPermittedError, RoomNotFoundError, TooManyCalendarsError.
        """
        await self.check_permission(caller, Action.USE_CALENDARS)
        feed = CalendarFeed(self.new_id(), caller.person_id, room_id, language, self.now())
        secret = self.new_secret()
        async with self.transactions.begin() as tx:
            if await tx.feeds.lock_count(caller.person_id) >= FEEDS_LIMIT:
                raise TooManyCalendarsError(FEEDS_LIMIT)
            await tx.feeds.add(feed, digest_of(secret))
            tx.emit(
                CalendarPublished(
                    calendar_id=str(feed.id), person_id=str(feed.person_id), kind=feed.kind.value, room_id=room_id
                ),
                subject=f"calendar/{feed.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return feed, secret


def digest_of(secret: str) -> bytes:
    """Return what the store knows of a secret: its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("ascii")).digest()
