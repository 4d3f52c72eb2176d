"""Calendar feeds: as a transaction changes them, as they are read, and how they are written down."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from yoyaku.booking.domain.calendar_feed import CalendarFeed
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Role
from yoyaku.booking.domain.reservation import ReservationStatus
from yoyaku.contracts.envelope import Event

NewSecret: TypeAlias = Callable[[], str]
"""256 fresh random bits as 43 letters, digits, - and _."""


@dataclass(frozen=True, slots=True)
class OpenFeed:
    """A feed as its address finds it: with the role of its owner, and with the room's name when it shows a room."""

    feed: CalendarFeed
    role: Role
    room_name: str | None
    site: str | None


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A reservation as a feed shows it; `title` is None where it must not be seen."""

    reservation_id: UUID
    interval: Interval
    title: str | None
    status: ReservationStatus
    version: int
    changed_at: datetime
    room_name: str
    site: str
    time_zone: str


class CalendarFeeds(Protocol):
    """The feeds, inside a transaction."""

    async def lock_count(self, person_id: UUID) -> int:
        """Count the feeds of a person; others who ask for the same person wait until the transaction ends."""

    async def add(self, feed: CalendarFeed, secret_digest: bytes) -> None:
        """Store a feed under the digest of its secret. Raises RoomNotFoundError."""

    async def remove(self, feed_id: UUID, person_id: UUID) -> CalendarFeed | None:
        """Delete a feed of the person and return it; None when the person has none of this id."""


class CalendarTransaction(Protocol):
    """One transaction on feeds."""

    @property
    def feeds(self) -> CalendarFeeds:
        """The feeds."""

    def emit(self, event: Event, *, subject: str, actor: str, client_address: str | None) -> None:
        """Record a fact; it is published after the commit and only then."""


class CalendarTransactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractAsyncContextManager[CalendarTransaction]:
        """Open one; it commits when the block ends well and rolls back when it raises."""


class CalendarReads(Protocol):
    """Reads about feeds outside any transaction."""

    async def feeds(self, person_id: UUID) -> Sequence[CalendarFeed]:
        """List the feeds of a person, oldest first."""

    async def open_feed(self, secret_digest: bytes) -> OpenFeed | None:
        """Find the feed of a secret, unless its owner is disabled."""

    async def events(self, feed: CalendarFeed, window: Interval, cancelled_since: datetime) -> Sequence[FeedEvent]:
        """List what a feed shows of a window, by start and id, `EVENTS_LIMIT` at most."""
