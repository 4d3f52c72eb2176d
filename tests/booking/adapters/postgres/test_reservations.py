"""Changes of reservations where fakes cannot follow: locks, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions
from yoyaku.booking.domain.errors import RoomAlreadyReservedError
from yoyaku.booking.domain.history import Author, recorded
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.rescheduling import Hold
from yoyaku.booking.domain.reservation import Act, Reservation, ReservationStatus
from yoyaku.booking.domain.room import NewRoom
from yoyaku.booking.usecases.ports.reservations import Placing
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.errors import SerializationError
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.databases import Database

NINE = datetime(2031, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PERSON = Person(UUID(int=100), "hanako", "Hanako", Role.USER, NINE)


@pytest_asyncio.fixture
async def store(database: Callable[..., Awaitable[Database]]) -> AsyncIterator[Any]:
    made = await database("yoyaku.booking")
    async with connected_pool(made.service, application_name="tests") as pool:
        outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: NINE)
        transactions = PostgresTransactions(pool, outbox, keep_answers_for=HOUR)
        async with transactions.begin() as tx:
            await tx.people.add(PERSON, "h")
            for name in ("Fuji", "Aso"):
                await tx.rooms.add(NewRoom(name, "Tokyo", 8, "UTC"), NINE)
        transactions.reads = PostgresReads(pool)  # type: ignore[attr-defined]
        yield transactions


async def placed(store: Any, number: int, hour: int, room_id: int = 1) -> Reservation:
    interval = Interval(NINE + hour * HOUR, NINE + (hour + 1) * HOUR)
    one = Reservation(UUID(int=number), room_id, PERSON.id, interval, "t", ReservationStatus.CONFIRMED, 1, NINE)
    async with store.begin() as tx:
        assert await tx.reservations.place(one, interval, 1, placed_from=None) is Placing.PLACED
    return one


async def move(tx: Any, before: Reservation, hour: int, room_id: int | None = None) -> Placing:
    interval = Interval(NINE + hour * HOUR, NINE + (hour + 1) * HOUR)
    after = replace(before, version=before.version + 1, interval=interval, room_id=room_id or before.room_id)
    change = recorded(before, after, Act.RESCHEDULE, Author(PERSON.id, NINE, None))
    outcome: Placing = await tx.reservations.hold(
        after, change, Hold(interval, within=False), room_version=1, leaves_room_id=before.room_id
    )
    return outcome


@pytest.mark.requirement("BK-03")
async def test_a_deadlock_leaves_one_that_won_and_one_that_may_try_again(store: Any) -> None:
    one, two = await placed(store, 1, 0), await placed(store, 2, 1)
    both_locked = asyncio.Barrier(2)

    async def cross(locked: Reservation, moved: Reservation, hour: int) -> Placing:
        async with store.begin() as tx:
            await tx.reservations.find_for_change(locked.id)
            await both_locked.wait()
            return await move(tx, moved, hour)

    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(cross(one, two, 5), cross(two, one, 6), return_exceptions=True)
    assert sorted(map(type, outcomes), key=str) == [SerializationError, Placing]


@pytest.mark.requirement("BK-03")
async def test_moves_of_one_room_take_turns_and_never_deadlock(store: Any) -> None:
    made = [await placed(store, number, number) for number in range(1, 11)]

    async def try_it(one: Reservation, hour: int) -> Placing:
        async with store.begin() as tx:
            outcome = await move(tx, one, hour)
            # What a gateway does between the change and the commit takes about as long.
            await asyncio.sleep(0.002)
            return outcome

    # Without the turns, three in twenty of these deadlock.
    for hour in range(20, 26):
        outcomes = await asyncio.gather(*(try_it(one, hour) for one in made), return_exceptions=True)
        won = [outcome for outcome in outcomes if not isinstance(outcome, RoomAlreadyReservedError)]
        assert won == [Placing.PLACED]
        made.pop(outcomes.index(Placing.PLACED))


@pytest.mark.requirement("BK-03")
async def test_a_swap_refuses_both(store: Any) -> None:
    one, two = await placed(store, 1, 0, room_id=1), await placed(store, 2, 0, room_id=2)

    async def swap(mine: Reservation, room_id: int) -> Placing:
        async with store.begin() as tx:
            return await move(tx, mine, 0, room_id)

    for _ in range(20):
        outcomes = await asyncio.gather(swap(one, 2), swap(two, 1), return_exceptions=True)
        assert all(isinstance(outcome, RoomAlreadyReservedError) for outcome in outcomes), outcomes


@pytest.mark.requirement("BK-07")
async def test_history_can_be_added_to_and_nothing_else(store: Any) -> None:
    one = await placed(store, 1, 0)
    async with store.begin() as tx:
        await move(tx, one, 3)
    for statement in ("UPDATE reservation_change SET comment = 'x'", "DELETE FROM reservation_change"):
        with pytest.raises(Exception, match="permission denied"):
            async with store.begin() as tx:
                await tx.reservations._connection.execute(statement)
