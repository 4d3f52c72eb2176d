"""What may be booked instead of what was taken."""

from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.interval import Interval


class AlternativeKind(StrEnum):
    """How an alternative is like what was wanted."""

    SAME_ROOM = "same-room"
    """The room that was wanted, at another time of that day."""
    LIKE_ROOM = "like-room"
    """Another room of the site that offers at least as much, at the time that was wanted."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A room and an interval that could be booked when it was looked for."""

    room_id: int
    room_name: str
    time_zone: str
    interval: Interval
    kind: AlternativeKind

    @property
    def zone(self) -> ZoneInfo:
        """The room's own clock."""
        return ZoneInfo(self.time_zone)
