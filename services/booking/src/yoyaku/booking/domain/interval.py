"""Half-open intervals of time, and the grid they stand on.

Invariant: `starts_at < ends_at`, both aware; the end is no part of it, so neighbours touch and do not overlap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

GRID = timedelta(minutes=30)
"""Reservations start and end on this grid of the room's own clock."""
YEARS: Final = range(1973, 9999)
"""From when every zone is whole minutes from UTC, as RFC 3339 needs (Monrovia came last, in January 1972), to where the
calendar leaves room for buffers and time zones."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """`[starts_at, ends_at)`. Raises ValueError for naive times and for an end that is not after the start."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.utcoffset() is None or self.ends_at.utcoffset() is None:
            raise ValueError("an interval needs aware times")
        if self.ends_at <= self.starts_at:
            raise ValueError("an interval ends after it starts")

    @property
    def duration(self) -> timedelta:
        """The elapsed time, which on the night of a clock change differs from what the wall clock shows."""
        return self.ends_at.astimezone(UTC) - self.starts_at.astimezone(UTC)

    def overlaps(self, other: Self) -> bool:
        """Say whether the two share an instant; touching ends do not count."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def contains(self, instant: datetime) -> bool:
        """Say whether the instant lies inside; the end does not."""
        return self.starts_at <= instant < self.ends_at

    def widened(self, before: timedelta, after: timedelta) -> Self:
        """Return the interval with buffers added on both sides. Raises OverflowError outside the years 1 to 9999."""
        return type(self)(self.starts_at - before, self.ends_at + after)


def is_on_grid(instant: datetime, zone: ZoneInfo) -> bool:
    """Say whether the wall clock of the zone shows a full or a half hour at that instant."""
    local = instant.astimezone(zone)
    minutes = int(GRID.total_seconds() // 60)
    return local.minute % minutes == 0 and local.second == 0 and local.microsecond == 0
