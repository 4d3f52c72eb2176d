"""What each port promises, asked of the fakes and of PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.errors import KeyReusedError, PersonAlreadyExistsError, RoomAlreadyExistsError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.reservation import Cancellation, CancelReason, Reservation, ReservationStatus
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import Placing, Position
from yoyaku.booking.usecases.ports.rooms import NewRoom, RoomFilter
from yoyaku.booking.usecases.ports.transactions import Fact
from yoyaku.contracts.booking_v1 import ReservationConfirmed

NINE = datetime(2031, 3, 1, 0, 0, tzinfo=UTC)
"""Nine o'clock in Tokyo."""


async def settled(ports: Any, person: Person, new_room: NewRoom) -> int:
    async with ports.begin() as tx:
        await tx.people.add(person, "h")
        room = await tx.rooms.add(new_room, ports.clock())
    number: int = room.id
    return number


def wanted(number: int, room_id: int, person: Person, starts_at: datetime = NINE, hours: float = 1) -> Reservation:
    interval = Interval(starts_at, starts_at + timedelta(hours=hours))
    return Reservation(UUID(int=number), room_id, person.id, interval, "t", ReservationStatus.CONFIRMED, 1, NINE)


async def place(ports: Any, reservation: Reservation, version: int = 1) -> Placing:
    async with ports.begin() as tx:
        outcome: Placing = await tx.reservations.place(reservation, reservation.interval, version)
    return outcome


async def test_people(ports: Any, person: Person) -> None:
    assert await ports.reads.credentials("hanako") is None
    async with ports.begin() as tx:
        assert not await tx.people.has_admin()
        await tx.people.add(person, "h1")
    found = await ports.reads.credentials("HANAKO")
    assert (found.person, found.password_hash) == (person, "h1")
    with pytest.raises(PersonAlreadyExistsError):
        async with ports.begin() as tx:
            await tx.people.add(replace(person, id=UUID(int=7)), "h2")
    async with ports.begin() as tx:
        await tx.people.change_password_hash(person.id, old="other", new="h3")
    assert (await ports.reads.credentials("hanako")).password_hash == "h1"
    async with ports.begin() as tx:
        await tx.people.change_password_hash(person.id, old="h1", new="h4")
        await tx.people.add(replace(person, id=UUID(int=8), user_id="boss", role=Role.ADMIN), "h")
    assert (await ports.reads.credentials("hanako")).password_hash == "h4"
    async with ports.begin() as tx:
        assert await tx.people.has_admin()


async def test_rooms(ports: Any, new_room: NewRoom) -> None:
    made = []
    for name in ("Fuji", "Aso", "Hakone"):
        async with ports.begin() as tx:
            room = replace(new_room, name=name, features=("projector",), buffer_after_minutes=30)
            made.append(await tx.rooms.add(room, ports.clock()))
    with pytest.raises(RoomAlreadyExistsError):
        async with ports.begin() as tx:
            await tx.rooms.add(new_room, ports.clock())
    assert await ports.reads.room(made[1].id) == made[1]
    assert await ports.reads.room(10_000) is None
    assert list(await ports.reads.rooms(RoomFilter(), after=made[0].id, limit=1)) == [made[1]]
    assert list(await ports.reads.rooms(RoomFilter(), after=0, limit=50)) == made


