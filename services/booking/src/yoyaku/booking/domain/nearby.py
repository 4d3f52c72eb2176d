"""What is near to what was wanted: the same room at another time of that day, a like room at that time.

Invariant: what is found satisfies every rule that a booking is judged by, at the time it was read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from yoyaku.booking.domain.alternative import Alternative, AlternativeKind
from yoyaku.booking.domain.availability import RoomCalendar, free_slots
from yoyaku.booking.domain.errors import RoomNotBookableError, RuleBrokenError
from yoyaku.booking.domain.interval import GRID, Interval
from yoyaku.booking.domain.local_time import day_interval
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.room import Room

MOST: Final = 3
"""How many alternatives are offered."""


def day_around(room: Room, wanted: Interval, now: datetime) -> Interval | None:
    """Return where to look for another time: the local day of the start, not before now; None when that is over.

    What was wanted across midnight, or in the past, widens it so far.
    """
    day = day_interval(wanted.starts_at.astimezone(room.zone).date(), room.zone)
    if day is None:
        return None
    starts_at = max(day.starts_at, min(now, wanted.starts_at))
    ends_at = max(day.ends_at, wanted.ends_at)
    return Interval(starts_at, ends_at) if starts_at < ends_at else None


def without(calendar: RoomCalendar, own: Interval | None) -> RoomCalendar:
    """Return the calendar without the holding of the reservation that is to move: it does not stand in its own way."""
    return replace(calendar, holdings=tuple(held for held in calendar.holdings if held.interval != own))


def other_times(
    calendar: RoomCalendar, window: Interval, wanted: Interval, policy: BookingPolicy, now: datetime
) -> list[Interval]:
    """Return the nearest bookable intervals of the same length: one that starts no later, and one that does."""
    starts = sorted(_starts(free_slots(calendar, window, wanted.duration), wanted))
    fitting = [
        interval
        for interval in (Interval(start, start + wanted.duration) for start in starts)
        if _is_bookable(calendar.room, interval, policy, now)
    ]
    before = [interval for interval in fitting if interval.starts_at <= wanted.starts_at]
    return before[-1:] + [interval for interval in fitting if interval.starts_at > wanted.starts_at][:1]


def like_rooms(
    rooms: Iterable[Room], wanted_room: Room, wanted: Interval, policy: BookingPolicy, now: datetime
) -> list[Room]:
    """Return the rooms that take the booking by their rules, those that waste the fewest seats first."""
    fitting = [room for room in rooms if room.id != wanted_room.id and _is_bookable(room, wanted, policy, now)]
    return sorted(fitting, key=lambda room: (room.capacity, room.id))


def chosen(same_room: Room, times: Sequence[Interval], rooms: Sequence[Room], wanted: Interval) -> list[Alternative]:
    """Return at most `MOST` alternatives: other times first, and rooms for what is left."""
    found = [_alternative(same_room, interval, AlternativeKind.SAME_ROOM) for interval in times]
    found += [_alternative(room, wanted, AlternativeKind.LIKE_ROOM) for room in rooms]
    return found[:MOST]


def _starts(free: Iterable[Interval], wanted: Interval) -> Iterator[datetime]:
    """List the starts next to the wanted one that each free interval has room for, on the grid it begins on."""
    for interval in free:
        last = (interval.ends_at - wanted.duration - interval.starts_at) // GRID
        aim = (wanted.starts_at - interval.starts_at) // GRID
        yield from {interval.starts_at + max(0, min(last, step)) * GRID for step in (aim, aim + 1)}


def _is_bookable(room: Room, interval: Interval, policy: BookingPolicy, now: datetime) -> bool:
    try:
        policy.judge(interval.starts_at, interval.ends_at, room, now)
    except (RuleBrokenError, RoomNotBookableError):
        return False
    return True


def _alternative(room: Room, interval: Interval, kind: AlternativeKind) -> Alternative:
    return Alternative(room.id, room.name, room.time_zone, interval, kind)
