"""The closures of rooms."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.closure import Closure


@dataclass(frozen=True, slots=True)
class ClosureEntry:
    """A closure of a room, with the clock of the room, and when and by whom it was made."""

    closure: Closure
    room_id: int
    time_zone: str
    created_at: datetime
    created_by: UUID

    @property
    def zone(self) -> ZoneInfo:
        """The room's own clock."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class ClosurePosition:
    """Where a page of closures ended: the next one starts right after it."""

    starts_at: datetime
    id: UUID


class Closures(Protocol):
    """The closures, inside a transaction that has locked their room and stores it one version on."""

    async def add(self, entry: ClosureEntry) -> None:
        """Store a closure."""

    async def remove(self, room_id: int, closure_id: UUID) -> bool:
        """Delete a closure of the room; say whether it was there."""

    async def count_ahead(self, room_id: int, now: datetime) -> int:
        """Count the closures of the room that are not over."""
