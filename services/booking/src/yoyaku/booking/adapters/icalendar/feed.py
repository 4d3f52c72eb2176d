"""A calendar feed as iCalendar (RFC 5545).

Invariant: the same reservations give the same bytes, at whatever time they are asked for: every stamp comes from the
data. Times are by the clock of each room, and its VTIMEZONE comes along.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vText
from pydantic_core import to_json

from yoyaku.booking.adapters.icalendar.zones import zone_component
from yoyaku.booking.domain.reservation import ReservationStatus
from yoyaku.booking.usecases.ports.calendar_feeds import FeedEvent, OpenFeed

UID_DOMAIN: Final = "yoyaku"
"""Part of every UID for ever: programs know a reservation again by it."""
_FORM: Final = 2
"""Counts changes of how a feed is written, so that no program keeps the old form for unchanged reservations."""
_LOOK_AGAIN: Final = timedelta(minutes=15)
_PRODUCT: Final = "-//Yoyaku//Reservations//EN"
_RESERVED: Final = {"en": "Reserved", "ja": "予約済み"}
_MINE: Final = {"en": "My reservations", "ja": "自分の予約"}
_STATUS: Final = {ReservationStatus.CONFIRMED: "CONFIRMED", ReservationStatus.CANCELLED: "CANCELLED"}


class _Text(vText):
    """A text written as it is: the library's own takes a backslash before a capital N for a line break."""

    def to_ical(self) -> bytes:
        """Escape what RFC 5545 3.3.11 asks for."""
        escaped = self.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
        return escaped.encode("utf-8")


def feed_tag(found: OpenFeed, events: Sequence[FeedEvent]) -> str:
    """Return the entity tag of a feed without writing it."""
    facts = [_FORM, found.feed.language, found.room_name, found.site, *_facts(events)]
    return f'"{hashlib.sha256(to_json(facts)).hexdigest()[:32]}"'


def _facts(events: Sequence[FeedEvent]) -> Iterator[object]:
    for event in events:
        interval = (event.interval.starts_at, event.interval.ends_at)
        yield (event.reservation_id, event.version, event.changed_at, event.room_name, event.site, event.time_zone)
        yield interval


def write_feed(found: OpenFeed, events: Sequence[FeedEvent]) -> bytes:
    """Write the feed."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    name = found.room_name or _MINE[found.feed.language]
    calendar.add("name", _Text(name))
    calendar.add("x-wr-calname", _Text(name))
    calendar.add("refresh-interval", _LOOK_AGAIN, parameters={"VALUE": "DURATION"})
    years = {at.year for event in events for at in (event.interval.starts_at, event.interval.ends_at)}
    years = years or {found.feed.created_at.year}
    # A calendar needs a component, so a feed without reservations has the clock of UTC.
    for zone in sorted({event.time_zone for event in events}) or ["UTC"]:
        calendar.add_component(zone_component(zone, min(years) - 1, max(years) + 1))
    for event in events:
        calendar.add_component(_component(event, found.feed.language))
    written: bytes = calendar.to_ical()
    return written


def _component(shown: FeedEvent, language: str) -> Event:
    event = Event()
    event.add("uid", f"{shown.reservation_id}@{UID_DOMAIN}")
    event.add("dtstamp", shown.changed_at.replace(microsecond=0))
    event.add("last-modified", shown.changed_at.replace(microsecond=0))
    event.add("sequence", shown.version - 1)
    event.add("dtstart", shown.interval.starts_at.astimezone(ZoneInfo(shown.time_zone)))
    event.add("dtend", shown.interval.ends_at.astimezone(ZoneInfo(shown.time_zone)))
    event.add("summary", _Text(_RESERVED[language] if shown.title is None else shown.title))
    event.add("location", _Text(f"{shown.room_name}, {shown.site}"))
    event.add("status", _STATUS[shown.status])
    return event
