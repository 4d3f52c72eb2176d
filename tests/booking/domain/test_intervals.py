"""The algebra, against sets of half hours."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.intervals import clip, complement, difference, overlap, union

START = datetime(2030, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
SIZE = 60


def interval(first: int, length: int) -> Interval:
    return Interval(START + first * STEP, START + (first + length) * STEP)


INTERVALS = st.builds(interval, st.integers(0, SIZE), st.integers(1, 12))
LISTS = st.lists(INTERVALS, max_size=8)


def steps(intervals: list[Interval]) -> set[int]:
    return {n for n in range(-1, SIZE + 20) for each in intervals if each.contains(START + n * STEP)}


def is_tidy(intervals: list[Interval]) -> bool:
    return all(earlier.ends_at < later.starts_at for earlier, later in pairwise(intervals))


@pytest.mark.requirement("BK-09")
@given(LISTS)
def test_union(intervals: list[Interval]) -> None:
    joined = union(intervals)
    assert is_tidy(joined)
    assert steps(joined) == steps(intervals)
    assert union(joined) == joined == union(reversed(intervals))


@pytest.mark.requirement("BK-09")
@given(LISTS, INTERVALS)
def test_clip_and_complement_partition_the_window(intervals: list[Interval], window: Interval) -> None:
    busy, free = clip(intervals, window), complement(intervals, window)
    assert is_tidy(busy)
    assert is_tidy(free)
    assert steps(busy) == steps(intervals) & steps([window])
    assert steps(free) == steps([window]) - steps(intervals)
    assert union([*busy, *free]) == [window]
    assert complement(free, window) == busy


@pytest.mark.requirement("BK-09")
@given(LISTS, LISTS)
def test_overlap_and_difference(left: list[Interval], right: list[Interval]) -> None:
    one, other = union(left), union(right)
    both, rest = overlap(one, other), difference(one, other)
    assert is_tidy(both)
    assert is_tidy(rest)
    assert steps(both) == steps(left) & steps(right)
    assert steps(rest) == steps(left) - steps(right)
    assert union([*both, *rest]) == one
