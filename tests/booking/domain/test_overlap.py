from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.overlap import overlapping

START = datetime(2026, 4, 1, tzinfo=UTC)
intervals = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(
    lambda pair: Interval(START + timedelta(hours=pair[0]), START + timedelta(hours=sum(pair)))
)


@pytest.mark.requirement("BK-03")
@given(st.lists(intervals, max_size=12))
def test_what_is_left_overlaps_nowhere_and_each_rival_is_real(given_intervals: list[Interval]) -> None:
    pairs = overlapping((interval, index) for index, interval in enumerate(given_intervals))
    out = {second for _, second in pairs}
    assert len(out) == len(pairs)
    assert all(given_intervals[first].overlaps(given_intervals[second]) for first, second in pairs)
    assert not out & {first for first, _ in pairs}
    left = [interval for index, interval in enumerate(given_intervals) if index not in out]
    assert not any(a.overlaps(b) for i, a in enumerate(left) for b in left[i + 1 :])