@pytest.mark.requirement("BK-03")
async def test_placing(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    assert await place(ports, wanted(1, room_id, person)) is Placing.PLACED
    assert await place(ports, wanted(2, room_id, person, NINE + timedelta(minutes=30))) is Placing.TAKEN
    assert await place(ports, wanted(3, room_id, person, NINE + timedelta(hours=1))) is Placing.PLACED
    assert await place(ports, wanted(4, room_id, person, NINE + timedelta(hours=4)), version=2) is Placing.ROOM_CHANGED
    assert await place(ports, wanted(5, 9999, person)) is Placing.ROOM_CHANGED
    assert (await ports.reads.reservation(UUID(int=1))).reservation == wanted(1, room_id, person)
    assert await ports.reads.reservation(UUID(int=2)) is None


def confirmed(reservation: Reservation) -> Fact:
    event = ReservationConfirmed(
        reservation_id=str(reservation.id),
        room_id=reservation.room_id,
        person_id=str(reservation.person_id),
        starts_at=reservation.interval.starts_at,
        ends_at=reservation.interval.ends_at,
    )
    return Fact(event, f"reservation/{reservation.id}", f"person/{reservation.person_id}", "192.0.2.7")


@pytest.mark.requirement("BK-03", "EV-03")
async def test_placing_with_its_fact(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)

    async def placed(number: int, starts_at: datetime = NINE, version: int = 1) -> Placing:
        reservation = wanted(number, room_id, person, starts_at)
        outcome: Placing = await ports.place(reservation, reservation.interval, version, confirmed(reservation))
        return outcome

    assert await placed(1) is Placing.PLACED
    assert await placed(2, NINE + timedelta(minutes=30)) is Placing.TAKEN
    assert await placed(3, NINE + timedelta(hours=4), version=2) is Placing.ROOM_CHANGED
    assert await placed(4, NINE + timedelta(hours=1)) is Placing.PLACED
    assert await ports.facts() == {f"reservation/{UUID(int=number)}" for number in (1, 4)}
    assert (await ports.reads.reservation(UUID(int=1))).reservation == wanted(1, room_id, person)
    assert await ports.reads.reservation(UUID(int=2)) is None


@pytest.mark.requirement("BK-06")
async def test_a_cancelled_one_frees_the_room(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    await place(ports, wanted(1, room_id, person))
    async with ports.begin() as tx:
        found = await tx.reservations.find_for_change(UUID(int=1))
        gone = found.cancelled(Cancellation(NINE - timedelta(days=1), person.id, CancelReason.POSTPONED, "later"))
        await tx.reservations.change(gone)
        assert await tx.reservations.find_for_change(UUID(int=2)) is None
    assert (await ports.reads.reservation(UUID(int=1))).reservation == gone
    assert await place(ports, wanted(2, room_id, person)) is Placing.PLACED


async def test_what_raised_left_nothing(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    with pytest.raises(ZeroDivisionError):
        async with ports.begin() as tx:
            await tx.reservations.place(wanted(1, room_id, person), wanted(1, room_id, person).interval, 1)
            raise ZeroDivisionError
    assert await ports.reads.reservation(UUID(int=1)) is None


@pytest.mark.requirement("BK-04")
async def test_answers(ports: Any, person: Person) -> None:
    answer = StoredAnswer(201, b"{}")
    async with ports.begin() as tx:
        assert await tx.answers.claim(person.id, "k", b"f") is None
        await tx.answers.keep(person.id, "k", b"f", answer, ports.clock())
    async with ports.begin() as tx:
        assert await tx.answers.claim(person.id, "k", b"f") == replace(answer, replayed=True)
        assert await tx.answers.claim(UUID(int=5), "k", b"f") is None
    with pytest.raises(KeyReusedError):
        async with ports.begin() as tx:
            await tx.answers.claim(person.id, "k", b"other")


@pytest.mark.requirement("BK-08")
@pytest.mark.parametrize("filtered", [True, False])
async def test_a_day_in_pages(ports: Any, person: Person, new_room: NewRoom, filtered: bool) -> None:
    room_id = await settled(ports, person, new_room)
    midnight = NINE - timedelta(hours=9)
    starts = [midnight - timedelta(minutes=30), midnight + timedelta(hours=8), midnight + timedelta(hours=23)]
    for number, starts_at in enumerate(starts, 1):
        assert await place(ports, wanted(number, room_id, person, starts_at, 2)) is Placing.PLACED
    await place(ports, wanted(9, room_id, person, midnight + timedelta(hours=30)))
    room = room_id if filtered else None
    first = await ports.reads.reservations(date(2031, 3, 1), room_id=room, after=None, limit=2)
    assert [entry.reservation.id.int for entry in first] == [1, 2]
    last = first[-1].reservation
    rest = await ports.reads.reservations(
        date(2031, 3, 1), room_id=room, after=Position(last.interval.starts_at, last.id), limit=2
    )
    assert [entry.reservation.id.int for entry in rest] == [3]
    other = await ports.reads.reservations(date(2031, 3, 1), room_id=room_id + 1, after=None, limit=2)
    assert list(other) == []
