"""List when a room is closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from yoyaku.booking.domain.errors import RoomNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.booking.usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class ListClosures:
    """Reads the closures of a room."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(
        self,
        caller: Caller,
        room_id: int,
        *,
        since: datetime | None,
        until: datetime | None,
        after: ClosurePosition | None,
        limit: int,
    ) -> tuple[Sequence[ClosureEntry], ClosurePosition | None]:
        """Return up to `limit` closures that end after `since` and start before `until`, and where to go on.

        By start and id; None at the end. Raises RoomNotFoundError, NotPermittedError.
        """
        await self.check_permission(caller, Action.LIST_ROOMS)
        entries = await self.reads.closures(room_id, since=since, until=until, after=after, limit=limit + 1)
        if not entries and await self.reads.room(room_id) is None:
            raise RoomNotFoundError(room_id)
        if len(entries) <= limit:
            return entries, None
        last = entries[limit - 1].closure
        return entries[:limit], ClosurePosition(last.interval.starts_at, last.id)
