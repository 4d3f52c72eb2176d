from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.interval import Interval, is_on_grid

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
intervals = st.builds(
    lambda start, length: Interval(
        EPOCH + timedelta(minutes=30 * start), EPOCH + timedelta(minutes=30 * (start + length))
    ),
    st.integers(0, 60),
    st.integers(1, 16),
)


@pytest.mark.requirement("BK-02")
@given(intervals, intervals)
def test_overlap_is_what_both_hold(one: Interval, other: Interval) -> None:
    ticks = [EPOCH + timedelta(minutes=30 * n) for n in range(80)]
    shared = any(one.contains(tick) and other.contains(tick) for tick in ticks)
    assert one.overlaps(other) == other.overlaps(one) == shared


@pytest.mark.requirement("BK-02")
@given(intervals)
def test_neighbours_touch_without_overlapping(one: Interval) -> None:
    after = Interval(one.ends_at, one.ends_at + timedelta(hours=1))
    assert not one.overlaps(after)
    assert not one.contains(one.ends_at)


@pytest.mark.requirement("BK-03")
@given(intervals, st.integers(0, 8), st.integers(0, 8))
def test_buffers_widen(one: Interval, before: int, after: int) -> None:
    wide = one.widened(timedelta(minutes=30 * before), timedelta(minutes=30 * after))
    assert wide.duration == one.duration + timedelta(minutes=30 * (before + after))
    assert wide.starts_at <= one.starts_at
    assert one.ends_at <= wide.ends_at


def test_an_interval_ends_after_it_starts_and_knows_its_zone() -> None:
    with pytest.raises(ValueError, match="ends after"):
        Interval(EPOCH, EPOCH)
    with pytest.raises(ValueError, match="aware"):
        Interval(EPOCH.replace(tzinfo=None), EPOCH)


@pytest.mark.requirement("BK-02")
@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("Asia/Tokyo", "2030-01-01T00:30:00+00:00", True),
        ("Asia/Kolkata", "2030-01-01T03:30:00+00:00", True),
        ("Asia/Kathmandu", "2030-01-01T03:15:00+00:00", True),
        ("Asia/Kathmandu", "2030-01-01T03:30:00+00:00", False),
        ("Australia/Lord_Howe", "2030-07-01T00:30:00+00:00", True),
        ("UTC", "2030-01-01T00:30:01+00:00", False),
    ],
)
def test_the_grid_is_the_rooms_own_clock(zone: str, moment: str, expected: bool) -> None:
    assert is_on_grid(datetime.fromisoformat(moment), ZoneInfo(zone)) is expected
