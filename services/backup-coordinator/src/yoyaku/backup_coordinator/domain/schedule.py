"""When a scheduled run is due, after downtime too.

Invariant: however long the coordinator was away, and whatever the clock did, one missed stretch of the schedule asks
for one run, the newest of it; a moment that was dealt with never asks again. All times are aware UTC.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

NextFire = Callable[[datetime], datetime | None]
"""The first moment of the schedule strictly after the one given."""

_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOKBACKS: Final = (timedelta(hours=2), timedelta(days=2), timedelta(days=70), None)
"""Tried in turn, so that finding the newest missed moment costs little after years of downtime, too."""


class ScheduleError(ValueError):
    """A schedule cannot be kept; the text says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. `due`: the moment to take a run for; `next_at`: when to look again at the latest."""

    due: datetime | None
    next_at: datetime | None


def decide(kept_until: datetime, now: datetime, next_fire: NextFire) -> Decision:
    """Say which moment of the schedule is due.

    `kept_until`: every moment up to this one was dealt with; one in the future (the clock was set back) counts as now.
    Of several missed moments only the newest is due.
    """
    since = min(kept_until, now)
    for lookback in _LOOKBACKS:
        start = max(since, now - lookback) if lookback is not None else since
        due: datetime | None = None
        upcoming = next_fire(start)
        while upcoming is not None and upcoming <= now:
            due = upcoming
            upcoming = next_fire(due)
        if due is not None or start == since:
            return Decision(due, upcoming)
    raise AssertionError("the last lookback reaches as far as it has to")


def crontab_fields(expression: str) -> dict[str, str]:
    """Read a crontab line of five fields into minute, hour, day, month and day_of_week with weekdays by name.

    Crontab counts weekdays from Sunday = 0 (or 7), other schedulers from Monday = 0: names leave no doubt. A line that
    limits both day of month and weekday is refused, because crontab joins the two by "or" and others by "and".
    Raises ScheduleError.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ScheduleError(f"a schedule has five fields (minute hour day month weekday), this has {len(fields)}")
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise ScheduleError("a schedule limits the day of the month or the weekday, not both")
    return {"minute": minute, "hour": hour, "day": day, "month": month, "day_of_week": _named_weekdays(weekday)}


def _named_weekdays(field: str) -> str:
    def name(match: re.Match[str]) -> str:
        number = int(match.group())
        if number >= len(_WEEKDAYS):
            raise ScheduleError(f"weekday {number} does not exist: Sunday is 0 or 7")
        return _WEEKDAYS[number]

    if "/" in field:
        raise ScheduleError("a weekday has no steps: name the days")
    named = re.sub(r"\d+", name, field.lower())
    if named.startswith("sun-"):
        return "sun," + named.replace("sun-", "mon-", 1) if named != "sun-sun" else "*"
    return named
