import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from yoyaku.booking.adapters.files.records import Defaults, read_bookings, read_people, read_rooms
from yoyaku.booking.adapters.icalendar.bookings import read_calendar
from yoyaku.booking.adapters.icalendar.feed import feed_tag, write_feed
from yoyaku.booking.adapters.icalendar.zones import zone_component
from yoyaku.booking.domain.calendar_feed import CalendarFeed
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Role
from yoyaku.booking.domain.reservation import ReservationStatus
from yoyaku.booking.usecases.ports.calendar_feeds import FeedEvent, OpenFeed

MADE = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
START = datetime(2026, 4, 1, 0, tzinfo=UTC)
HOURS = timedelta(hours=1)
SAMPLES = Path(__file__).parents[4] / "docs" / "api" / "samples"


def feed(room: int | None = None, language: str = "en") -> OpenFeed:
    made = CalendarFeed(UUID(int=1), UUID(int=2), room, language, MADE)
    return OpenFeed(made, Role.USER, "Fuji" if room else None, "Tokyo" if room else None)


def event(title: str | None = "Plan", zone: str = "Asia/Tokyo", start: datetime = START, version: int = 1) -> FeedEvent:
    status = ReservationStatus.CONFIRMED if version == 1 else ReservationStatus.CANCELLED
    interval = Interval(start, start + HOURS)
    return FeedEvent(UUID(int=3), interval, title, status, version, MADE, "Fuji", "Tokyo; 本社", zone)


@pytest.mark.requirement("BK-10", "ID-05")
def test_what_a_program_reads() -> None:
    data = write_feed(feed(), [event(version=3)])
    assert data == write_feed(feed(), [event(version=3)])
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    calendar = Calendar.from_ical(data)
    (shown,) = calendar.walk("VEVENT")
    assert shown.decoded("dtstart").isoformat() == "2026-04-01T09:00:00+09:00"
    assert (shown["UID"], shown["SEQUENCE"], shown["STATUS"]) == (f"{UUID(int=3)}@yoyaku", 2, "CANCELLED")
    assert shown.decoded("dtstamp") == shown.decoded("last-modified") == MADE.replace(microsecond=0)
    assert (shown["SUMMARY"], shown["LOCATION"]) == ("Plan", "Fuji, Tokyo; 本社")
    assert (calendar["VERSION"], calendar["METHOD"], calendar["X-WR-CALNAME"]) == ("2.0", "PUBLISH", "My reservations")
    for language, text in (("en", "Reserved"), ("ja", "予約済み")):
        (masked,) = Calendar.from_ical(write_feed(feed(7, language), [event(None)])).walk("VEVENT")
        assert masked["SUMMARY"] == text


def test_nothing_to_show_is_still_a_calendar() -> None:
    calendar = Calendar.from_ical(write_feed(feed(language="ja"), []))
    assert [component.name for component in calendar.subcomponents] == ["VTIMEZONE"]
    assert calendar["NAME"] == "自分の予約"


# What the API lets into a title: everything but control characters; lone surrogates are no text at all.
titles = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200) | st.text(
    st.sampled_from(string.punctuation + "nN 会👩\u200d👧\u2028\u0301"), min_size=1, max_size=200
)


@example("\\N")
@example("C:\\New\\n; a, b\\")
@settings(max_examples=300)
@given(titles)
def test_any_title_survives(title: str) -> None:
    (shown,) = Calendar.from_ical(write_feed(feed(), [event(title)])).walk("VEVENT")
    assert str(shown["SUMMARY"]) == title


def test_our_own_import_reads_it() -> None:
    data = write_feed(feed(), [event("Plan, again; \\ 会" * 10, "Australia/Lord_Howe")])
    calendar = read_calendar("f.ics", data, Defaults(owner="hanako"))
    assert calendar.faults == []
    assert (calendar.bookings[0].title, calendar.bookings[0].starts_at) == ("Plan, again; \\ 会" * 10, START)


ZONES = ["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca",
         "Europe/Dublin", "America/Santiago", "UTC"]  # fmt: skip


@pytest.mark.requirement("BK-09")
@pytest.mark.parametrize("name", ZONES)
def test_the_clock_that_comes_along_is_the_zones_own(name: str) -> None:
    component, zone = zone_component(name, 2025, 2027), ZoneInfo(name)
    alone = zone_component(name, 2025, 2027).to_tz(lookup_tzid=False)
    moment, end = datetime(2025, 1, 2, tzinfo=UTC), datetime(2027, 12, 30, tzinfo=UTC)
    while moment < end:
        assert moment.astimezone(alone).replace(tzinfo=None) == moment.astimezone(zone).replace(tzinfo=None), moment
        moment += timedelta(minutes=30 * 17)
    for observance in component.subcomponents[1:]:
        onset = observance.DTSTART - observance.TZOFFSETFROM
        for at in (onset.replace(tzinfo=UTC) - timedelta(seconds=1), onset.replace(tzinfo=UTC)):
            offset = observance.TZOFFSETTO if at.replace(tzinfo=None) == onset else observance.TZOFFSETFROM
            assert at.astimezone(zone).utcoffset() == offset


def test_the_tag_changes_with_what_is_shown_alone() -> None:
    tag = feed_tag(feed(), [event()])
    assert tag == feed_tag(feed(), [event()])
    others = [feed_tag(feed(language="ja"), [event()]), feed_tag(feed(), [event(version=2)]), feed_tag(feed(), [])]
    assert len({tag, *others}) == 4


def test_the_sample_of_the_docs_is_what_we_write() -> None:
    made = OpenFeed(CalendarFeed(UUID(int=1), UUID(int=2), 1, "ja", MADE), Role.USER, "Fuji", "Tokyo")
    shown = FeedEvent(
        UUID("019aafcd-4f6c-7b05-8a9c-6f1f6a1a7d52"), Interval(START, START + HOURS), None,
        ReservationStatus.CONFIRMED, 1, MADE, "Fuji", "Tokyo", "Asia/Tokyo",
    )  # fmt: skip
    assert (SAMPLES / "room.ics").read_bytes() == write_feed(made, [shown])


def test_the_samples_of_the_import_can_be_imported() -> None:
    read = [
        read_rooms("r", (SAMPLES / "rooms.csv").read_bytes(), Defaults()),
        read_people("p", (SAMPLES / "people.csv").read_bytes()),
        read_bookings("b", (SAMPLES / "reservations.csv").read_bytes(), Defaults()),
    ]
    assert [(len(rows), faults) for rows, faults in read] == [(2, []), (2, []), (2, [])]
    calendar = read_calendar("c", (SAMPLES / "bookings.ics").read_bytes(), Defaults())
    assert (len(calendar.bookings), calendar.faults) == (1, [])
