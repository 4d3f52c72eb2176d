from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import OpeningHours, Span, read_hours

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe"]
HALF_HOUR = timedelta(minutes=30)
NIGHTS = [
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 10, 3, 15, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
]


def hours(**week: list[tuple[str, str]]) -> OpeningHours:
    made, broken = read_hours(week)
    assert made is not None, broken
    return made


@st.composite
def weeks(draw: st.DrawFn) -> OpeningHours:
    week = []
    for _ in range(7):
        edges = sorted(draw(st.sets(st.integers(0, 48), max_size=6)))
        week.append(tuple(Span(a * 30, b * 30) for a, b in zip(edges[::2], edges[1::2], strict=False)))
    return OpeningHours(tuple(week))


def is_open(made: OpeningHours, at: datetime, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    return any(span.opens <= local.hour * 60 + local.minute < span.closes for span in made.week[local.weekday()])


@pytest.mark.requirement("BK-02", "BK-09")
@given(weeks(), st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(-60, 60), st.integers(1, 16))
def test_a_booking_fits_where_every_half_hour_is_open(
    made: OpeningHours, name: str, night: datetime, shift: int, steps: int
) -> None:
    """Away from what the clock shows twice, the hours are what the clock says at each half hour."""
    zone = ZoneInfo(name)
    starts_at = night + shift * HALF_HOUR
    if name == "Asia/Kolkata" or starts_at.astimezone(zone).minute % 30:
        starts_at = starts_at.replace(minute=0)
    ends_at = starts_at + steps * HALF_HOUR
    inside = [starts_at + step * HALF_HOUR for step in range(steps)]
    if any(at.astimezone(zone).fold or (at + timedelta(hours=1)).astimezone(zone).fold for at in inside):
        return
    assert made.covers(starts_at, ends_at, zone) == all(is_open(made, at, zone) for at in inside)


@pytest.mark.requirement("BK-02", "BK-09")
@given(weeks(), st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(-60, 60), st.integers(1, 16))
def test_the_short_way_and_the_long_way_agree(
    made: OpeningHours, name: str, night: datetime, shift: int, steps: int
) -> None:
    zone = ZoneInfo(name)
    starts_at = night + shift * HALF_HOUR
    ends_at = starts_at + steps * HALF_HOUR
    around = Interval(starts_at - timedelta(days=9), ends_at + timedelta(days=9))
    inside = [opening for opening in made.intervals(around, zone) if opening.contains(starts_at)]
    assert made.covers(starts_at, ends_at, zone) == any(ends_at <= opening.ends_at for opening in inside)


@pytest.mark.requirement("BK-02")
def test_hours_that_meet_at_midnight_are_one() -> None:
    made = hours(mon=[("22:00", "24:00")], tue=[("00:00", "02:00")])
    zone = ZoneInfo("Asia/Tokyo")
    monday = datetime(2026, 4, 6, 23, tzinfo=zone)
    assert made.covers(monday, monday + timedelta(hours=2), zone)
    assert made.covers(monday + timedelta(hours=1), monday + timedelta(hours=2), zone)
    assert not made.covers(monday, monday + timedelta(hours=3, minutes=30), zone)
    assert not made.covers(monday + timedelta(days=1), monday + timedelta(days=1, hours=2), zone)


@pytest.mark.requirement("BK-02", "BK-09")
@pytest.mark.parametrize(
    ("opens", "closes", "day", "starts_at", "ends_at"),
    [
        ("02:00", "05:00", "2026-03-29", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
        ("01:00", "02:30", "2026-03-29", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("02:30", "04:00", "2026-10-25", "2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z"),
        ("01:00", "02:30", "2026-10-25", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"),
        ("02:00", "02:30", "2026-10-25", "2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"),
    ],
    ids=["opens in the gap", "closes in the gap", "opens twice", "closes twice", "both twice"],
)
def test_hours_on_the_nights_of_change_in_berlin(
    opens: str, closes: str, day: str, starts_at: str, ends_at: str
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    made = hours(sun=[(opens, closes)])
    noon = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    around = Interval(noon - timedelta(days=1), noon + timedelta(hours=1))
    expected = Interval(datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at))
    assert made.intervals(around, zone) == [expected]


@pytest.mark.requirement("BK-02")
def test_hours_wholly_in_the_gap_are_none_that_night() -> None:
    zone = ZoneInfo("Europe/Berlin")
    made = hours(sun=[("02:00", "03:00")])
    night = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert made.intervals(Interval(night - timedelta(hours=5), night + timedelta(hours=5)), zone) == []
    week = made.intervals(Interval(night - timedelta(days=8), night + timedelta(days=8)), zone)
    assert [opening.starts_at.date() for opening in week] == [date(2026, 3, 22), date(2026, 4, 5)]


@pytest.mark.requirement("BK-01", "GW-02")
@pytest.mark.parametrize(
    ("week", "field", "code"),
    [
        ({}, "opening_hours", "never-open"),
        ({"mon": []}, "opening_hours", "never-open"),
        ({"monday": [("09:00", "18:00")]}, "opening_hours.monday", "unknown-field"),
        ({"mon": [("9:00", "18:00")]}, "opening_hours.mon.0", "bad-clock"),
        ({"mon": [("09:00", "24:30")]}, "opening_hours.mon.0", "bad-clock"),
        ({"mon": [("24:00", "24:00")]}, "opening_hours.mon.0", "bad-clock"),
        ({"mon": [("09:00", "25:00")]}, "opening_hours.mon.0", "bad-clock"),
        ({"mon": [("09:15", "18:00")]}, "opening_hours.mon.0", "off-grid"),
        ({"mon": [("08:00", "09:00"), ("18:00", "18:00")]}, "opening_hours.mon.1", "not-after-start"),
        ({"mon": [("09:00", "18:00"), ("17:00", "19:00")]}, "opening_hours.mon", "overlapping-hours"),
        ({"mon": [("09:00", "09:30")] * 13}, "opening_hours.mon", "too-many"),
    ],
)
def test_hours_that_are_refused(week: dict[str, list[tuple[str, str]]], field: str, code: str) -> None:
    made, broken = read_hours(week)
    assert made is None
    assert (field, code) in [(violation.field, violation.code) for violation in broken]


def test_every_fault_is_named_at_once() -> None:
    _, broken = read_hours({"mon": [("x", "18:00")], "tue": [("09:10", "18:00")], "sun": [("18:00", "09:00")]})
    assert [violation.field for violation in broken] == [f"opening_hours.{day}.0" for day in ("mon", "tue", "sun")]


@given(weeks())
def test_what_is_written_can_be_read(made: OpeningHours) -> None:
    again, _ = read_hours(made.as_texts())
    assert again == (made if any(made.week) else None)
