"""Local wall time as instants: days that have 23, 24.5 or 25 hours, times that never come and times that come twice.

Invariant: a time in a gap of the clock is the first instant after it; of one that comes twice, the first time is taken
where something opens, the last where it closes (decision 0067). A day ends where the next one begins.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import Interval

_DAY = timedelta(days=1)


def first_instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """Return when the clock of the zone first shows that minute of the day, 0 to 1439, or has passed it; UTC."""
    return _instant(datetime.combine(day, time(minute // 60, minute % 60)), zone, fold=0)


def last_instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """Return when the clock last shows that minute of the day, 1 to 1440; the day ends where the next begins."""
    if minute == 24 * 60:
        return first_instant(day + _DAY, 0, zone)
    return _instant(datetime.combine(day, time(minute // 60, minute % 60)), zone, fold=1)


def day_interval(day: date, zone: ZoneInfo) -> Interval | None:
    """Return the day by the clock of the zone; None for one that the zone skipped when it crossed the date line."""
    starts_at, ends_at = first_instant(day, 0, zone), first_instant(day + _DAY, 0, zone)
    return Interval(starts_at, ends_at) if starts_at < ends_at else None


def _instant(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    # In a gap, fold=1 takes the offset after it, which lands before it, and fold=0 the other way round (PEP 495).
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
