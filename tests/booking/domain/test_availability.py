"""What is free and what is busy, against a model that tries every booking."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.booking.domain.availability import (
    BusyKind,
    Holding,
    RoomCalendar,
    free_intervals,
    free_slots,
    needed,
    open_intervals,
    plan_day,
)
from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import BookingError
from yoyaku.booking.domain.interval import GRID, Interval
from yoyaku.booking.domain.intervals import union
from yoyaku.booking.domain.local_time import day_interval
from yoyaku.booking.domain.opening_hours import OpeningHours, Span
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.room import Room

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Asia/Kolkata": [date(2026, 4, 1)],
    "Asia/Tokyo": [date(2026, 4, 1)],
    "Australia/Lord_Howe": [date(2026, 10, 4), date(2026, 4, 5)],
}


def room(name: str, before: int = 0, after: int = 0, hours: OpeningHours | None = None, active: bool = True) -> Room:
    return Room(
        1, "Fuji", "S", 8, name, (), before, after, active=active, version=1, created_at=NOW, opening_hours=hours
    )


def can_be_booked(calendar: RoomCalendar, starts_at: datetime, ends_at: datetime) -> bool:
    """Judge as placing does: the rules, then no overlap of what is occupied."""
    try:
        interval = BookingPolicy().judge(starts_at, ends_at, calendar.room, NOW)
    except BookingError:
        return False
    occupied = calendar.room.occupied_by(interval)
    return not any(occupied.overlaps(holding.occupied) for holding in calendar.holdings)


@st.composite
def calendars(draw: st.DrawFn) -> tuple[RoomCalendar, date]:
    name = draw(st.sampled_from(sorted(ZONES)))
    day = draw(st.sampled_from(ZONES[name]))
    edges = sorted(draw(st.sets(st.integers(0, 48), min_size=2, max_size=6)))
    spans = tuple(Span(a * 30, b * 30) for a, b in zip(edges[::2], edges[1::2], strict=False))
    hours = draw(st.sampled_from([None, OpeningHours((spans,) * 7)]))
    buffers = st.sampled_from([0, 10, 30, 45])
    made = room(name, draw(buffers), draw(buffers), hours)
    whole = day_interval(day, made.zone)
    assert whole is not None
    holdings: list[Holding] = []
    for first, length in draw(st.lists(st.tuples(st.integers(-6, 50), st.integers(1, 6)), max_size=4)):
        held = Interval(whole.starts_at + first * GRID, whole.starts_at + (first + length) * GRID)
        # As booked when the buffers were others: they need not be today's.
        occupied = held.widened(timedelta(minutes=draw(buffers)), timedelta(minutes=draw(buffers)))
        if not any(occupied.overlaps(other.occupied) for other in holdings):
            holdings.append(Holding(held, occupied))
    closed = []
    for first, length in draw(st.lists(st.tuples(st.integers(-6, 50), st.integers(1, 10)), max_size=2)):
        interval = Interval(whole.starts_at + first * GRID, whole.starts_at + (first + length) * GRID)
        closed.append(Closure(UUID(int=first + 100), interval, "works"))
    full = replace(made, closures=tuple(closed))
    return RoomCalendar(full, tuple(sorted(holdings, key=lambda holding: holding.interval))), day


@pytest.mark.requirement("BK-09")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calendars())
def test_what_is_free_is_what_can_be_booked(given_: tuple[RoomCalendar, date]) -> None:
    calendar, day = given_
    whole = day_interval(day, calendar.room.zone)
    assert whole is not None
    plan = plan_day(calendar, day)
    steps = int(whole.duration / GRID)
    for step in range(steps):
        starts_at = whole.starts_at + step * GRID
        ends_at = starts_at + GRID
        free = any(each.starts_at <= starts_at and ends_at <= each.ends_at for each in plan.free)
        assert can_be_booked(calendar, starts_at, ends_at) == free, (starts_at, plan)
    for each in plan.free:
        assert each.duration >= GRID
        assert can_be_booked(calendar, each.starts_at, min(each.ends_at, each.starts_at + timedelta(hours=8)))


@pytest.mark.requirement("BK-09")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calendars())
def test_free_and_busy_partition_the_day(given_: tuple[RoomCalendar, date]) -> None:
    calendar, day = given_
    plan = plan_day(calendar, day)
    parts = sorted([*plan.free, *(busy.interval for busy in plan.busy)])
    assert union(parts) == [day_interval(day, calendar.room.zone)]
    assert all(earlier.ends_at <= later.starts_at for earlier, later in pairwise(parts))
    for busy in plan.busy:
        if busy.kind is BusyKind.RESERVATION:
            assert any(each.interval.overlaps(busy.interval) for each in calendar.holdings)
        if busy.kind is BusyKind.CLOSURE:
            assert any(each.interval.overlaps(busy.interval) for each in calendar.room.closures)


@pytest.mark.requirement("BK-09")
def test_each_part_says_why() -> None:
    day = date(2026, 4, 1)
    hours = OpeningHours(((Span(9 * 60, 18 * 60),),) * 7)
    made = room("Asia/Tokyo", 0, 15, hours)

    def at(hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 4, 1, hour, minute, tzinfo=made.zone).astimezone(UTC)

    held = Interval(at(10), at(11))
    full = replace(made, closures=(Closure(UUID(int=1), Interval(at(17), at(20)), "works"),))
    calendar = RoomCalendar(full, (Holding(held, full.occupied_by(held)),))
    plan = plan_day(calendar, day)
    assert [(each.starts_at, each.ends_at) for each in plan.free] == [(at(9), at(9, 30)), (at(11, 30), at(17))]
    whole = day_interval(day, full.zone)
    assert whole is not None
    assert [(busy.interval.starts_at, busy.interval.ends_at, busy.kind) for busy in plan.busy] == [
        (whole.starts_at, at(9), BusyKind.OUTSIDE_HOURS),
        (at(9, 30), at(10), BusyKind.BUFFER),
        (at(10), at(11), BusyKind.RESERVATION),
        (at(11), at(11, 30), BusyKind.BUFFER),
        (at(17), at(20), BusyKind.CLOSURE),
        (at(20), whole.ends_at, BusyKind.OUTSIDE_HOURS),
    ]
    assert free_slots(calendar, whole, timedelta(hours=1)) == [Interval(at(11, 30), at(17))]
    assert open_intervals(full, whole) == [Interval(at(9), at(17))]


@pytest.mark.requirement("BK-01", "BK-09")
def test_a_retired_room_is_closed_all_day() -> None:
    calendar = RoomCalendar(room("Asia/Tokyo", active=False), ())
    plan = plan_day(calendar, date(2026, 4, 1))
    assert (plan.free, [busy.kind for busy in plan.busy]) == ((), [BusyKind.CLOSURE])


def test_a_day_that_the_zone_skipped_has_neither() -> None:
    plan = plan_day(RoomCalendar(room("Pacific/Apia"), ()), date(2011, 12, 30))
    assert (plan.free, plan.busy) == ((), ())


@given(st.integers(0, 240), st.integers(0, 240), st.integers(-20, 20))
def test_what_is_not_needed_has_no_say(before: int, after: int, first: int) -> None:
    """A holding outside `needed` leaves the window as free as it is without it."""
    window = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 1, 4, tzinfo=UTC))
    made = room("Asia/Tokyo", before, after)
    held = Interval(window.starts_at + first * GRID, window.starts_at + (first + 1) * GRID)
    holding = Holding(held, held.widened(timedelta(minutes=after), timedelta(minutes=before)))
    if not holding.occupied.overlaps(needed(window)):
        assert free_intervals(RoomCalendar(made, (holding,)), window) == free_intervals(RoomCalendar(made, ()), window)
