"""VTIMEZONE components: the changes of a clock over some years, each by its exact moment.

Invariant: a program that knows nothing but this component shows the local times that the zone database gives. The
library's own converter sets the onset of summer time an hour late, so the changes are found here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_STEP: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_A_YEAR: Final = timedelta(days=366)


@lru_cache(maxsize=512)
def zone_component(name: str, first_year: int, last_year: int) -> Timezone:
    """Return the clock of a zone from the beginning of the one year to the end of the other."""
    zone = ZoneInfo(name)
    component = Timezone()
    component.add("tzid", name)
    start, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    changes = list(_changes(start - _A_YEAR, end, zone))
    # Begin with the change that the first year found done, or with the clock as it always was.
    before = [onset for onset in changes if onset <= start]
    first = before[-1] if before else start
    for onset in [first, *(onset for onset in changes if onset > start)]:
        component.add_component(_observance(onset, zone))
    return component


def _observance(onset: datetime, zone: ZoneInfo) -> TimezoneStandard | TimezoneDaylight:
    before, after = _offset(onset - _SECOND, zone), _offset(onset, zone)
    # Summer time is what runs ahead: some zones of the database call their winter the exception.
    observance = TimezoneDaylight() if after > before else TimezoneStandard()
    # RFC 5545 3.6.5: the onset is written as the clock shows it that is about to be changed.
    observance.add("dtstart", (onset + before).replace(tzinfo=None))
    observance.add("tzoffsetfrom", before)
    observance.add("tzoffsetto", after)
    observance.add("tzname", onset.astimezone(zone).tzname() or zone.key)
    return observance


def _changes(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the first moment of each new offset."""
    moment = start
    while moment < end:
        following = moment + _STEP
        if _offset(following, zone) != _offset(moment, zone):
            yield _change_between(moment, following, zone)
        moment = following


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second of the offset that holds at `after`."""
    known = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (middle, after) if _offset(middle, zone) == known else (before, middle)
    return after


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # a zone of the database has one at every moment
    return offset
