"""Rooms and their rules."""

from dataclasses import dataclass

from yoyaku.booking.usecases.change_room import ChangeRoom
from yoyaku.booking.usecases.close_room import CloseRoom
from yoyaku.booking.usecases.create_room import CreateRoom
from yoyaku.booking.usecases.get_room import GetRoom
from yoyaku.booking.usecases.list_closures import ListClosures
from yoyaku.booking.usecases.list_rooms import ListRooms
from yoyaku.booking.usecases.list_sites import ListSites
from yoyaku.booking.usecases.open_room_again import OpenRoomAgain
from yoyaku.booking.usecases.reinstate_room import ReinstateRoom
from yoyaku.booking.usecases.retire_room import RetireRoom
from yoyaku.booking.usecases.show_availability import ShowAvailability
from yoyaku.booking.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class Rooms:
    """The use cases about rooms."""

    create_room: CreateRoom
    list_rooms: ListRooms
    list_sites: ListSites
    get_room: GetRoom
    change_room: ChangeRoom
    close_room: CloseRoom
    open_room_again: OpenRoomAgain
    list_closures: ListClosures
    retire_room: RetireRoom
    reinstate_room: ReinstateRoom
    show_availability: ShowAvailability


def make_rooms(parts: Parts) -> Rooms:
    """Put them together."""
    transactions, check, now = parts.transactions, parts.check, parts.now
    return Rooms(
        create_room=CreateRoom(transactions, check, now),
        list_rooms=ListRooms(parts.reads, check),
        list_sites=ListSites(parts.reads, check),
        get_room=GetRoom(parts.reads, check),
        change_room=ChangeRoom(transactions, check, now),
        close_room=CloseRoom(transactions, check, parts.make_id, now),
        open_room_again=OpenRoomAgain(transactions, check),
        list_closures=ListClosures(parts.reads, check),
        retire_room=RetireRoom(transactions, check, now),
        reinstate_room=ReinstateRoom(transactions, check),
        show_availability=ShowAvailability(parts.reads, check),
    )
