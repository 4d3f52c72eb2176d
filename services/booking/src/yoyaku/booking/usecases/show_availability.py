"""Show when a room is free, day by day (BK-09)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from yoyaku.booking.domain.availability import DAYS_LIMIT, DayPlan, plan_day
from yoyaku.booking.domain.errors import RoomNotFoundError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import YEARS, Interval
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads

_WIDEST_ZONE = timedelta(hours=15)


@dataclass(frozen=True, slots=True)
class ShowAvailability:
    """Reads what is free and what is busy on days of a room's own clock."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, room_id: int, first: date, last: date) -> tuple[Room, Sequence[DayPlan]]:
        """Return the room and its days, the last included.

        Raises RuleBrokenError, RoomNotFoundError, NotPermittedError.
        """
        await self.check_permission(caller, Action.LIST_ROOMS)
        _check(first, last)
        # One query without knowing the room's zone: the days as the widest zones of the world could mean them.
        starts_at = datetime(first.year, first.month, first.day, tzinfo=UTC) - _WIDEST_ZONE
        ends_at = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) + _WIDEST_ZONE
        calendar = (await self.reads.busy_of([room_id], Interval(starts_at, ends_at))).get(room_id)
        if calendar is None:
            raise RoomNotFoundError(room_id)
        days = (last - first).days + 1
        return calendar.room, [plan_day(calendar, first + timedelta(days=number)) for number in range(days)]


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
