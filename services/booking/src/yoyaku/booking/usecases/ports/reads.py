"""Single reads outside any transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.availability import RoomCalendar
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.session import Session
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.booking.usecases.ports.people import Credentials, PeopleFilter
from yoyaku.booking.usecases.ports.reservations import Listing, Position, Record, ReservationEntry
from yoyaku.booking.usecases.ports.rooms import RoomFilter, Site


class Reads(Protocol):
    """Single reads outside any transaction."""

    async def credentials(self, user_id: str) -> Credentials | None:
        """Find a person by user id, whatever its case."""

    async def credentials_of(self, person_id: UUID) -> Credentials | None:
        """Find a person by id, with the stored hash."""

    async def people(self, wanted: PeopleFilter, *, after: str | None, limit: int) -> Sequence[Person]:
        """List people by user id, starting after one."""

    async def sessions(self, person_id: UUID, now: datetime, *, limit: int) -> Sequence[Session]:
        """List the live sessions of a person, the last used first."""

    async def room(self, room_id: int) -> Room | None:
        """Find a room as it is now."""

    async def rooms(
        self, wanted: RoomFilter, *, after: int, limit: int, closures_in: Interval | None = None
    ) -> Sequence[Room]:
        """List the rooms that fit by id, starting after one; with the closures that touch an interval, if given."""

    async def sites(self) -> Sequence[Site]:
        """List the sites by name."""

    async def busy_of(self, room_ids: Sequence[int], window: Interval) -> Mapping[int, RoomCalendar]:
        """Read what keeps rooms busy over the window, in one query: feed `domain.availability` with it.

        Holdings and closures reach as far as `needed(window)`. A room that is not there is left out.
        """

    async def calendar_mark(self, room_id: int, window: Interval) -> str | None:
        """Return a text that differs when `busy_of` of the window would; None when there is no such room."""

    async def closures(
        self,
        room_id: int,
        *,
        since: datetime | None,
        until: datetime | None,
        after: ClosurePosition | None,
        limit: int,
    ) -> Sequence[ClosureEntry]:
        """List those of a room that end after `since` and start before `until`, by start and id."""

    async def reservation(self, reservation_id: UUID) -> ReservationEntry | None:
        """Find a reservation in any status."""

    async def reservations(self, wanted: Listing, *, after: Position | None, limit: int) -> Sequence[ReservationEntry]:
        """List reservations by start and id, starting after a position."""

    async def own_mark(self, person_id: UUID, *, limit: int) -> str:
        """Return a text that differs when the first `limit` reservations of a person would."""

    async def record(self, reservation_id: UUID, *, after: int, limit: int) -> Record:
        """Read up to `limit` changes of a reservation whose versions are above `after`, by version."""
