"""Finds the room and the reservation that a person means."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from yoyaku.client.client import Client
from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.times import read_date
from yoyaku.client.errors import NotFoundError
from yoyaku.client.models.reservations import Reservation
from yoyaku.client.models.rooms import Room

MIN_ID_PART: Final = 4
SIMILAR: Final = 0.55


async def find_room(client: Client, typed: str) -> Room:
    """Return the room of this id or name. Raises UsageError that names what may have been meant."""
    if typed.isascii() and typed.isdigit():
        try:
            return await client.rooms.get(int(typed))
        except NotFoundError:
            pass
    return pick_room(typed, await client.rooms.list().all())


def pick_room(typed: str, rooms: Sequence[Room]) -> Room:
    """Return the one room of this name, however it is cased or widened. Raises UsageError."""
    wanted = folded(typed)
    found = [room for room in rooms if folded(room.name) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{room.id} ({room.site})" for room in found)
        raise UsageError("many-rooms", name=typed, rooms=listed)
    similar = similar_rooms(wanted, rooms)
    if similar:
        raise UsageError("no-room-but-similar", name=typed, names=", ".join(similar))
    raise UsageError("no-room", name=typed)


def similar_rooms(wanted: str, rooms: Sequence[Room]) -> list[str]:
    """Return names that look like this folded one, the likeliest first."""
    names = {folded(room.name): room.name for room in rooms}
    close = get_close_matches(wanted, names, cutoff=SIMILAR)
    inside = [name for name in names if wanted in name and name not in close]
    return [names[name] for name in [*close, *sorted(inside)][:3]]


def folded(name: str) -> str:
    """Return a name as it is compared: full width as half width, without case and outer space."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


async def find_reservation(client: Client, typed: str) -> Reservation:
    """Return the reservation of this id, or the caller's own whose id begins or ends so. Raises UsageError."""
    try:
        return await client.reservations.get(str(UUID(typed)))
    except ValueError:
        pass
    part = typed.casefold()
    if len(part) < MIN_ID_PART:
        raise UsageError("no-reservation", name=typed)
    found = [one async for one in client.reservations.mine() if one.id.startswith(part) or one.id.endswith(part)]
    if not found:
        raise UsageError("no-reservation", name=typed)
    if len(found) > 1:
        raise UsageError("many-reservations", name=typed)
    return found[0]


def day_of(text: str | None, zone: ZoneInfo) -> date:
    """Return the day that was typed; without one, today by this clock."""
    today = datetime.now(UTC).astimezone(zone).date()
    return today if text is None else read_date(text, today=today)
