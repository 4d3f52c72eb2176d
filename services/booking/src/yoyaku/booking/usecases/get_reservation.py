"""Read one reservation."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import ReservationNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.reservations import ReservationEntry


@dataclass(frozen=True, slots=True)
class GetReservation:
    """Reads one reservation in any status."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, reservation_id: UUID) -> ReservationEntry:
        """Return the reservation. Raises ReservationNotFoundError, NotPermittedError."""
        await self.check_permission(caller, Action.READ_RESERVATIONS)
        entry = await self.reads.reservation(reservation_id)
        if entry is None:
            raise ReservationNotFoundError(str(reservation_id))
        return entry
