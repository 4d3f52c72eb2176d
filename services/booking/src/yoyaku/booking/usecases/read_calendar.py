"""Read a calendar feed by its secret address alone.

Invariant: an address that never was, was revoked, or belongs to somebody who may not use it, all say the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from yoyaku.booking.domain.calendar_feed import AHEAD, BACK, CANCELLED_KEPT
from yoyaku.booking.domain.errors import CalendarNotFoundError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Action, may
from yoyaku.booking.usecases.ports.calendar_feeds import CalendarReads, FeedEvent, OpenFeed
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.publish_calendar import digest_of

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReadCalendar:
    """Reads what a feed shows."""

    reads: CalendarReads
    now: Clock

    async def __call__(self, secret: str) -> tuple[OpenFeed, Sequence[FeedEvent]]:
        """Return the feed and its events by start. Raises CalendarNotFoundError."""
        if not _SECRET.fullmatch(secret):
            raise CalendarNotFoundError
        found = await self.reads.open_feed(digest_of(secret))
        if found is None or not may(found.role, Action.USE_CALENDARS):
            raise CalendarNotFoundError
        # By whole days, so that the same reservations are the same bytes from one look to the next.
        today = self.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        window = Interval(today - BACK, today + AHEAD)
        return found, await self.reads.events(found.feed, window, today - CANCELLED_KEPT)
