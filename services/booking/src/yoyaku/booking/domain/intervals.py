"""The algebra of many intervals: union, overlap, difference, clip, complement.

Invariant: what is returned is tidy: sorted, and no two of it overlap or touch.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from yoyaku.booking.domain.interval import Interval


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return what any of them covers; those that touch become one."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=_start):
        if merged and interval.starts_at <= merged[-1].ends_at:
            if interval.ends_at > merged[-1].ends_at:
                merged[-1] = Interval(merged[-1].starts_at, interval.ends_at)
        else:
            merged.append(interval)
    return merged


def overlap(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return what both cover; both are tidy."""
    found = []
    first = second = 0
    while first < len(left) and second < len(right):
        one, other = left[first], right[second]
        starts_at, ends_at = max(one.starts_at, other.starts_at), min(one.ends_at, other.ends_at)
        if starts_at < ends_at:
            found.append(Interval(starts_at, ends_at))
        if one.ends_at <= other.ends_at:
            first += 1
        else:
            second += 1
    return found


def difference(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return what the left covers and the right does not; both are tidy."""
    found = []
    index = 0
    for interval in left:
        position = interval.starts_at
        while index < len(right) and right[index].ends_at <= position:
            index += 1
        ahead = index
        while ahead < len(right) and right[ahead].starts_at < interval.ends_at:
            if position < right[ahead].starts_at:
                found.append(Interval(position, right[ahead].starts_at))
            position = right[ahead].ends_at
            ahead += 1
        if position < interval.ends_at:
            found.append(Interval(position, interval.ends_at))
    return found


def clip(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return what the union of them covers of the window."""
    return overlap(union(intervals), [window])


def complement(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return what none of them covers of the window."""
    return difference([window], union(intervals))


def _start(interval: Interval) -> datetime:
    return interval.starts_at
