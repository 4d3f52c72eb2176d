"""Days and wall times over the changes of the clock, against a walk of every minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.local_time import day_interval, first_instant, last_instant

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe"]
CHANGES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2026, 4, 5)),
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),
    "Africa/Cairo": (date(2026, 4, 24), date(2026, 10, 29)),
}
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31)) | st.sampled_from(
    [day for days in CHANGES.values() for day in days]
)
MINUTE = timedelta(minutes=1)


def instants(day: date, zone: ZoneInfo) -> dict[int, list[datetime]]:
    """Return when the clock shows each minute of the day, by asking it every minute."""
    found: dict[int, list[datetime]] = {}
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    for _ in range(60 * 56):
        local = at.astimezone(zone)
        if local.date() == day:
            found.setdefault(local.hour * 60 + local.minute, []).append(at)
        at += MINUTE
    return found


@pytest.mark.requirement("BK-09")
@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("index", [0, 1])
def test_every_minute_of_the_nights_of_change(name: str, index: int) -> None:
    zone, day = ZoneInfo(name), CHANGES[name][index]
    shown = instants(day, zone)
    for minute in range(24 * 60):
        # A minute that never comes is the first one that does come after it.
        later = [number for number in sorted(shown) if number >= minute]
        if minute in shown:
            assert (first_instant(day, minute, zone), last_instant(day, minute, zone) if minute else None) == (
                shown[minute][0],
                shown[minute][-1] if minute else None,
            )
        elif later:
            assert first_instant(day, minute, zone) == shown[later[0]][0]
            assert last_instant(day, minute, zone) == shown[later[0]][0]
    every = sorted(at for times in shown.values() for at in times)
    whole = day_interval(day, zone)
    assert whole is not None
    assert (whole.starts_at, whole.ends_at) == (every[0], every[-1] + MINUTE)
    assert last_instant(day, 24 * 60, zone) == whole.ends_at


@pytest.mark.requirement("BK-09")
@pytest.mark.parametrize(
    ("name", "index", "hours"),
    [
        ("Europe/Berlin", 0, 23),
        ("Europe/Berlin", 1, 25),
        ("America/New_York", 0, 23),
        ("America/New_York", 1, 25),
        ("Australia/Lord_Howe", 0, 23.5),
        ("Australia/Lord_Howe", 1, 24.5),
    ],
)
def test_how_long_the_days_are(name: str, index: int, hours: float) -> None:
    whole = day_interval(CHANGES[name][index], ZoneInfo(name))
    assert whole is not None
    assert whole.duration == timedelta(hours=hours)


@pytest.mark.requirement("BK-09")
@given(DAYS, st.sampled_from(ZONES))
def test_days_follow_each_other(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    today, tomorrow = day_interval(day, zone), day_interval(day + timedelta(days=1), zone)
    assert today is not None
    assert tomorrow is not None
    assert today.ends_at == tomorrow.starts_at
    assert today.starts_at.astimezone(zone).date() == day


def test_a_day_that_never_was() -> None:
    assert day_interval(date(2011, 12, 30), ZoneInfo("Pacific/Apia")) is None
    assert day_interval(date(2011, 12, 31), ZoneInfo("Pacific/Apia")) is not None
