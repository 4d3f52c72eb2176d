"""When a room is open: weekly hours of local wall time, and what they are as instants.

Invariant: the spans of a day are sorted, do not overlap and stand on the grid; hours that meet at midnight are one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.errors import Violation
from yoyaku.booking.domain.interval import GRID, Interval
from yoyaku.booking.domain.intervals import union
from yoyaku.booking.domain.local_time import first_instant, last_instant

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPANS_LIMIT: Final = 12
"""How many times a day a room may open."""
_MINUTES_OF_DAY: Final = 24 * 60
_GRID_MINUTES: Final = int(GRID.total_seconds() // 60)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_ONE_DAY: Final = timedelta(days=1)


class Span(NamedTuple):
    """From one minute of a local day to another, the end not included: 0 to 1440."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The spans of each day of the week, Monday first. At least one day has one."""

    week: tuple[tuple[Span, ...], ...]

    def covers(self, starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> bool:
        """Say whether the room is open from the start to the end without a break. Times are aware, years 2 to 9998."""
        start, end = starts_at.astimezone(zone), ends_at.astimezone(zone)
        first, last = _minute(start), _minute(end)
        days = end.toordinal() - start.toordinal()
        if days == 1 and last == 0:
            days, last = 0, _MINUTES_OF_DAY
        if days == 0 and start.second == end.second == 0:
            # Holds on the nights of a clock change too: a span opens at its first instant and closes at its last.
            for span in self.week[start.weekday()]:
                if span.opens <= first and last <= span.closes:
                    return True
        around = Interval(starts_at - _ONE_DAY, ends_at + _ONE_DAY)
        return any(open_.starts_at <= starts_at and ends_at <= open_.ends_at for open_ in self.intervals(around, zone))

    def intervals(self, window: Interval, zone: ZoneInfo) -> list[Interval]:
        """List when the room is open, in UTC: every interval that touches the window, whole as far as a day beyond it.

        Hours that meet are one interval.
        """
        first = window.starts_at.astimezone(zone).date() - _ONE_DAY
        last = window.ends_at.astimezone(zone).date() + _ONE_DAY
        return [open_ for open_ in union(self._of_days(first, last, zone)) if open_.overlaps(window)]

    def _of_days(self, first: date, last: date, zone: ZoneInfo) -> Iterator[Interval]:
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            for span in self.week[day.weekday()]:
                opens, closes = first_instant(day, span.opens, zone), last_instant(day, span.closes, zone)
                if opens < closes:
                    yield Interval(opens, closes)

    def as_texts(self) -> dict[str, list[tuple[str, str]]]:
        """Return the hours as they are written: `{"mon": [("09:00", "18:00")], ...}`, every day named."""
        return {
            name: [(clock_text(span.opens), clock_text(span.closes)) for span in spans]
            for name, spans in zip(WEEKDAYS, self.week, strict=True)
        }


def read_hours(texts: Mapping[str, Sequence[tuple[str, str]]]) -> tuple[OpeningHours | None, list[Violation]]:
    """Return the hours that the texts mean, or every rule they break. A day that is not named is closed."""
    broken: list[Violation] = []
    week = tuple(tuple(_read_day(name, texts.get(name, ()), broken)) for name in WEEKDAYS)
    broken += [Violation(f"opening_hours.{name}", "unknown-field") for name in texts if name not in WEEKDAYS]
    if not broken and not any(week):
        broken.append(Violation("opening_hours", "never-open"))
    return (None, broken) if broken else (OpeningHours(week), [])


def clock_text(minute: int) -> str:
    """Write a minute of the day as `HH:MM`; the end of the day is `24:00`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _read_day(name: str, texts: Sequence[tuple[str, str]], broken: list[Violation]) -> list[Span]:
    field = f"opening_hours.{name}"
    if len(texts) > SPANS_LIMIT:
        broken.append(Violation(field, "too-many", {"max_items": SPANS_LIMIT}))
        return []
    known = len(broken)
    spans = []
    for index, (opens, closes) in enumerate(texts):
        span = Span(_read_clock(opens), _read_clock(closes))
        if min(span) < 0 or span.opens == _MINUTES_OF_DAY:
            broken.append(Violation(f"{field}.{index}", "bad-clock"))
        elif span.opens % _GRID_MINUTES or span.closes % _GRID_MINUTES:
            broken.append(Violation(f"{field}.{index}", "off-grid", {"grid_minutes": _GRID_MINUTES}))
        elif span.closes <= span.opens:
            broken.append(Violation(f"{field}.{index}", "not-after-start"))
        spans.append(span)
    spans.sort()
    if len(broken) == known and any(later.opens < earlier.closes for earlier, later in pairwise(spans)):
        broken.append(Violation(field, "overlapping-hours"))
    return spans


def _read_clock(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else -1
    return minute if minute <= _MINUTES_OF_DAY else -1


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute
