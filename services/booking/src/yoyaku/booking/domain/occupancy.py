"""How much of today is booked: of the time that rooms are open, the share that is reserved.

Invariant: a share lies between 0 and 1. What is booked outside the hours that the room has today (they were changed
since) counts on neither side.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from yoyaku.booking.domain.availability import open_intervals
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.intervals import overlap, union
from yoyaku.booking.domain.local_time import day_interval
from yoyaku.booking.domain.room import Room

OTHER: Final = "other"
"""What is beyond the number of names that are told apart."""


@dataclass(frozen=True, slots=True)
class RoomDay:
    """A room's today: how long it is open, and how much of that is booked."""

    site: str
    room: str
    open: timedelta
    booked: timedelta


def room_day(room: Room, reserved: Iterable[Interval], now: datetime) -> RoomDay:
    """Measure the day that the room's own clock shows now."""
    today = day_interval(now.astimezone(room.zone).date(), room.zone)
    hours = open_intervals(room, today) if today is not None else []
    return RoomDay(room.site, f"{room.site}/{room.name}", _length(hours), _length(overlap(union(reserved), hours)))


def shares(days: Sequence[RoomDay], name: Callable[[RoomDay], str], *, limit: int) -> dict[str, float]:
    """Return the booked share by name; names beyond the limit, in the order of the days, are one, `other`.

    What is not open at all today has no share.
    """
    sums: dict[str, tuple[timedelta, timedelta]] = defaultdict(lambda: (timedelta(), timedelta()))
    for day in days:
        named = name(day)
        if named not in sums and len(sums.keys() - {OTHER}) >= limit:
            named = OTHER
        open_, booked = sums[named]
        sums[named] = open_ + day.open, booked + day.booked
    return {named: booked / open_ for named, (open_, booked) in sums.items() if open_}


def _length(intervals: Iterable[Interval]) -> timedelta:
    return sum((interval.duration for interval in intervals), timedelta())
