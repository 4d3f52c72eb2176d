from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.errors import (
    NotPermittedError,
    ReservationNotFoundError,
    RoomAlreadyReservedError,
    RoomNotBookableError,
    RoomNotFoundError,
    RuleBrokenError,
    StaleVersionError,
)
from yoyaku.booking.domain.expected_version import ANY_VERSION, ExpectedVersion
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Role
from yoyaku.booking.domain.rescheduling import Wanted
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.hold_again import ATTEMPTS
from yoyaku.booking.usecases.place_reservation import Wish
from yoyaku.booking.usecases.ports.reservations import ReservationEntry
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.contracts.booking_v1 import ReservationRescheduled, ReservationRestored
from yoyaku.contracts.identity_v1 import AccessDenied
from yoyaku.postgres.errors import SerializationError

Callers = Callable[..., Caller]
HOUR = timedelta(hours=1)


@pytest.fixture
async def room_id(desk: Any, caller: Callers, new_room: NewRoom) -> int:
    made = await desk.create_room(caller(Role.ADMIN, 1), new_room)
    number: int = made.id
    return number


@pytest.fixture
async def one(desk: Any, caller: Callers, room_id: int) -> ReservationEntry:
    start = desk.clock() + timedelta(days=2)
    entry: ReservationEntry = await desk.place(caller(), Wish(room_id, start, start + HOUR, "Weekly review"))
    desk.transactions.state.events.clear()
    return entry


def later(entry: ReservationEntry) -> Interval:
    interval = entry.reservation.interval
    return Interval(interval.ends_at, interval.ends_at + HOUR)


def wanted(entry: ReservationEntry) -> Wanted:
    interval = later(entry)
    return Wanted(starts_at=interval.starts_at, ends_at=interval.ends_at)


