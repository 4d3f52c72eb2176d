"""What is near to what was wanted; everything found can be booked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.alternative import AlternativeKind
from yoyaku.booking.domain.availability import Holding, RoomCalendar
from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.nearby import chosen, day_around, like_rooms, other_times, without
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.room import Room

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = datetime(2030, 3, 4, tzinfo=UTC)
HALF = timedelta(minutes=30)
ROOM = Room(1, "Fuji", "Tokyo", 8, "UTC", (), 0, 30, active=True, version=1, created_at=NOW)
POLICY = BookingPolicy()


def at(start: float, end: float) -> Interval:
    return Interval(DAY + timedelta(hours=start), DAY + timedelta(hours=end))


def calendar(*held: Interval, room: Room = ROOM) -> RoomCalendar:
    return RoomCalendar(room, tuple(Holding(interval, room.occupied_by(interval)) for interval in held))


def found(wanted: Interval, *held: Interval, room: Room = ROOM, now: datetime = NOW) -> list[Interval]:
    window = day_around(room, wanted, now)
    assert window is not None
    return other_times(calendar(*held, room=room), window, wanted, POLICY, now)


@pytest.mark.requirement("BK-03")
def test_the_nearest_before_and_after() -> None:
    assert found(at(9, 10), at(9, 10)) == [at(7.5, 8.5), at(10.5, 11.5)]
    assert found(at(9, 10), at(9, 10), at(10.5, 12)) == [at(7.5, 8.5), at(12.5, 13.5)]
    assert found(at(9, 10), at(9, 10), at(6, 8)) == [at(4.5, 5.5), at(10.5, 11.5)]
    assert found(at(9, 10)) == [at(9, 10), at(9.5, 10.5)]
    assert found(at(9, 17), at(12, 13), at(3, 5)) == [at(13.5, 21.5)]


@pytest.mark.requirement("BK-03")
def test_of_the_same_local_day_and_not_in_the_past() -> None:
    tokyo = replace(ROOM, time_zone="Asia/Tokyo")
    assert found(at(15, 16), at(15, 16), room=tokyo) == [at(16.5, 17.5)]
    assert found(at(14, 15), at(14, 15), room=tokyo) == [at(12.5, 13.5)]
    late = DAY + timedelta(hours=8, minutes=10)
    assert found(at(9, 10), at(9.5, 10), now=late) == [at(10.5, 11.5)]
    assert found(at(7, 8), at(7.5, 8), now=late) == [at(8.5, 9.5)]


@pytest.mark.requirement("BK-05")
def test_what_moves_does_not_stand_in_its_own_way() -> None:
    busy = calendar(at(9, 10), at(10.5, 11))
    window = day_around(ROOM, at(10, 11), NOW)
    assert window is not None
    assert other_times(without(busy, at(9, 10)), window, at(10, 11), POLICY, NOW)[0] == at(9, 10)


@pytest.mark.requirement("BK-03")
def test_like_rooms_by_the_seats_they_waste() -> None:
    wanted = at(9, 10)
    closed = replace(ROOM, id=4, closures=(Closure(UUID(int=1), at(0, 24), "paint"),))
    rooms = [replace(ROOM, id=2, capacity=20), replace(ROOM, id=3, capacity=10), closed, ROOM]
    fitting = like_rooms(rooms, ROOM, wanted, POLICY, NOW)
    assert [room.id for room in fitting] == [3, 2]
    both = chosen(ROOM, [at(8, 9), at(11, 12)], fitting, wanted)
    assert [(one.room_id, one.kind) for one in both] == [
        (1, AlternativeKind.SAME_ROOM), (1, AlternativeKind.SAME_ROOM), (3, AlternativeKind.LIKE_ROOM),
    ]  # fmt: skip


halves = st.integers(0, 47)


@pytest.mark.requirement("BK-03")
@given(
    held=st.lists(st.tuples(halves, st.integers(1, 6)), max_size=12),
    wanted=st.tuples(halves, st.integers(1, 16)),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe"]),
    buffers=st.tuples(st.sampled_from([0, 10, 30]), st.sampled_from([0, 15])),
)
def test_what_is_found_is_free_and_by_the_rules(
    held: list[tuple[int, int]], wanted: tuple[int, int], zone: str, buffers: tuple[int, int]
) -> None:
    room = replace(ROOM, time_zone=zone, buffer_before_minutes=buffers[0], buffer_after_minutes=buffers[1])
    day = datetime(2030, 3, 31, tzinfo=room.zone).astimezone(UTC)
    intervals = [Interval(day + start * HALF, day + (start + length) * HALF) for start, length in held]
    asked = Interval(day + wanted[0] * HALF, day + sum(wanted) * HALF)
    for interval in found(asked, *intervals, room=room):
        assert interval.duration == asked.duration
        assert POLICY.judge(interval.starts_at, interval.ends_at, room, NOW) == interval
        assert not any(room.occupied_by(interval).overlaps(room.occupied_by(other)) for other in intervals)
