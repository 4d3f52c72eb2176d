"""Today's occupancy: by the room's own clock, of open hours only, and with bounded names."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.occupancy import RoomDay, room_day, shares
from yoyaku.booking.domain.opening_hours import read_hours
from yoyaku.booking.domain.room import Room

HOURS, _ = read_hours({"wed": [("09:00", "12:00"), ("13:00", "18:00")], "thu": [("09:00", "10:00")]})


def room(time_zone: str = "Asia/Tokyo", *closures: Closure) -> Room:
    return Room(
        id=1, name="Fuji", site="Tokyo", capacity=8, time_zone=time_zone, features=(), buffer_before_minutes=0,
        buffer_after_minutes=0, active=True, version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC),
        opening_hours=HOURS, closures=closures,
    )  # fmt: skip


def between(first: str, last: str) -> Interval:
    return Interval(datetime.fromisoformat(first), datetime.fromisoformat(last))


NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
"""A Wednesday, noon in Tokyo."""


@pytest.mark.requirement("OB-02")
def test_booked_hours_of_open_hours_by_the_rooms_clock() -> None:
    reserved = [
        between("2026-04-01T10:00+09:00", "2026-04-01T12:00+09:00"),
        between("2026-04-01T17:00+09:00", "2026-04-01T20:00+09:00"),
        between("2026-03-31T10:00+09:00", "2026-03-31T12:00+09:00"),
    ]
    day = room_day(room(), reserved, NOW)
    assert (day.site, day.room) == ("Tokyo", "Tokyo/Fuji")
    assert (day.open, day.booked) == (timedelta(hours=8), timedelta(hours=3))
    thursday = room_day(room(), reserved, NOW + timedelta(hours=13))
    assert (thursday.open, thursday.booked) == (timedelta(hours=1), timedelta())
    assert room_day(room("America/Los_Angeles"), reserved, NOW).open == timedelta()


@pytest.mark.requirement("OB-02")
def test_a_closed_room_has_no_open_hours_to_be_booked() -> None:
    whole = between("2026-04-01T00:00+09:00", "2026-04-02T00:00+09:00")
    closure = Closure(id=UUID(int=1), interval=whole, reason="paint")
    day = room_day(room("Asia/Tokyo", closure), [whole], NOW)
    assert (day.open, day.booked) == (timedelta(), timedelta())
    assert shares([day], lambda one: one.site, limit=5) == {}


@pytest.mark.requirement("OB-02")
def test_names_beyond_the_limit_are_one() -> None:
    hour = timedelta(hours=1)
    days = [RoomDay("s", f"r{number}", 4 * hour, number * hour) for number in range(4)]
    assert shares(days, lambda day: day.room, limit=2) == {"r0": 0, "r1": 0.25, "other": 5 / 8}
    assert shares(days, lambda day: day.site, limit=2) == {"s": 6 / 16}
