"""What an ADMIN does to rooms, over the ports in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from yoyaku.booking.domain.errors import (
    ClosureNotFoundError,
    ClosureOverReservationsError,
    NotPermittedError,
    RoomNotFoundError,
    RuleBrokenError,
    StaleVersionError,
    TooManyClosuresError,
)
from yoyaku.booking.domain.expected_version import ANY_VERSION, ExpectedVersion
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import OpeningHours, Span
from yoyaku.booking.domain.person import Role
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.change_room import ChangeRoom
from yoyaku.booking.usecases.close_room import CloseRoom, Closing, Days, Times
from yoyaku.booking.usecases.list_rooms import ROOMS_A_ROUND, ROUNDS, ListRooms
from yoyaku.booking.usecases.open_room_again import OpenRoomAgain
from yoyaku.booking.usecases.place_reservation import Wish
from yoyaku.booking.usecases.ports.rooms import NewRoom, RoomFilter
from yoyaku.booking.usecases.reinstate_room import ReinstateRoom
from yoyaku.booking.usecases.retire_room import RetireRoom
from yoyaku.contracts.booking_v1 import ReservationCancelled, RoomChanged, RoomClosed, RoomRetired

Callers = Callable[..., Caller]
HOUR = timedelta(hours=1)
DAYTIME = OpeningHours(((Span(9 * 60, 18 * 60),),) * 7)


@pytest.fixture
async def house(desk: Any, caller: Callers, new_room: NewRoom) -> Any:
    transactions, check, clock = desk.transactions, desk.place.check_permission, desk.clock
    desk.admin = caller(Role.ADMIN, 1)
    desk.change = ChangeRoom(transactions, check, clock)
    desk.close = CloseRoom(transactions, check, desk.place.new_id, clock)
    desk.reopen = OpenRoomAgain(transactions, check)
    desk.retire = RetireRoom(transactions, check, clock)
    desk.reinstate = ReinstateRoom(transactions, check)
    desk.list_rooms = ListRooms(desk.reads, check)
    desk.room = await desk.create_room(desk.admin, new_room)
    desk.at = lambda hours: desk.clock() + timedelta(days=2, hours=hours)
    return desk


async def book(house: Any, caller: Caller, hours: float, length: float = 1) -> Any:
    starts_at: datetime = house.at(hours)
    return await house.place(caller, Wish(house.room.id, starts_at, starts_at + length * HOUR, "x"))


@pytest.mark.requirement("BK-01", "EV-03")
async def test_a_forced_closure_tells_of_itself_and_of_each_reservation(house: Any, caller: Callers) -> None:
    made = [(await book(house, caller(), hours)).reservation for hours in (1, 2)]
    await book(house, caller(), 5)
    closing = Closing(Times(house.at(1), house.at(4)), "works")
    with pytest.raises(ClosureOverReservationsError) as caught:
        await house.close(house.admin, house.room.id, closing)
    assert [obstacle.reservation_id for obstacle in caught.value.reservations] == [held.id for held in made]
    assert (await house.reads.room(house.room.id)).version == 1
    house.transactions.state.events.clear()
    entry, cancelled = await house.close(house.admin, house.room.id, replace(closing, force=True))
    assert cancelled == 2
    gone, also_gone, closed = house.events()
    assert {type(event) for event in (gone, also_gone)} == {ReservationCancelled}
    assert (gone.reason.value, gone.cancelled_by, gone.has_comment) == (
        "maintenance",
        str(house.admin.person_id),
        True,
    )
    assert isinstance(closed, RoomClosed)
    assert (closed.closure_id, closed.cancelled_reservations) == (str(entry.closure.id), 2)
    assert "works" not in closed.model_dump_json() + gone.model_dump_json()
    assert (await house.reads.room(house.room.id)).version == 2


@pytest.mark.requirement("BK-01")
async def test_what_is_over_stands_in_nobodys_way(house: Any, caller: Callers) -> None:
    await house.place(caller(), Wish(house.room.id, house.clock() - 2 * HOUR, house.clock() - HOUR, "x"))
    closing = Closing(Times(house.clock() - 5 * HOUR, house.clock() + HOUR), "works")
    _, cancelled = await house.close(house.admin, house.room.id, closing)
    assert cancelled == 0


@pytest.mark.requirement("BK-01")
async def test_whole_days_by_the_rooms_clock(house: Any) -> None:
    day = house.at(0).date()
    entry, _ = await house.close(house.admin, house.room.id, Closing(Days(day, day + timedelta(days=1)), "works"))
    local = entry.closure.interval.starts_at.astimezone(entry.zone)
    assert (local.date(), local.hour) == (day, 0)
    assert entry.closure.interval.duration == timedelta(days=2)


@pytest.mark.requirement("BK-01")
async def test_closures_ahead_are_bounded(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yoyaku.booking.usecases.close_room.CLOSURES_LIMIT", 3)
    starts_at = house.at(0)
    for number in range(3):
        moment = starts_at + number * HOUR
        await house.close(house.admin, house.room.id, Closing(Times(moment, moment + HOUR), "works"))
    with pytest.raises(TooManyClosuresError):
        await house.close(house.admin, house.room.id, Closing(Times(starts_at, starts_at + HOUR), "works"))


@pytest.mark.requirement("BK-01", "EV-03")
async def test_open_again(house: Any, caller: Callers) -> None:
    entry, _ = await house.close(house.admin, house.room.id, Closing(Times(house.at(0), house.at(3)), "works"))
    other = await house.create_room(house.admin, replace(house.room.facts, name="Aso"))
    with pytest.raises(ClosureNotFoundError):
        await house.reopen(house.admin, other.id, entry.closure.id)
    await house.reopen(house.admin, house.room.id, entry.closure.id)
    event = house.events()[-1]
    assert isinstance(event, RoomChanged)
    assert event.changed == ("closures",)
    await book(house, caller(), 1)


@pytest.mark.requirement("BK-01", "EV-03")
async def test_retired_then_reinstated(house: Any, caller: Callers) -> None:
    await book(house, caller(), 1)
    with pytest.raises(ClosureOverReservationsError):
        await house.retire(house.admin, house.room.id, reason="moved")
    with pytest.raises(RuleBrokenError):
        await house.retire(house.admin, house.room.id, reason="\u200b")
    room, cancelled = await house.retire(house.admin, house.room.id, reason="moved", force=True)
    assert (room.active, room.version, cancelled) == (False, 2, 1)
    event = house.events()[-1]
    assert isinstance(event, RoomRetired)
    assert event.cancelled_reservations == 1
    assert (await house.reinstate(house.admin, house.room.id)).active
    assert house.events()[-1].changed == ("active",)


@pytest.mark.requirement("BK-01")
async def test_conflicts_of_new_rules(house: Any, caller: Callers) -> None:
    early = (await book(house, caller(), 1)).reservation
    late = (await book(house, caller(), 10)).reservation
    next_to_it = (await book(house, caller(), 11)).reservation
    house.transactions.state.events.clear()
    changed = await house.change(
        house.admin, house.room.id, ANY_VERSION, {"opening_hours": DAYTIME, "buffer_after_minutes": 10}
    )
    assert {conflict.reservation.id: conflict.rules for conflict in changed.conflicts} == {
        late.id: ("buffer-too-short", "outside-opening-hours"),
        next_to_it.id: ("outside-opening-hours",),
    }
    assert early.id not in {conflict.reservation.id for conflict in changed.conflicts}
    (event,) = house.events()
    assert (event.changed, event.conflicting_reservations) == (("buffer_after_minutes", "opening_hours"), 2)
    shifted = await house.change(house.admin, house.room.id, ANY_VERSION, {"time_zone": "Asia/Kathmandu"})
    assert all("off-grid" in conflict.rules for conflict in shifted.conflicts)
    assert shifted.total == 3


@pytest.mark.requirement("BK-01", "BK-05")
async def test_nobody_overwrites_unseen(house: Any) -> None:
    room = await house.reads.room(house.room.id)
    await house.change(house.admin, room.id, ExpectedVersion(frozenset({1})), {"capacity": 9})
    with pytest.raises(StaleVersionError) as caught:
        await house.change(house.admin, room.id, ExpectedVersion(frozenset({1})), {"capacity": 10})
    assert caught.value.current_version == 2
    house.transactions.state.events.clear()
    same = await house.change(house.admin, room.id, ANY_VERSION, {"capacity": 9, "name": " Fuji\u200b"})
    assert (same.room.version, house.events()) == (2, [])


@pytest.mark.requirement("ID-05")
async def test_only_an_admin(house: Any, caller: Callers) -> None:
    closing = Closing(Times(house.at(0), house.at(1)), "works")
    for role in (Role.USER, Role.OPERATOR):
        someone = caller(role)
        for attempt in (
            lambda who=someone: house.close(who, house.room.id, closing),
            lambda who=someone: house.change(who, house.room.id, ANY_VERSION, {"capacity": 1}),
            lambda who=someone: house.retire(who, house.room.id, reason="x"),
            lambda who=someone: house.reinstate(who, house.room.id),
        ):
            with pytest.raises(NotPermittedError):
                await attempt()
    with pytest.raises(RoomNotFoundError):
        await house.close(house.admin, 404, closing)


@pytest.mark.requirement("BK-01")
async def test_a_search_for_free_rooms_ends(house: Any, caller: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rooms the hours leave out, one page looks at a bounded number, and says where to go on."""
    shut = replace(house.room, opening_hours=DAYTIME)
    asked = []

    async def rooms(_: RoomFilter, *, after: int, limit: int, **__: Any) -> list[Any]:
        asked.append(after)
        return [replace(shut, id=after + number + 1) for number in range(limit)]

    monkeypatch.setattr(house.reads, "rooms", rooms)
    night = Interval(house.at(12), house.at(13))
    found, following = await house.list_rooms(caller(), RoomFilter(free=night), after=0, limit=50)
    assert (list(found), following) == ([], ROUNDS * ROOMS_A_ROUND)
    assert len(asked) == ROUNDS
    day = Interval(house.at(1), house.at(2))
    found, following = await house.list_rooms(caller(), RoomFilter(free=day), after=0, limit=50)
    assert [room.id for room in found] == list(range(1, 51))
    assert following == 50
