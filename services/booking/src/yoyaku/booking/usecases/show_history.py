"""Show what happened to a reservation: who, when, what, why and from where (BK-07)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from yoyaku.booking.domain.errors import ReservationNotFoundError
from yoyaku.booking.domain.history import Change, Differences, Step, fields_of, undone
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads

PLACED = "place"
"""The act that made the reservation; it stands in the reservation itself, not among its changes."""


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One version of a reservation and what made it."""

    version: int
    at: datetime
    by: UUID
    action: str
    differences: Differences
    reason: str | None
    comment: str | None
    client_address: str | None


@dataclass(frozen=True, slots=True)
class ShowHistory:
    """Reads the history of a reservation, oldest first."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(
        self, caller: Caller, reservation_id: UUID, *, after: int, limit: int
    ) -> tuple[Sequence[HistoryItem], int | None]:
        """Return up to `limit` versions above `after`, and the version to go on after; None at the end.

        Raises NotPermittedError, ReservationNotFoundError.
        """
        await self.check_permission(caller, Action.READ_RESERVATION_HISTORY)
        entry = await self.reads.reservation(reservation_id)
        if entry is None:
            raise ReservationNotFoundError(str(reservation_id))
        record = await self.reads.record(reservation_id, after=after, limit=limit + 1)
        items = [_item(change) for change in record.changes]
        if after < 1:
            reservation = entry.reservation
            placed = undone(fields_of(reservation), record.first_steps)
            steps = {name: Step(None, value) for name, value in placed.items()}
            made_by = (reservation.created_at, reservation.person_id, PLACED)
            items.insert(0, HistoryItem(1, *made_by, steps, None, None, record.placed_from))
        return (items[:limit], items[limit - 1].version) if len(items) > limit else (items, None)


def _item(change: Change) -> HistoryItem:
    return HistoryItem(
        change.version,
        change.at,
        change.by,
        change.act.value,
        change.differences,
        change.reason,
        change.comment,
        change.client_address,
    )
