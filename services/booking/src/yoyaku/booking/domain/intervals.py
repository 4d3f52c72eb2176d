"""The algebra of many intervals: union, complement, clip.

Invariant: what is returned is sorted, in UTC as given, and no two of it overlap or touch.
"""

from collections.abc import Iterable

from yoyaku.booking.domain.interval import Interval


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return what any of them covers; those that touch become one."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.starts_at <= merged[-1].ends_at:
            if interval.ends_at > merged[-1].ends_at:
                merged[-1] = Interval(merged[-1].starts_at, interval.ends_at)
        else:
            merged.append(interval)
    return merged


def clip(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return what the union of them covers of the window."""
    return [
        Interval(max(interval.starts_at, window.starts_at), min(interval.ends_at, window.ends_at))
        for interval in union(intervals)
        if interval.overlaps(window)
    ]


def complement(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return what none of them covers of the window."""
    free = []
    position = window.starts_at
    for interval in clip(intervals, window):
        if position < interval.starts_at:
            free.append(Interval(position, interval.starts_at))
        position = interval.ends_at
    if position < window.ends_at:
        free.append(Interval(position, window.ends_at))
    return free
