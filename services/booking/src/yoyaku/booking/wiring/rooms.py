"""Rooms and their rules."""

from dataclasses import dataclass

from yoyaku.booking.usecases.create_room import CreateRoom
from yoyaku.booking.usecases.list_rooms import ListRooms
from yoyaku.booking.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class Rooms:
    """The use cases about rooms."""

    create_room: CreateRoom
    list_rooms: ListRooms


def make_rooms(parts: Parts) -> Rooms:
    """Put them together."""
    return Rooms(
        create_room=CreateRoom(parts.transactions, parts.check, parts.now),
        list_rooms=ListRooms(parts.reads, parts.check),
    )