@pytest.mark.requirement("BK-05", "EV-03")
async def test_moved_with_its_event(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    moved, changed = await desk.reschedule(caller(), one.reservation.id, wanted(one), ExpectedVersion(frozenset({1})))
    assert (moved.reservation.interval, moved.reservation.version, changed) == (later(one), 2, True)
    (event,) = desk.events()
    assert isinstance(event, ReservationRescheduled)
    assert (event.previous_starts_at, event.title_changed) == (one.reservation.interval.starts_at, False)
    assert "Weekly" not in event.model_dump_json()


@pytest.mark.requirement("BK-05")
async def test_what_changes_nothing_leaves_nothing(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    same, changed = await desk.reschedule(caller(), one.reservation.id, Wanted(title="Weekly review "), ANY_VERSION)
    assert (same, changed, desk.events()) == (one, False, [])


@pytest.mark.requirement("BK-05", "ID-05")
async def test_refusals(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    reservation_id = one.reservation.id
    with pytest.raises(StaleVersionError) as stale:
        await desk.reschedule(caller(), reservation_id, wanted(one), ExpectedVersion(frozenset({7})))
    assert stale.value.current_version == 1
    with pytest.raises(NotPermittedError):
        await desk.reschedule(caller(number=7), reservation_id, wanted(one), ANY_VERSION)
    with pytest.raises(NotPermittedError):
        await desk.reschedule(caller(Role.OPERATOR), reservation_id, wanted(one), ANY_VERSION)
    assert all(isinstance(event, AccessDenied) for event in desk.events())
    with pytest.raises(ReservationNotFoundError):
        await desk.reschedule(caller(), UUID(int=99), Wanted(), ANY_VERSION)
    with pytest.raises(RoomNotFoundError):
        await desk.reschedule(caller(), reservation_id, Wanted(room_id=404), ANY_VERSION)
    with pytest.raises(RuleBrokenError):
        await desk.reschedule(caller(), reservation_id, Wanted(title=" "), ANY_VERSION)


@pytest.mark.requirement("BK-05", "BK-03")
async def test_taken_with_alternatives(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    interval = later(one)
    await desk.place(caller(number=7), Wish(one.reservation.room_id, interval.starts_at, interval.ends_at, "x"))
    with pytest.raises(RoomAlreadyReservedError) as caught:
        await desk.reschedule(caller(), one.reservation.id, wanted(one), ANY_VERSION)
    assert caught.value.alternatives
    for alternative in caught.value.alternatives:
        moved, _ = await desk.reschedule(
            caller(),
            one.reservation.id,
            Wanted(starts_at=alternative.interval.starts_at, ends_at=alternative.interval.ends_at),
            ANY_VERSION,
        )
        assert moved.reservation.interval == alternative.interval


@pytest.mark.requirement("BK-03")
async def test_a_refusal_stands_when_nothing_can_be_suggested(
    desk: Any, caller: Callers, one: ReservationEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(type(desk.reads), "busy_of", broken)
    interval = one.reservation.interval
    with pytest.raises(RoomAlreadyReservedError) as caught:
        await desk.place(caller(), Wish(one.reservation.room_id, interval.starts_at, interval.ends_at, "x"))
    assert caught.value.alternatives == ()


class Overtaken:
    """Transactions in which something else happens first, a number of times."""

    def __init__(self, transactions: Any, happen: Callable[[], None], times: int) -> None:
        self.transactions = transactions
        self.happen = happen
        self.left = times

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        if self.left:
            self.left -= 1
            self.happen()
        async with self.transactions.begin() as tx:
            yield tx


@pytest.mark.requirement("BK-03")
async def test_the_victim_of_a_deadlock_is_run_again(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    def deadlock() -> None:
        raise SerializationError("40P01")

    unlucky = replace(desk.reschedule, transactions=Overtaken(desk.transactions, deadlock, ATTEMPTS))
    with pytest.raises(SerializationError):
        await unlucky(caller(), one.reservation.id, wanted(one), ANY_VERSION)
    lucky = replace(desk.reschedule, transactions=Overtaken(desk.transactions, deadlock, ATTEMPTS - 1))
    moved, _ = await lucky(caller(), one.reservation.id, wanted(one), ANY_VERSION)
    assert moved.reservation.interval == later(one)
    assert len(desk.events()) == 1


@pytest.mark.requirement("BK-03", "BK-05")
async def test_what_was_judged_must_still_be_so(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    state = desk.transactions.state

    def retire() -> None:
        room = state.rooms[one.reservation.room_id]
        state.rooms[room.id] = replace(room, active=False, version=room.version + 1)

    def rename() -> None:
        reservation, occupied = state.reservations[one.reservation.id]
        changed = replace(reservation, title="Other", version=reservation.version + 1)
        state.reservations[reservation.id] = (changed, occupied)

    racing = replace(desk.reschedule, transactions=Overtaken(desk.transactions, rename, 1))
    with pytest.raises(StaleVersionError):
        await racing(caller(), one.reservation.id, wanted(one), ExpectedVersion(frozenset({1})))
    racing = replace(desk.reschedule, transactions=Overtaken(desk.transactions, rename, 1))
    moved, _ = await racing(caller(), one.reservation.id, wanted(one), ANY_VERSION)
    assert (moved.reservation.title, moved.reservation.version) == ("Other", 4)
    state = desk.transactions.state
    racing = replace(desk.reschedule, transactions=Overtaken(desk.transactions, retire, 1))
    with pytest.raises(RoomNotBookableError):
        await racing(caller(), one.reservation.id, wanted(moved), ANY_VERSION)


@pytest.mark.requirement("BK-07", "EV-03")
async def test_restored_with_its_event(desk: Any, caller: Callers, one: ReservationEntry) -> None:
    admin = caller(Role.ADMIN, 1)
    await desk.cancel(caller(), one.reservation.id, reason=CancelReason.OTHER, comment=None)
    desk.transactions.state.events.clear()
    with pytest.raises(NotPermittedError):
        await desk.restore(caller(), one.reservation.id, "by mistake")
    desk.transactions.state.events.clear()
    back = await desk.restore(admin, one.reservation.id, "by mistake")
    assert (back.reservation.version, back.reservation.cancellation) == (3, None)
    (event,) = desk.events()
    assert isinstance(event, ReservationRestored)
    assert event.restored_by == str(admin.person_id)
    items, following = await desk.history(admin, one.reservation.id, after=0, limit=10)
    assert [(item.version, item.action, item.comment) for item in items] == [
        (1, "place", None), (2, "cancel", None), (3, "restore", "by mistake"),
    ]  # fmt: skip
    assert following is None
