"""Add a room that can be booked."""

from dataclasses import dataclass, replace
from functools import cache
from zoneinfo import available_timezones

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.room import Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.booking_v1 import RoomCreated


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """Makes rooms."""

    transactions: Transactions
    check_permission: CheckPermission
    now: Clock

    async def __call__(self, caller: Caller, wanted: NewRoom) -> Room:
        """Return the room made. Raises NotPermittedError, RuleBrokenError, RoomAlreadyExistsError."""
        await self.check_permission(caller, Action.CREATE_ROOM)
        tidy = replace(
            wanted,
            name=wanted.name.strip(),
            site=wanted.site.strip(),
            features=tuple(sorted({feature.strip() for feature in wanted.features})),
        )
        broken = _broken_rules(tidy)
        if broken:
            raise RuleBrokenError(broken)
        async with self.transactions.begin() as tx:
            room = await tx.rooms.add(tidy, self.now())
            tx.emit(
                RoomCreated(room_id=room.id, site=room.site, capacity=room.capacity, time_zone=room.time_zone),
                subject=f"room/{room.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return room


def _broken_rules(room: NewRoom) -> list[Violation]:
    broken = [Violation(name, "blank") for name, text in (("name", room.name), ("site", room.site)) if not text]
    if room.time_zone not in _time_zones():
        broken.append(Violation("time_zone", "unknown-time-zone"))
    if "" in room.features:
        broken.append(Violation("features", "blank"))
    return broken


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")
