from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.adapters.files.records import Defaults
from yoyaku.booking.adapters.icalendar.bookings import Calendar, read_calendar

GOOD = [
    "UID:1",
    "DTSTART:20260401T000000Z",
    "DTEND:20260401T010000Z",
    "SUMMARY:Plan",
    "LOCATION:Fuji",
    "ORGANIZER:mailto:a@b.c",
]
ASKED = Defaults(zone=ZoneInfo("Europe/Berlin"), room="Aso", owner="front-desk")


def read(lines: list[str], defaults: Defaults = Defaults(), end: str = "\r\n") -> Calendar:  # noqa: B008  frozen
    text = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    return read_calendar("e.ics", end.join(text).encode(), defaults)


def without(name: str, *instead: str) -> list[str]:
    return [line for line in GOOD if not line.startswith(name)] + list(instead)


def codes(calendar: Calendar) -> list[tuple[int, str, str]]:
    return [(fault.line.number, fault.field, fault.code) for fault in calendar.faults]


def test_folds_escapes_and_lines() -> None:
    folded = without("SUMMARY", "SUMMARY:会", " 議\\, a\\;b \\\\n c", "DESCRIPTION:\\n\\n", "CLASS:PRIVATE")
    calendar = read(folded, end="\n")
    assert codes(calendar) == []
    (booking,) = calendar.bookings
    assert booking.title == "会議, a;b \\n c"
    assert (booking.line.number, booking.line_of("title").number, booking.line_of("starts_at").number) == (3, 9, 5)
    split = "SUMMARY:会".encode()[:-1] + b"\r\n " + "会".encode()[-1:] + b"x"
    opening, closing = [b"BEGIN:VCALENDAR", b"BEGIN:VEVENT"], [b"END:VEVENT", b"END:VCALENDAR"]
    data = b"\r\n".join([*opening, *(line.encode() for line in without("SUMMARY")), split, *closing])
    assert read_calendar("e.ics", b"\xef\xbb\xbf" + data, Defaults()).bookings[0].title == "会x"


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("DTSTART;TZID=Asia/Tokyo:20260401T090000", datetime(2026, 4, 1, 0, tzinfo=UTC)),
        ('DTSTART;TZID="W. Europe Standard Time":20260701T090000', datetime(2026, 7, 1, 7, tzinfo=UTC)),
        ("DTSTART:20260701T090000", datetime(2026, 7, 1, 7, tzinfo=UTC)),
        ("DTSTART;TZID=Europe/Berlin:20261025T023000", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("DTSTART;TZID=Europe/Berlin:20260329T023000", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_as_rfc_5545_says(line: str, moment: datetime) -> None:
    calendar = read(without("DTSTART", line), ASKED)
    assert [booking.starts_at for booking in calendar.bookings] == [moment]


def test_who_and_where() -> None:
    calendar = read(without("LOCATION"), ASKED)
    assert [(b.room, b.user_id, b.owner) for b in calendar.bookings] == [("Aso", "a@b.c", "front-desk")]
    calendar = read(without("ORGANIZER", "ORGANIZER;CN=Hanako:MAILTO:Hana%40b.c"))
    assert [(b.room, b.user_id, b.owner) for b in calendar.bookings] == [("Fuji", "hana@b.c", None)]
    assert codes(read(without("ORGANIZER"))) == [(3, "ORGANIZER", "no-owner")]
    assert codes(read(without("LOCATION"))) == [(3, "LOCATION", "no-room")]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([*GOOD, "RRULE:FREQ=DAILY", "RDATE:20260402T000000Z", "RECURRENCE-ID:20260401T000000Z"], [
            (10, "RRULE", "repeats"), (11, "RDATE", "repeats"), (12, "RECURRENCE-ID", "repeats"),
        ]),
        (without("DTSTART", "DTSTART;VALUE=DATE:20260401"), [(9, "DTSTART", "all-day")]),
        (without("DTSTART", "DTSTART:20260401"), [(9, "DTSTART", "all-day")]),
        (without("DTSTART", "DTSTART:20260401T090000"), [(9, "DTSTART", "no-time-zone")]),
        (without("DTSTART", "DTSTART;TZID=Custom:20260401T090000"), [(9, "DTSTART", "unknown-time-zone")]),
        (without("DTSTART", "DTSTART:20261301T090000Z"), [(9, "DTSTART", "bad-moment")]),
        (without("DTEND"), [(3, "DTEND", "required")]),
        ([*GOOD, "DURATION:PT1H"], [(10, "DURATION", "end-twice")]),
        (without("DTEND", "DURATION:never"), [(9, "DURATION", "bad-duration")]),
        (without("DTEND", "DURATION:P9999999W"), [(9, "DURATION", "bad-duration")]),
        (without("UID", "UID:a\u200bb"), [(9, "UID", "hidden-character")]),
        (without("SUMMARY", "SUMMARY:a\\nb"), [(9, "SUMMARY", "hidden-character")]),
        ([*GOOD, "UID:2"], [(10, "UID", "property-twice")]),
        ([*GOOD, "STATUS:TENTATIVE"], [(10, "STATUS", "unsupported-status")]),
        ([*GOOD, "no colon here"], [(10, "line", "not-a-content-line")]),
        ([*GOOD, "END:VEVENT", "BEGIN:VTODO", "END:VTODO", "BEGIN:VEVENT", *GOOD], [
            (11, "VTODO", "unsupported-component"),
        ]),
        ([*GOOD, "BEGIN:VALARM", "UID:inner", "END:VALARM"], []),
        ([*GOOD, "END:VTODO"], [(10, "END", "wrong-end")]),
    ],
)  # fmt: skip
def test_what_is_refused_has_its_line(lines: list[str], expected: list[tuple[int, str, str]]) -> None:
    assert codes(read(lines)) == expected


def test_cancelled_ones_are_left_out_and_counted() -> None:
    calendar = read(["UID:1", "STATUS:CANCELLED"])
    assert (calendar.left_out, calendar.bookings, calendar.faults) == (1, [], [])


PIECES = [*GOOD, "BEGIN:VEVENT", "END:VEVENT", " x", "DURATION:P", "DTSTART;TZID=:2", "\x00"]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=8))
def test_no_bytes_raise(data: bytes | list[str]) -> None:
    if isinstance(data, bytes):
        read_calendar("e.ics", data, ASKED)
    else:
        read(data, ASKED)
