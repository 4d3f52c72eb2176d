"""Times as people type them: by the room's clock, and never guessed where the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.times import later, read_date, read_duration, read_interval, read_moment

TOKYO, BERLIN, LORD_HOWE = (ZoneInfo(name) for name in ("Asia/Tokyo", "Europe/Berlin", "Australia/Lord_Howe"))
DAY = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("09:00", "2026-12-01T00:00Z"),
        ("9:30", "2026-12-01T00:30Z"),
        ("24:00", "2026-12-01T15:00Z"),
        ("2026-12-24 18:00", "2026-12-24T09:00Z"),
        ("2026-12-24T18:00:00", "2026-12-24T09:00Z"),
        ("2026-12-01T09:00:00+01:00", "2026-12-01T08:00Z"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00Z"),
    ],
)
def test_a_time_is_the_rooms(text: str, utc: str) -> None:
    assert read_moment(text, zone=TOKYO, day=DAY) == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9",
        "25:00",
        "24:30",
        "09:60",
        "2026-13-01 09:00",
        "2026-12-01",
        "tomorrow",
        "09:00 pm",
        "9999-12-31 24:00",
        "٠٩:٠٠",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_moment(text, zone=TOKYO, day=DAY)
    assert refused.value.text == "bad-time"


def test_a_time_that_the_clocks_skip_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        read_moment("2027-03-28 02:30", zone=BERLIN, day=DAY)
    assert refused.value.text == "no-such-local-time"


@pytest.mark.parametrize(
    ("zone", "text", "first", "second"),
    [
        (BERLIN, "2026-10-25 02:30", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
        (LORD_HOWE, "2027-04-04 01:45", "2027-04-04T01:45+11:00", "2027-04-04T01:45+10:30"),
    ],
)
def test_a_time_that_comes_twice_is_refused_with_both_spelled(
    zone: ZoneInfo, text: str, first: str, second: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_moment(text, zone=zone, day=DAY)
    assert refused.value.text == "twice-local-time"
    assert (refused.value.facts["first"], refused.value.facts["second"]) == (first, second)
    assert read_moment(first, zone=zone, day=DAY) < read_moment(second, zone=zone, day=DAY)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - as typed
    st.sampled_from([TOKYO, BERLIN, LORD_HOWE]),
)
def test_a_time_that_is_taken_is_what_the_rooms_clock_shows_then(moment: datetime, zone: ZoneInfo) -> None:
    typed = f"{moment:%Y-%m-%d %H:%M}"
    try:
        read = read_moment(typed, zone=zone, day=DAY)
    except UsageError as refused:
        assert refused.text != "bad-time"
    else:
        assert f"{read.astimezone(zone):%Y-%m-%d %H:%M}" == typed


@pytest.mark.parametrize(
    ("start", "end", "length", "hours"),
    [
        ("09:00", "10:30", None, 1.5),
        ("09:00", None, "1h", 1),
        ("23:00", "00:30", None, 1.5),
        ("23:00", "24:00", None, 1),
        ("2026-12-03 09:00", "10:00", None, 1),
        ("2026-12-03 09:00", "2026-12-04 10:00", None, 25),
    ],
)
def test_an_interval_ends_at_the_next_such_time(start: str, end: str | None, length: str | None, hours: float) -> None:
    begin, over = read_interval(start, end, length, zone=TOKYO, day=DAY)
    assert over - begin == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("start", "end", "length", "text"),
    [
        ("09:00", None, None, "to-or-for"),
        ("09:00", "10:00", "1h", "to-and-for"),
        ("2026-12-03 09:00", "2026-12-03 09:00", None, "end-before-start"),
        ("09:00", None, "1 hour", "bad-duration"),
        ("09:00", None, "0m", "bad-duration"),
        ("09:00", None, "999h", None),
    ],
)
def test_an_interval_that_is_none_is_refused(start: str, end: str | None, length: str | None, text: str | None) -> None:
    if text is None:
        read_interval(start, end, length, zone=TOKYO, day=DAY)
        return
    with pytest.raises(UsageError) as refused:
        read_interval(start, end, length, zone=TOKYO, day=DAY)
    assert refused.value.text == text


def test_an_hour_is_an_hour_over_a_change_of_clocks() -> None:
    begin, end = read_interval("2026-10-25 01:30", None, "2h", zone=BERLIN, day=DAY)
    assert end - begin == timedelta(hours=2)
    assert end.astimezone(BERLIN).hour == 2


@pytest.mark.parametrize(
    ("text", "minutes"), [("1h", 60), ("30m", 30), ("1h30m", 90), ("90min", 90), ("1H", 60), (" 2h ", 120)]
)
def test_lengths(text: str, minutes: int) -> None:
    assert read_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "h", "1", "-1h", "1.5h", "0h", "1h30", "h30m"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_duration(text)


def test_dates() -> None:
    assert read_date("today", today=DAY) == read_date("今日", today=DAY) == DAY
    assert read_date("Tomorrow", today=DAY) == read_date("明日", today=DAY) == date(2026, 12, 2)
    assert read_date("2027-01-31", today=DAY) == date(2027, 1, 31)
    for text in ("", "2027-02-30", "2027-W01-1", "31.1.2027", "0000-01-01"):
        with pytest.raises(UsageError):
            read_date(text, today=DAY)


def test_the_end_of_time_is_no_crash() -> None:
    with pytest.raises(UsageError):
        later(datetime(9999, 12, 31, 23, tzinfo=UTC), timedelta(hours=2))
