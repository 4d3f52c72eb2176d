"""Lists: who may ask for what, and pages that stay whole while others write."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.errors import NotPermittedError, RuleBrokenError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Role
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.list_reservations import ListReservations
from yoyaku.booking.usecases.ports.reservations import Listing, Position, ReservationEntry

Callers = Callable[..., Caller]
START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = date(2030, 1, 1)


@pytest.mark.requirement("BK-08", "ID-05")
async def test_another_persons_list_is_not_for_a_user(desk: Any, caller: Callers) -> None:
    of_another = Listing(day=DAY, person_id=UUID(int=7))
    with pytest.raises(NotPermittedError):
        await desk.list(caller(), of_another, after=None, limit=5)
    for who in (caller(Role.ADMIN, 1), caller(Role.OPERATOR, 2), caller(number=7)):
        assert await desk.list(who, of_another, after=None, limit=5) == ([], None)
    own = Listing(person_id=UUID(int=7), status=ReservationStatus.CONFIRMED)
    assert await desk.list_my(caller(), own, after=None, limit=5) == ([], None)


@pytest.mark.requirement("BK-08")
@pytest.mark.parametrize(
    ("wanted", "field", "code"),
    [
        (Listing(), "from", "required"),
        (Listing(site="Tokyo", since=START), "to", "required"),
        (Listing(since=START, until=START + timedelta(days=367)), "to", "span-too-wide"),
        (Listing(since=START, until=START), "to", "not-after-start"),
        (Listing(room_id=1, since=datetime(1, 1, 1, tzinfo=UTC)), "from", "absurd-time"),
        (Listing(day=date(9999, 12, 31)), "date", "absurd-time"),
    ],
)
async def test_times_that_are_none(desk: Any, caller: Callers, wanted: Listing, field: str, code: str) -> None:
    with pytest.raises(RuleBrokenError) as caught:
        await desk.list(caller(), wanted, after=None, limit=5)
    assert (field, code) in [(violation.field, violation.code) for violation in caught.value.violations]


class Shelf:
    """Reservations that change while somebody reads page after page."""

    def __init__(self) -> None:
        self.held: dict[UUID, Reservation] = {}

    def put(self, number: int, hour: int) -> None:
        interval = Interval(START + timedelta(hours=hour), START + timedelta(hours=hour + 1))
        reservation = Reservation(
            UUID(int=number), 1, UUID(int=1), interval, "t", ReservationStatus.CONFIRMED, 1, START
        )
        self.held[reservation.id] = reservation

    async def reservations(self, wanted: Listing, *, after: Position | None, limit: int) -> list[ReservationEntry]:
        keys = sorted((held.interval.starts_at, held.id) for held in self.held.values() if held.status is wanted.status)
        found = [key for key in keys if after is None or key > (after.starts_at, after.id)]
        return [ReservationEntry(self.held[number], "UTC") for _, number in found[:limit]]


async def _let(*_: Any) -> None:
    return None


async def _read_while_others_write(
    at_first: list[int], writes: list[tuple[bool, int, int]], limit: int
) -> tuple[list[UUID], set[UUID], set[UUID]]:
    shelf = Shelf()
    for number, hour in enumerate(at_first):
        shelf.put(number, hour)
    stayed, ever = set(shelf.held), set(shelf.held)
    reader = Caller(UUID(int=1), Role.USER, "192.0.2.1")
    listing = ListReservations(shelf, _let)  # type: ignore[arg-type]
    wanted = Listing(room_id=1, status=ReservationStatus.CONFIRMED)
    seen: list[UUID] = []
    after: Position | None = None
    pending = list(writes)
    while True:
        entries, after = await listing(reader, wanted, after=after, limit=limit)
        seen += [entry.reservation.id for entry in entries]
        if after is None:
            return seen, stayed, ever
        if pending:
            is_new, number, hour = pending.pop()
            if is_new:
                shelf.put(number, hour)
                ever.add(UUID(int=number))
            elif (gone := UUID(int=number % len(at_first))) in shelf.held:
                shelf.held[gone] = replace(shelf.held[gone], status=ReservationStatus.CANCELLED)
                stayed.discard(gone)


@pytest.mark.requirement("BK-08")
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.lists(st.tuples(st.booleans(), st.integers(1000, 1030), st.integers(0, 20)), max_size=20),
    st.integers(1, 5),
)
def test_pages_neither_repeat_nor_skip_what_was_there_all_along(
    at_first: list[int], writes: list[tuple[bool, int, int]], limit: int
) -> None:
    seen, stayed, ever = asyncio.run(_read_while_others_write(at_first, writes, limit))
    assert len(seen) == len(set(seen)) or len(writes) > len({number for _, number, _ in writes})
    assert stayed <= set(seen) <= ever
