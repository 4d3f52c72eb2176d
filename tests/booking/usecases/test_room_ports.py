"""What the ports of rooms promise, asked of the fakes and of PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.availability import Holding
from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import RoomAlreadyExistsError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import OpeningHours, Span
from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus
from yoyaku.booking.usecases.ports.closures import ClosureEntry, ClosurePosition
from yoyaku.booking.usecases.ports.rooms import NewRoom, RoomFilter, Site

NINE = datetime(2031, 3, 1, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = OpeningHours(((Span(540, 1080),), (), (Span(0, 60), Span(1380, 1440)), (), (), (), ()))


async def furnished(ports: Any, person: Person, new_room: NewRoom) -> Any:
    async with ports.begin() as tx:
        await tx.people.add(person, "h")
        return await tx.rooms.add(replace(new_room, opening_hours=HOURS, buffer_after_minutes=15), ports.clock())


def closing(number: int, room_id: int, person: Person, starts_at: datetime = NINE) -> ClosureEntry:
    closure = Closure(UUID(int=number), Interval(starts_at, starts_at + HOUR), f"works {number}")
    return ClosureEntry(closure, room_id, "Asia/Tokyo", NINE, person.id)


async def closed(ports: Any, entry: ClosureEntry) -> None:
    async with ports.begin() as tx:
        await tx.closures.add(entry)


async def placed(ports: Any, number: int, room: Any, person: Person, starts_at: datetime) -> Reservation:
    interval = Interval(starts_at, starts_at + HOUR)
    made = Reservation(UUID(int=number), room.id, person.id, interval, "t", ReservationStatus.CONFIRMED, 1, NINE)
    async with ports.begin() as tx:
        await tx.reservations.place(made, room.occupied_by(interval), 1, placed_from=None)
    return made


@pytest.mark.requirement("BK-01")
async def test_a_room_comes_back_as_it_was_stored(ports: Any, person: Person, new_room: NewRoom) -> None:
    room = await furnished(ports, person, new_room)
    assert await ports.reads.room(room.id) == room
    assert room.opening_hours == HOURS
    async with ports.begin() as tx:
        locked = await tx.rooms.find_for_change(room.id)
        assert locked == room
        changed = locked.changed(replace(locked.facts, name="Aso", opening_hours=None, features=("x",), capacity=2))
        await tx.rooms.change(changed)
        assert await tx.rooms.find_for_change(10_000) is None
    assert await ports.reads.room(room.id) == changed
    async with ports.begin() as tx:
        retired = changed.retired(ports.clock(), "moved")
        await tx.rooms.change(retired)
    assert await ports.reads.room(room.id) == retired


@pytest.mark.requirement("BK-01")
async def test_two_rooms_of_a_site_have_two_names(ports: Any, person: Person, new_room: NewRoom) -> None:
    await furnished(ports, person, new_room)
    async with ports.begin() as tx:
        other = await tx.rooms.add(replace(new_room, name="Aso"), ports.clock())
    with pytest.raises(RoomAlreadyExistsError):
        async with ports.begin() as tx:
            await tx.rooms.change(other.changed(replace(other.facts, name=new_room.name)))
    assert (await ports.reads.room(other.id)).name == "Aso"


@pytest.mark.requirement("BK-01")
async def test_closures(ports: Any, person: Person, new_room: NewRoom) -> None:
    room = await furnished(ports, person, new_room)
    entries = [closing(number, room.id, person, NINE + number * 24 * HOUR) for number in range(1, 4)]
    for entry in reversed(entries):
        await closed(ports, entry)
    assert (await ports.reads.room(room.id)).closures == tuple(entry.closure for entry in entries)

    async def listed(**asked: Any) -> list[ClosureEntry]:
        page = {"since": None, "until": None, "after": None, "limit": 9, **asked}
        return list(await ports.reads.closures(room.id, **page))

    second = entries[1].closure
    assert await listed() == entries
    assert await listed(limit=2) == entries[:2]
    assert await listed(after=ClosurePosition(second.interval.starts_at, second.id)) == entries[2:]
    assert await listed(since=second.interval.starts_at) == entries[1:]
    assert await listed(since=second.interval.ends_at) == entries[2:]
    assert await listed(until=second.interval.starts_at) == entries[:1]
    assert list(await ports.reads.closures(404, since=None, until=None, after=None, limit=9)) == []
    async with ports.begin() as tx:
        assert await tx.closures.count_ahead(room.id, second.interval.ends_at) == 1
        assert not await tx.closures.remove(room.id + 1, second.id)
        assert await tx.closures.remove(room.id, second.id)
        assert not await tx.closures.remove(room.id, second.id)
    assert await listed() == [entries[0], entries[2]]


@pytest.mark.requirement("BK-01")
async def test_live_reservations(ports: Any, person: Person, new_room: NewRoom) -> None:
    room = await furnished(ports, person, new_room)
    made = [await placed(ports, number, room, person, NINE + number * 3 * HOUR) for number in range(1, 4)]
    async with ports.begin() as tx:
        assert list(await tx.reservations.live_after(room.id, made[1].interval.ends_at)) == made[2:]
        assert list(await tx.reservations.live_after(room.id, made[1].interval.starts_at)) == made[1:]
        touching = Interval(made[0].interval.ends_at, made[2].interval.starts_at)
        assert list(await tx.reservations.lock_live(room.id, touching)) == [made[1]]
        assert list(await tx.reservations.lock_live(room.id + 1, touching)) == []


@pytest.mark.requirement("BK-09")
async def test_what_keeps_rooms_busy(ports: Any, person: Person, new_room: NewRoom) -> None:
    room = await furnished(ports, person, new_room)
    async with ports.begin() as tx:
        other = await tx.rooms.add(replace(new_room, name="Aso"), ports.clock())
    one = await placed(ports, 1, room, person, NINE + HOUR)
    await placed(ports, 2, room, person, NINE + 90 * HOUR)
    two = await placed(ports, 3, other, person, NINE)
    entry = closing(4, room.id, person, NINE + 3 * HOUR)
    await closed(ports, entry)
    await closed(ports, closing(5, room.id, person, NINE + 90 * HOUR))
    found = await ports.reads.busy_of([room.id, other.id, 404], Interval(NINE, NINE + 6 * HOUR))
    assert set(found) == {room.id, other.id}
    assert found[room.id].holdings == (Holding(one.interval, room.occupied_by(one.interval)),)
    assert found[room.id].room == replace(room, closures=(entry.closure,))
    assert found[other.id].holdings == (Holding(two.interval, two.interval),)


@pytest.mark.requirement("BK-01")
async def test_filters(ports: Any, person: Person, new_room: NewRoom) -> None:
    room = await furnished(ports, person, new_room)
    async with ports.begin() as tx:
        big = await tx.rooms.add(
            replace(new_room, name="Aso", capacity=50, features=("a", "b"), site="Osaka", time_zone="UTC"), NINE
        )
        gone = (await tx.rooms.add(replace(new_room, name="Hakone"), NINE)).retired(NINE, "x")
        await tx.rooms.change(gone)
    await placed(ports, 1, room, person, NINE)
    await closed(ports, closing(2, big.id, person, NINE + 5 * HOUR))

    async def found(**asked: Any) -> list[int]:
        return [each.id for each in await ports.reads.rooms(RoomFilter(**asked), after=0, limit=9)]

    assert await found() == [room.id, big.id, gone.id]
    assert await found(site="Osaka") == await found(capacity=9) == await found(features=("b",)) == [big.id]
    assert await found(active=True) == [room.id, big.id]
    assert await found(active=False) == [gone.id]
    # The room's own buffer after the booking, and that of the one before, keep them apart.
    assert await found(free=Interval(NINE + HOUR, NINE + 2 * HOUR)) == [big.id]
    assert await found(free=Interval(NINE - HOUR, NINE)) == [big.id]
    assert await found(free=Interval(NINE + 1.5 * HOUR, NINE + 2 * HOUR)) == [room.id, big.id]
    assert await found(free=Interval(NINE + 5.5 * HOUR, NINE + 7 * HOUR)) == [room.id]
    assert list(await ports.reads.sites()) == [Site("Osaka", 1, ("UTC",)), Site("Tokyo", 1, ("Asia/Tokyo",))]


@pytest.mark.requirement("BK-01")
async def test_listed_rooms_bring_the_closures_that_were_asked_for(
    ports: Any, person: Person, new_room: NewRoom
) -> None:
    room = await furnished(ports, person, new_room)
    entries = [closing(number, room.id, person, NINE + number * HOUR) for number in range(3)]
    for entry in entries:
        await closed(ports, entry)
    window = entries[1].closure.interval
    (with_closures,) = await ports.reads.rooms(RoomFilter(), after=0, limit=9, closures_in=window)
    assert with_closures.closures == (entries[1].closure,)
    (plain,) = await ports.reads.rooms(RoomFilter(), after=0, limit=9)
    assert plain.closures == ()
