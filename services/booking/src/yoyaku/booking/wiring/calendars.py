"""Calendar feeds."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from yoyaku.booking.adapters.icalendar.feed import feed_tag, write_feed
from yoyaku.booking.adapters.postgres.calendar_feeds import PostgresCalendars
from yoyaku.booking.usecases.list_calendars import ListCalendars
from yoyaku.booking.usecases.ports.calendar_feeds import FeedEvent, OpenFeed
from yoyaku.booking.usecases.publish_calendar import PublishCalendar
from yoyaku.booking.usecases.read_calendar import ReadCalendar
from yoyaku.booking.usecases.revoke_calendar import RevokeCalendar
from yoyaku.booking.wiring.parts import Parts
from yoyaku.messaging.outbox import Outbox

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Calendars:
    """The use cases about calendar feeds, and how a feed is written."""

    publish_calendar: PublishCalendar
    list_calendars: ListCalendars
    revoke_calendar: RevokeCalendar
    read_calendar: ReadCalendar
    tag_of: Callable[[OpenFeed, Sequence[FeedEvent]], str] = feed_tag
    write: Callable[[OpenFeed, Sequence[FeedEvent]], bytes] = write_feed


def make_calendars(parts: Parts, outbox: Outbox) -> Calendars:
    """Put them together."""
    store = PostgresCalendars(parts.pool, outbox)
    return Calendars(
        publish_calendar=PublishCalendar(store, parts.check, parts.make_id, _new_secret, parts.now),
        list_calendars=ListCalendars(store, parts.check),
        revoke_calendar=RevokeCalendar(store, parts.check),
        read_calendar=ReadCalendar(store, parts.now),
    )


def _new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)
