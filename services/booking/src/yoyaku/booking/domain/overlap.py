"""Which of many intervals stand in each other's way: one pass over them in order of their starts."""

from collections.abc import Iterable
from typing import TypeVar

from yoyaku.booking.domain.interval import Interval

Item = TypeVar("Item")


def overlapping(items: Iterable[tuple[Interval, Item]]) -> list[tuple[Item, Item]]:
    """Pair each item with the first one, by start, that holds its time already; items without a rival are left out.

    Every item that would have to go is the second of exactly one pair: what remains overlaps nowhere. Items of equal
    intervals keep the order given.
    """
    pairs: list[tuple[Item, Item]] = []
    kept: tuple[Interval, Item] | None = None
    for interval, item in sorted(items, key=lambda entry: (entry[0].starts_at, entry[0].ends_at)):
        if kept is not None and kept[0].overlaps(interval):
            pairs.append((kept[1], item))
        else:
            kept = (interval, item)
    return pairs
