"""Show when a room is free, day by day (BK-09)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from yoyaku.booking.domain.availability import DAYS_LIMIT, DayPlan, plan_day
from yoyaku.booking.domain.errors import RoomNotFoundError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import YEARS, Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.marks import mark_of_calendar
from yoyaku.booking.usecases.ports.reads import Reads

_WIDEST_ZONE = timedelta(hours=15)


class Availability(NamedTuple):
    """A room, its days, and the mark of what they were made from."""

    room: Room
    days: Sequence[DayPlan]
    mark: str


@dataclass(frozen=True, slots=True)
class ShowAvailability:
    """Reads what is free and what is busy on days of a room's own clock."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, room_id: int, first: date, last: date) -> Availability:
        """Return the room and its days, the last included.

        Raises RuleBrokenError, RoomNotFoundError, NotPermittedError.
        """
        await self.check_permission(caller, Action.LIST_ROOMS)
        _check(first, last)
        calendar = (await self.reads.busy_of([room_id], _window(first, last))).get(room_id)
        if calendar is None:
            raise RoomNotFoundError(room_id)
        days = [plan_day(calendar, first + timedelta(days=number)) for number in range((last - first).days + 1)]
        return Availability(calendar.room, days, mark_of_calendar(calendar))

    async def mark(self, caller: Caller, room_id: int, first: date, last: date) -> str:
        """Return a text that differs when the answer would. Raises as the answer does."""
        await self.check_permission(caller, Action.LIST_ROOMS)
        _check(first, last)
        mark = await self.reads.calendar_mark(room_id, _window(first, last))
        if mark is None:
            raise RoomNotFoundError(room_id)
        return mark


def _window(first: date, last: date) -> Interval:
    """Return the days as the widest zones of the world could mean them: one query without knowing the room's zone."""
    starts_at = datetime(first.year, first.month, first.day, tzinfo=UTC) - _WIDEST_ZONE
    ends_at = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) + _WIDEST_ZONE
    return Interval(starts_at, ends_at)


def _check(first: date, last: date) -> None:
    broken = [
        Violation(name, "absurd-time", {"max_year": YEARS[-1]})
        for name, day in (("first_date", first), ("last_date", last))
        if day.year not in YEARS
    ]
    if last < first:
        broken.append(Violation("last_date", "not-after-start"))
    elif (last - first).days >= DAYS_LIMIT:
        broken.append(Violation("last_date", "too-many-days", {"max_days": DAYS_LIMIT}))
    if broken:
        raise RuleBrokenError(broken)
