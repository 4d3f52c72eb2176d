"""Changing what a room's bookings are judged by, while bookings race it, on a real PostgreSQL (BK-03)."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions, RememberedRooms
from yoyaku.booking.domain.errors import BookingError, ClosureOverReservationsError, RoomNotBookableError
from yoyaku.booking.domain.expected_version import ANY_VERSION
from yoyaku.booking.domain.opening_hours import OpeningHours, Span
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.change_room import ChangeRoom
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.close_room import CloseRoom, Closing, Times
from yoyaku.booking.usecases.place_reservation import PlaceReservation, Wish
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.booking.usecases.reinstate_room import ReinstateRoom
from yoyaku.booking.usecases.retire_room import RetireRoom
from yoyaku.booking.usecases.suggest_alternatives import SuggestAlternatives
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database

ADMIN = Caller(UUID(int=1), Role.ADMIN, "127.0.0.1")
HANAKO = Caller(UUID(int=2), Role.USER, "127.0.0.1")
HOUR = timedelta(hours=1)
_BOTH_WON = """
SELECT count(*) FROM reservation v JOIN closure c ON c.room_id = v.room_id
WHERE v.status = 'confirmed' AND v.starts_at < c.ends_at AND v.ends_at > c.starts_at
"""


@pytest_asyncio.fixture
async def shop(database: Callable[..., Awaitable[Database]], clock: SetClock) -> AsyncIterator[Any]:
    """Two processes that know the same rooms each for itself, on one database."""
    # Which closures a room brings along is up to the database's clock, so the test's own must not be far from it.
    clock.set(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    made = await database("yoyaku.booking")
    async with connected_pool(made.service, application_name="tests") as pool:
        outbox = Outbox(service="booking", new_id=new_event_id, now=clock)
        transactions = PostgresTransactions(pool, outbox, keep_answers_for=timedelta(hours=24))
        check = CheckPermission(transactions)
        reads = PostgresReads(pool)
        async with transactions.begin() as tx:
            for caller, name in ((ADMIN, "admin"), (HANAKO, "hanako")):
                await tx.people.add(Person(caller.person_id, name, name, caller.role, clock()), "h")
            room = await tx.rooms.add(NewRoom("Fuji", "Tokyo", 8, "Asia/Tokyo"), clock())
        directory, policy = RememberedRooms(reads), BookingPolicy()
        suggest = SuggestAlternatives(reads, policy, clock)
        yield SimpleNamespace(
            pool=pool,
            room_id=room.id,
            clock=clock,
            place=PlaceReservation(transactions, directory, check, policy, uuid4, clock, suggest),
            close=CloseRoom(transactions, check, uuid4, clock),
            retire=RetireRoom(transactions, check, clock),
            reinstate=ReinstateRoom(transactions, check),
            change=ChangeRoom(transactions, check, clock),
        )


async def raced(shop: Any, change: Callable[[], Awaitable[Any]], starts_at: datetime, chance: random.Random) -> Any:
    """Run the change against one booking, either a little ahead, now and then far; return what became of both."""
    ahead = chance.choice([-0.05, 0.05, *(chance.uniform(-0.008, 0.004) for _ in range(18))])

    async def late(wait: float, work: Awaitable[Any]) -> Any:
        await asyncio.sleep(wait)
        return await work

    wish = Wish(shop.room_id, starts_at, starts_at + HOUR, "Weekly review")
    outcomes = await asyncio.gather(
        late(max(-ahead, 0), change()),
        late(max(ahead, 0), shop.place(HANAKO, wish)),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, BookingError):
            raise outcome
    return outcomes


def slots(shop: Any, number: int) -> list[datetime]:
    start: datetime = shop.clock().replace(hour=3, minute=0, second=0, microsecond=0)
    return [start + timedelta(days=2 + day) for day in range(number)]


@pytest.mark.requirement("BK-03")
async def test_a_closure_and_a_booking_cannot_both_win(shop: Any) -> None:
    chance = random.Random(3)
    winners: Counter[str] = Counter()
    for starts_at in slots(shop, 200):
        closing = Closing(Times(starts_at - HOUR, starts_at + 2 * HOUR), "works")
        closed, placed = await raced(shop, lambda c=closing: shop.close(ADMIN, shop.room_id, c), starts_at, chance)  # type: ignore[misc]
        if isinstance(closed, BookingError):
            assert isinstance(closed, ClosureOverReservationsError)
            assert closed.total == 1
            assert not isinstance(placed, BookingError)
            winners["booking"] += 1
        else:
            assert isinstance(placed, RoomNotBookableError)
            assert [violation.code for violation in placed.violations] == ["closed"]
            winners["closure"] += 1
    assert set(winners) == {"booking", "closure"}
    assert await shop.pool.fetchval(_BOTH_WON) == 0


@pytest.mark.requirement("BK-03")
async def test_a_forced_closure_leaves_nothing_live(shop: Any) -> None:
    chance = random.Random(4)
    cancelled = 0
    for starts_at in slots(shop, 100):
        closing = Closing(Times(starts_at - HOUR, starts_at + 2 * HOUR), "works", force=True)
        (_, number), placed = await raced(shop, lambda c=closing: shop.close(ADMIN, shop.room_id, c), starts_at, chance)  # type: ignore[misc]
        assert (number == 1) == (not isinstance(placed, BookingError))
        cancelled += number
    assert await shop.pool.fetchval(_BOTH_WON) == 0
    assert await shop.pool.fetchval("SELECT count(*) FROM reservation WHERE status = 'cancelled'") == cancelled
    assert 0 < cancelled < 100


@pytest.mark.requirement("BK-03")
async def test_a_retirement_and_a_booking_cannot_both_win(shop: Any) -> None:
    chance = random.Random(5)
    winners: Counter[str] = Counter()
    for _ in range(100):
        starts_at = shop.clock() + timedelta(hours=3)
        retired, placed = await raced(shop, lambda: shop.retire(ADMIN, shop.room_id, reason="moved"), starts_at, chance)
        if isinstance(retired, BookingError):
            assert isinstance(retired, ClosureOverReservationsError)
            assert not isinstance(placed, BookingError)
            winners["booking"] += 1
        else:
            assert isinstance(placed, RoomNotBookableError)
            await shop.reinstate(ADMIN, shop.room_id)
            winners["retirement"] += 1
        shop.clock.advance(hours=24)
    assert set(winners) == {"booking", "retirement"}


@pytest.mark.requirement("BK-03")
async def test_new_opening_hours_know_of_every_booking_that_was_faster(shop: Any) -> None:
    chance = random.Random(6)
    winners: Counter[str] = Counter()
    nights = OpeningHours(((Span(0, 60),),) * 7)
    for starts_at in slots(shop, 100):
        changed, placed = await raced(
            shop, lambda: shop.change(ADMIN, shop.room_id, ANY_VERSION, {"opening_hours": nights}), starts_at, chance
        )
        assert not isinstance(changed, BookingError)
        if isinstance(placed, BookingError):
            assert [violation.code for violation in placed.violations] == ["outside-opening-hours"] * 2  # type: ignore[attr-defined]
            winners["hours"] += 1
        else:
            named = [conflict.reservation.id for conflict in changed.conflicts]
            assert placed.reservation.id in named
            winners["booking"] += 1
        await shop.change(ADMIN, shop.room_id, ANY_VERSION, {"opening_hours": None})
    assert set(winners) == {"booking", "hours"}


@pytest.mark.requirement("BK-03")
async def test_many_bookings_and_one_forced_closure_wait_in_no_circle(shop: Any) -> None:
    """Bookings, cancellations by force and closures of one room at once: all end, nothing live is left in a closure."""
    starts = slots(shop, 40)
    wishes = [Wish(shop.room_id, at, at + HOUR, "x") for at in starts for _ in range(2)]
    closings = [Closing(Times(at, at + HOUR), "works", force=True) for at in starts]
    work = [shop.place(HANAKO, wish) for wish in wishes] + [
        shop.close(ADMIN, shop.room_id, closing) for closing in closings
    ]
    random.Random(7).shuffle(work)
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    strange = [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, BookingError)]
    assert strange == []
    assert await shop.pool.fetchval(_BOTH_WON) == 0
