"""A meeting room and what is fixed about it.

Invariant: `version` grows with each change of anything a booking is judged by, closures included, so that a copy can be
checked for age.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import RoomAlreadyRetiredError, RoomNotRetiredError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import OpeningHours
from yoyaku.booking.domain.visible_text import visible_text

NAME_LENGTH: Final = 100
CAPACITY_LIMIT: Final = 10_000
FEATURES_LIMIT: Final = 50
BUFFER_LIMIT_MINUTES: Final = 240
BUFFER_LIMIT: Final = timedelta(minutes=BUFFER_LIMIT_MINUTES)


@dataclass(frozen=True, slots=True)
class Retirement:
    """Since when a room takes no bookings any more, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class NewRoom:
    """What an ADMIN says about a room. Buffers are minutes kept free around each reservation.

    Without opening hours it is always open.
    """

    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...] = ()
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    opening_hours: OpeningHours | None = None

    def tidied(self) -> "NewRoom":
        """Return it without invisible text, features sorted and unique. Raises RuleBrokenError naming what is wrong."""
        tidy = replace(
            self,
            name=visible_text(self.name),
            site=visible_text(self.site),
            features=tuple(sorted({visible_text(feature) for feature in self.features})),
        )
        broken = tidy.broken_rules()
        if broken:
            raise RuleBrokenError(broken)
        return tidy

    def broken_rules(self) -> list[Violation]:
        """Name what is wrong with it."""
        texts = (("name", self.name), ("site", self.site))
        broken = [Violation(field, "blank") for field, text in texts if not visible_text(text)]
        if self.time_zone not in _time_zones():
            broken.append(Violation("time_zone", "unknown-time-zone"))
        if not all(visible_text(feature) for feature in self.features):
            broken.append(Violation("features", "blank"))
        return broken


@dataclass(frozen=True, slots=True)
class Room:
    """A room of one site.

    `closures` are those that whoever read the room asked for. By default that is enough to judge a booking by: those
    not over, and those over only just.
    """

    id: int
    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...]
    buffer_before_minutes: int
    buffer_after_minutes: int
    active: bool
    version: int
    created_at: datetime
    opening_hours: OpeningHours | None = None
    closures: tuple[Closure, ...] = ()
    retirement: Retirement | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The room's own clock."""
        return ZoneInfo(self.time_zone)

    @property
    def buffer_before(self) -> timedelta:
        """How long before a reservation the room is kept free."""
        return timedelta(minutes=self.buffer_before_minutes)

    @property
    def buffer_after(self) -> timedelta:
        """How long after a reservation the room is kept free."""
        return timedelta(minutes=self.buffer_after_minutes)

    def occupied_by(self, interval: Interval) -> Interval:
        """Return what a reservation keeps of the room: its interval and the buffers."""
        return interval.widened(self.buffer_before, self.buffer_after)

    @property
    def facts(self) -> NewRoom:
        """What was said about it."""
        return NewRoom(
            name=self.name,
            site=self.site,
            capacity=self.capacity,
            time_zone=self.time_zone,
            features=self.features,
            buffer_before_minutes=self.buffer_before_minutes,
            buffer_after_minutes=self.buffer_after_minutes,
            opening_hours=self.opening_hours,
        )

    def changed(self, facts: NewRoom) -> "Room":
        """Return the room as it is after an ADMIN said that, one version on."""
        return replace(
            self,
            name=facts.name,
            site=facts.site,
            capacity=facts.capacity,
            time_zone=facts.time_zone,
            features=facts.features,
            buffer_before_minutes=facts.buffer_before_minutes,
            buffer_after_minutes=facts.buffer_after_minutes,
            opening_hours=facts.opening_hours,
            version=self.version + 1,
        )

    def retired(self, at: datetime, reason: str) -> "Room":
        """Return the room as it is when it takes no bookings any more. Raises RoomAlreadyRetiredError."""
        if not self.active:
            raise RoomAlreadyRetiredError
        return replace(self, active=False, version=self.version + 1, retirement=Retirement(at, reason))

    def reinstated(self) -> "Room":
        """Return the room as it is when it takes bookings again. Raises RoomNotRetiredError."""
        if self.active:
            raise RoomNotRetiredError
        return replace(self, active=True, version=self.version + 1, retirement=None)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")
