"""Sets of event numbers as intervals: a million missing numbers in a row are as small as one.

Invariant: the intervals of a set are ascending, apart from each other by at least one number, and never empty, so that
equal sets are equal values.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self


class Interval(NamedTuple):
    """The numbers from `first` to `last`, both included; `last` is not below `first`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set of numbers. Make it by `of`, never from intervals that may touch."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> Self:
        """Return the union of intervals (first, last); those with `last` below `first` hold nothing."""
        merged: list[Interval] = []
        for first, last in sorted(pair for pair in intervals if pair[0] <= pair[1]):
            if merged and first <= merged[-1].last + 1:
                merged[-1] = Interval(merged[-1].first, max(merged[-1].last, last))
            else:
                merged.append(Interval(first, last))
        return cls(tuple(merged))

    @property
    def count(self) -> int:
        """Say how many numbers there are."""
        return sum(last - first + 1 for first, last in self.intervals)

    @property
    def first(self) -> int:
        """Return the smallest number. IndexError when there is none."""
        return self.intervals[0].first

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __iter__(self) -> Iterator[Interval]:
        return iter(self.intervals)

    def __or__(self, other: "Numbers") -> "Numbers":
        return Numbers.of((*self.intervals, *other.intervals))

    def __and__(self, other: "Numbers") -> "Numbers":
        return self - (self - other)

    def __sub__(self, other: "Numbers") -> "Numbers":
        left: list[tuple[int, int]] = []
        taken = iter(other.intervals)
        hole = next(taken, None)
        for first, last in self.intervals:
            begin = first
            while hole is not None and hole.first <= last:
                left.append((begin, hole.first - 1))
                begin = max(begin, hole.last + 1)
                if hole.last > last:
                    break
                hole = next(taken, None)
            left.append((begin, last))
        return Numbers.of(left)

    def up_to(self, last: int) -> "Numbers":
        """Return those that are not above `last`."""
        return Numbers.of((interval.first, min(interval.last, last)) for interval in self.intervals)
