from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from yoyaku.booking.domain.errors import (
    NotPermittedError,
    RoomAlreadyReservedError,
    RoomNotBookableError,
    RoomNotFoundError,
    RuleBrokenError,
)
from yoyaku.booking.domain.person import Role
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.place_reservation import Once, Wish
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import ReservationEntry
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.contracts.booking_v1 import ReservationConfirmed
from yoyaku.contracts.identity_v1 import AccessDenied

Callers = Callable[..., Caller]


@pytest.fixture
async def room_id(desk: Any, caller: Callers, new_room: NewRoom) -> int:
    made = await desk.create_room(caller(Role.ADMIN, 1), new_room)
    desk.transactions.state.events.clear()
    number: int = made.id
    return number


def wish(desk: Any, room_id: int, hours: float = 1, **changes: Any) -> Wish:
    start: datetime = desk.clock() + timedelta(days=2)
    return replace(Wish(room_id, start, start + timedelta(hours=hours), "Weekly review"), **changes)


@pytest.mark.requirement("BK-03", "EV-03")
async def test_placed_with_its_event(desk: Any, caller: Callers, room_id: int) -> None:
    entry = await desk.place(caller(), wish(desk, room_id))
    assert isinstance(entry, ReservationEntry)
    (event,) = desk.events()
    assert isinstance(event, ReservationConfirmed)
    assert event.reservation_id == str(entry.reservation.id)
    assert "Weekly" not in event.model_dump_json()


@pytest.mark.requirement("BK-03")
async def test_taken_leaves_no_event(desk: Any, caller: Callers, room_id: int) -> None:
    await desk.place(caller(), wish(desk, room_id))
    with pytest.raises(RoomAlreadyReservedError):
        await desk.place(caller(number=7), wish(desk, room_id))
    assert len(desk.events()) == 1


@pytest.mark.requirement("BK-02")
async def test_a_room_that_changed_is_judged_anew(desk: Any, caller: Callers, room_id: int) -> None:
    await desk.place(caller(), wish(desk, room_id))
    rooms = desk.transactions.state.rooms
    rooms[room_id] = replace(rooms[room_id], active=False, version=2)
    later = wish(
        desk, room_id, starts_at=desk.clock() + timedelta(days=3), ends_at=desk.clock() + timedelta(days=3, hours=1)
    )
    with pytest.raises(RoomNotBookableError):
        await desk.place(caller(), later)
    rooms = desk.transactions.state.rooms
    rooms[room_id] = replace(rooms[room_id], active=True, version=3)
    assert isinstance(await desk.place(caller(), later), ReservationEntry)


@pytest.mark.requirement("BK-02")
async def test_refusals(desk: Any, caller: Callers, room_id: int) -> None:
    with pytest.raises(RoomNotFoundError):
        await desk.place(caller(), wish(desk, 404))
    with pytest.raises(RuleBrokenError):
        await desk.place(caller(), wish(desk, room_id, hours=9))
    with pytest.raises(RuleBrokenError):
        await desk.place(caller(), wish(desk, room_id, title="  "))
    assert desk.events() == []


@pytest.mark.requirement("ID-05")
async def test_an_operator_books_nothing_and_it_is_on_record(desk: Any, caller: Callers, room_id: int) -> None:
    with pytest.raises(NotPermittedError):
        await desk.place(caller(Role.OPERATOR), wish(desk, room_id))
    (event,) = desk.events()
    assert isinstance(event, AccessDenied)
    assert event.action == "reservation.place"


@pytest.mark.requirement("BK-04")
async def test_once(desk: Any, caller: Callers, room_id: int) -> None:
    once = Once("k", b"f", lambda entry: StoredAnswer(201, str(entry.reservation.id).encode()))
    first = await desk.place(caller(), wish(desk, room_id), once)
    again = await desk.place(caller(), wish(desk, room_id), once)
    assert (first.body, first.replayed, again.replayed) == (again.body, False, True)
    assert len(desk.events()) == 1


@pytest.mark.requirement("BK-04")
async def test_a_repeat_is_answered_though_the_rules_have_moved_on(desk: Any, caller: Callers, room_id: int) -> None:
    once = Once("k", b"f", lambda _: StoredAnswer(201, b"{}"))
    start = desk.clock() - timedelta(hours=20)
    wanted = wish(desk, room_id, starts_at=start, ends_at=start + timedelta(hours=1))
    await desk.place(caller(), wanted, once)
    desk.clock.advance(hours=10)
    with pytest.raises(RuleBrokenError):
        await desk.place(caller(), wanted)
    assert (await desk.place(caller(), wanted, once)).replayed
