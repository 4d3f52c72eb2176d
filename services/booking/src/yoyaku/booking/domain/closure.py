"""A time in which a room takes no bookings, and why.

Invariant: a closure is a half-open interval on the grid of the room's clock as it was when it was made.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.interval import GRID, YEARS, Interval, is_on_grid
from yoyaku.booking.domain.local_time import first_instant, last_instant
from yoyaku.booking.domain.visible_text import visible_text

REASON_LENGTH: Final = 500
CLOSURES_LIMIT: Final = 500
"""How many closures of a room may be ahead: every worker carries them with the room."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A room is closed over the interval. `reason` is at most `REASON_LENGTH` characters."""

    id: UUID
    interval: Interval
    reason: str


def closed_between(starts_at: datetime, ends_at: datetime, zone: ZoneInfo, reason: str, now: datetime) -> Interval:
    """Return the interval to close, in UTC. Raises RuleBrokenError naming every broken rule."""
    broken = _blank(reason) + [
        Violation(name, "absurd-time", {"max_year": YEARS[-1]})
        for name, at in (("starts_at", starts_at), ("ends_at", ends_at))
        if at.year not in YEARS
    ]
    if broken:
        raise RuleBrokenError(broken)
    broken = [
        Violation(name, "off-grid", {"grid_minutes": int(GRID.total_seconds() // 60)})
        for name, at in (("starts_at", starts_at), ("ends_at", ends_at))
        if not is_on_grid(at, zone)
    ]
    if ends_at <= starts_at:
        broken.append(Violation("ends_at", "not-after-start"))
    elif ends_at <= now:
        broken.append(Violation("ends_at", "already-over"))
    if broken:
        raise RuleBrokenError(broken)
    return Interval(starts_at.astimezone(UTC), ends_at.astimezone(UTC))


def closed_on_days(first: date, last: date, zone: ZoneInfo, reason: str, now: datetime) -> Interval:
    """Return the local days to close, the last included, in UTC. Raises RuleBrokenError naming every broken rule."""
    broken = _blank(reason) + [
        Violation(name, "absurd-time", {"max_year": YEARS[-1]})
        for name, day in (("first_date", first), ("last_date", last))
        if day.year not in YEARS
    ]
    if not broken and last < first:
        broken.append(Violation("last_date", "not-after-start"))
    if broken:
        raise RuleBrokenError(broken)
    starts_at, ends_at = first_instant(first, 0, zone), last_instant(last, 24 * 60, zone)
    if ends_at <= max(starts_at, now):
        raise RuleBrokenError([Violation("last_date", "already-over")])
    return Interval(starts_at, ends_at)


def _blank(reason: str) -> list[Violation]:
    return [] if visible_text(reason) else [Violation("reason", "blank")]
