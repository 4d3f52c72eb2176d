"""When a room is free, and what keeps it busy: pure functions over what was read.

Invariant: free and busy partition the time asked about, and what is free can be booked, buffers of both sides counted.
The booking window is not part of it: it depends on who asks when, not on the room.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import GRID, Interval, is_on_grid
from yoyaku.booking.domain.intervals import difference, overlap, union
from yoyaku.booking.domain.local_time import day_interval
from yoyaku.booking.domain.room import BUFFER_LIMIT, Room

DAYS_LIMIT: Final = 31
"""How many days may be asked about at once."""
_MARGIN: Final = timedelta(hours=1)
"""How far around a day is looked, so that midnight does not cut what lies across it before it is on the grid."""


class BusyKind(StrEnum):
    """Why a room cannot be booked for a time."""

    RESERVATION = "reservation"
    """Somebody has it."""
    BUFFER = "buffer"
    """Too near a reservation: the buffers of both, or less than a step of the grid is left."""
    CLOSURE = "closure"
    """It is closed, or retired."""
    OUTSIDE_HOURS = "outside-hours"
    """It is not open."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A live reservation, as the room is held for it. `occupied` is its interval plus its buffers as booked."""

    interval: Interval
    occupied: Interval


@dataclass(frozen=True, slots=True)
class Busy:
    """Not to be booked, and why."""

    interval: Interval
    kind: BusyKind


@dataclass(frozen=True, slots=True)
class RoomCalendar:
    """A room and what keeps it busy over a window: every holding that touches `needed` of it, and every closure."""

    room: Room
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A local day of a room: free and busy partition it, both sorted. A day that the zone skipped has neither."""

    date: date
    free: tuple[Interval, ...]
    busy: tuple[Busy, ...]


def needed(window: Interval) -> Interval:
    """Return the window in which holdings have a say: buffers reach that far. Raises OverflowError at year 1, 9999."""
    return window.widened(BUFFER_LIMIT + _MARGIN, BUFFER_LIMIT + _MARGIN)


def open_intervals(room: Room, window: Interval) -> list[Interval]:
    """Return when the room is open within the window: its hours without its closures; never, when it is retired."""
    if not room.active:
        return []
    return difference(overlap(_hours(room, window), [window]), _closed(room, window))


def free_intervals(calendar: RoomCalendar, window: Interval) -> list[Interval]:
    """Return where a new booking may lie within the window, buffers of both sides counted.

    Both ends stand on the grid of the room's clock: every booking on the grid inside, of at most 8 hours, is accepted.
    """
    room = calendar.room
    reach = needed(window)
    kept = union(_kept(holding, room) for holding in calendar.holdings if holding.occupied.overlaps(reach))
    zone = room.zone
    trimmed = (_on_grid(interval, zone) for interval in difference(open_intervals(room, window), kept))
    return [interval for interval in trimmed if interval is not None]


def free_slots(calendar: RoomCalendar, window: Interval, duration: timedelta) -> list[Interval]:
    """Return the free intervals that hold a booking of that length: start one at the start, or any step later."""
    return [interval for interval in free_intervals(calendar, window) if interval.duration >= duration]


def plan_day(calendar: RoomCalendar, day: date) -> DayPlan:
    """Say what is free and what is busy on a local day of the room. Raises OverflowError at year 1 and 9999."""
    room = calendar.room
    whole = day_interval(day, room.zone)
    if whole is None:
        return DayPlan(day, (), ())
    free = overlap(free_intervals(calendar, whole.widened(_MARGIN, _MARGIN)), [whole])
    return DayPlan(day, tuple(free), tuple(_explained(calendar, whole, difference([whole], free))))


def _hours(room: Room, window: Interval) -> list[Interval]:
    return [window] if room.opening_hours is None else room.opening_hours.intervals(window, room.zone)


def _closed(room: Room, window: Interval) -> list[Interval]:
    return union(closure.interval for closure in room.closures if closure.interval.overlaps(window))


def _kept(holding: Holding, room: Room) -> Interval:
    """Return where no new interval may reach: its own buffers must not touch what is occupied."""
    return holding.occupied.widened(room.buffer_after, room.buffer_before)


def _explained(calendar: RoomCalendar, whole: Interval, busy: list[Interval]) -> list[Busy]:
    """Cut what is busy by what keeps it so; the first of reservation, closure, hours, buffer has its say."""
    room = calendar.room
    causes = (
        (BusyKind.RESERVATION, union(one.interval for one in calendar.holdings if one.interval.overlaps(whole))),
        (BusyKind.CLOSURE, _closed(room, whole) if room.active else [whole]),
        (BusyKind.OUTSIDE_HOURS, difference([whole], _hours(room, whole))),
        (BusyKind.BUFFER, [whole]),
    )
    explained: list[Busy] = []
    for kind, covered in causes:
        explained += [Busy(part, kind) for part in overlap(busy, covered)]
        busy = difference(busy, covered)
    return sorted(explained, key=lambda one: one.interval)


def _on_grid(interval: Interval, zone: ZoneInfo) -> Interval | None:
    starts_at = _step(interval.starts_at, zone, forward=True)
    ends_at = _step(interval.ends_at, zone, forward=False)
    return Interval(starts_at, ends_at) if starts_at < ends_at else None


def _step(instant: datetime, zone: ZoneInfo, *, forward: bool) -> datetime:
    """Return the nearest instant on the grid, not before or not after the given one."""
    if is_on_grid(instant, zone):
        return instant
    local = instant.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) % GRID
    return instant.astimezone(UTC) + ((GRID - past) if forward else -past)
