"""A meeting room and what is fixed about it.

Invariant: `version` grows with each change of anything a booking is judged by, so that a copy can be checked for age.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import Interval

NAME_LENGTH: Final = 100
CAPACITY_LIMIT: Final = 10_000
FEATURES_LIMIT: Final = 50
BUFFER_LIMIT_MINUTES: Final = 240


@dataclass(frozen=True, slots=True)
class Room:
    """A room of one site. Buffers are minutes kept free around each reservation; features are sorted and unique."""

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
