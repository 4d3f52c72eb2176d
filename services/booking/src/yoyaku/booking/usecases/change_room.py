"""Change what is fixed about a room (BK-01).

Invariant: accepted reservations stay accepted. Those that do not fit the new rules are named, so that nobody finds out
by surprise; the room is locked while they are looked for, so none is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import zip_longest
from typing import Final, TypedDict

from yoyaku.booking.domain.errors import RoomNotFoundError
from yoyaku.booking.domain.expected_version import ExpectedVersion
from yoyaku.booking.domain.opening_hours import OpeningHours
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.policy import conflicts_with
from yoyaku.booking.domain.reservation import Reservation
from yoyaku.booking.domain.room import NewRoom, Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.contracts.booking_v1 import RoomChanged

CONFLICTS_SHOWN: Final = 100
_RULES: Final = frozenset({"time_zone", "opening_hours", "buffer_before_minutes", "buffer_after_minutes"})
"""The fields that decide whether a reservation fits."""


class RoomChange(TypedDict, total=False):
    """What is to be another; what is missing stays."""

    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...]
    buffer_before_minutes: int
    buffer_after_minutes: int
    opening_hours: OpeningHours | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """An accepted reservation that does not fit, and the codes of the rules that it breaks."""

    reservation: Reservation
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """The room as it is now, and what does not fit it: `total` conflicts, the first ones by start in `conflicts`."""

    room: Room
    conflicts: Sequence[Conflict]
    total: int


@dataclass(frozen=True, slots=True)
class ChangeRoom:
    """Changes rooms."""

    transactions: Transactions
    check_permission: CheckPermission
    now: Clock

    async def __call__(self, caller: Caller, room_id: int, expected: ExpectedVersion, change: RoomChange) -> Changed:
        """Return the room as changed; what asks for nothing new changes nothing, not even the version.

        Raises NotPermittedError, RoomNotFoundError, StaleVersionError, RuleBrokenError, RoomAlreadyExistsError.
        """
        await self.check_permission(caller, Action.CHANGE_ROOM)
        async with self.transactions.begin() as tx:
            room = await tx.rooms.find_for_change(room_id)
            if room is None:
                raise RoomNotFoundError(room_id)
            expected.check(room.version)
            before, after = room.facts, _applied(room.facts, change).tidied()
            names = {field.name for field in fields(NewRoom)}
            other = sorted(name for name in names if getattr(before, name) != getattr(after, name))
            if not other:
                return Changed(room, (), 0)
            changed = room.changed(after)
            await tx.rooms.change(changed)
            conflicts = await _conflicts(tx, changed, self.now()) if _RULES & set(other) else []
            tx.emit(
                RoomChanged(room_id=room_id, changed=tuple(other), conflicting_reservations=len(conflicts)),
                subject=f"room/{room_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return Changed(changed, conflicts[:CONFLICTS_SHOWN], len(conflicts))


def _applied(facts: NewRoom, change: RoomChange) -> NewRoom:
    values = {field.name: getattr(facts, field.name) for field in fields(NewRoom)}
    return NewRoom(**{**values, **change})


async def _conflicts(tx: Transaction, room: Room, now: datetime) -> list[Conflict]:
    """Find what does not fit among the reservations that are not over."""
    live = await tx.reservations.live_after(room.id, now)
    found = []
    for held, following in zip_longest(live, live[1:]):
        codes = conflicts_with(room, held.interval, following.interval if following else None)
        if codes:
            found.append(Conflict(held, tuple(codes)))
    return found
