"""What each port promises, asked of the fakes and of PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.errors import (
    KeyReusedError,
    PersonAlreadyExistsError,
    RoomAlreadyExistsError,
    RoomAlreadyReservedError,
)
from yoyaku.booking.domain.history import Author, Step, Why, recorded
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.rescheduling import KEEP, Hold
from yoyaku.booking.domain.reservation import Act, Cancellation, CancelReason, Reservation, ReservationStatus
from yoyaku.booking.usecases.marks import mark_of_calendar, mark_of_list
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import Listing, Placing, Position, Record
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
        outcome: Placing = await tx.reservations.place(
            reservation, reservation.interval, version, placed_from="192.0.2.7"
        )
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
        author = Author(person.id, NINE - timedelta(days=1), "192.0.2.9")
        change = recorded(found, gone, Act.CANCEL, author, Why("postponed", "later"))
        await tx.reservations.change(gone, change)
        assert await tx.reservations.find_for_change(UUID(int=2)) is None
    assert (await ports.reads.reservation(UUID(int=1))).reservation == gone
    record = await ports.reads.record(UUID(int=1), after=0, limit=5)
    assert record == Record("192.0.2.7", {"status": Step("confirmed", "cancelled")}, [change])
    assert await place(ports, wanted(2, room_id, person)) is Placing.PLACED


async def test_what_raised_left_nothing(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    with pytest.raises(ZeroDivisionError):
        async with ports.begin() as tx:
            await tx.reservations.place(
                wanted(1, room_id, person), wanted(1, room_id, person).interval, 1, placed_from=None
            )
            raise ZeroDivisionError
    assert await ports.reads.reservation(UUID(int=1)) is None


@pytest.mark.requirement("BK-04")
async def test_answers(ports: Any, person: Person) -> None:
    answer = StoredAnswer(201, b"{}")
    async with ports.begin() as tx:
        assert await tx.answers.claim(person.id, "k", b"f", ports.clock()) is None
        await tx.answers.keep(person.id, "k", b"f", answer, ports.clock())
    async with ports.begin() as tx:
        assert await tx.answers.claim(person.id, "k", b"f", ports.clock()) == replace(answer, replayed=True)
        assert await tx.answers.claim(UUID(int=5), "k", b"f", ports.clock()) is None
    with pytest.raises(KeyReusedError):
        async with ports.begin() as tx:
            await tx.answers.claim(person.id, "k", b"other", ports.clock())
    ports.clock.advance(hours=24)
    async with ports.begin() as tx:
        assert await tx.answers.claim(person.id, "k", b"other", ports.clock()) is None
        await tx.answers.keep(person.id, "k", b"other", StoredAnswer(201, b"[]"), ports.clock())


@pytest.mark.requirement("BK-08", "BK-09")
async def test_marks_are_those_of_what_would_be_read(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, replace(new_room, buffer_before_minutes=30, buffer_after_minutes=60))
    day = Interval(NINE - timedelta(hours=9), NINE + timedelta(hours=15))
    seen: set[tuple[str, str]] = set()

    async def marks() -> tuple[str, str]:
        own = await ports.reads.own_mark(person.id, limit=3)
        calendar = await ports.reads.calendar_mark(room_id, day)
        read = await ports.reads.reservations(Listing(person_id=person.id), after=None, limit=3)
        busy = await ports.reads.busy_of([room_id], day)
        assert (own, calendar) == (mark_of_list(read), mark_of_calendar(busy[room_id]))
        assert (own, calendar) not in seen
        seen.add((own, calendar))
        return own, calendar

    assert (await marks())[0] == ""
    for number in (1, 2):
        reservation = wanted(number, room_id, person, NINE + timedelta(hours=6 * number))
        occupied = reservation.interval.widened(timedelta(minutes=30), timedelta(minutes=60))
        await ports.place(reservation, occupied, 1, confirmed(reservation))
        await marks()
    away = wanted(3, room_id, person, NINE + timedelta(days=9))
    await ports.place(away, away.interval, 1, confirmed(away))
    own, calendar = await marks()
    assert (own.count(","), calendar.count(",")) == (2, 2)
    assert await ports.reads.calendar_mark(9999, day) is None
    assert await ports.reads.own_mark(UUID(int=5), limit=3) == ""


@pytest.mark.requirement("BK-08")
@pytest.mark.parametrize("filtered", [True, False])
async def test_a_day_in_pages(ports: Any, person: Person, new_room: NewRoom, filtered: bool) -> None:
    room_id = await settled(ports, person, new_room)
    midnight = NINE - timedelta(hours=9)
    starts = [midnight - timedelta(minutes=30), midnight + timedelta(hours=8), midnight + timedelta(hours=23)]
    for number, starts_at in enumerate(starts, 1):
        assert await place(ports, wanted(number, room_id, person, starts_at, 2)) is Placing.PLACED
    await place(ports, wanted(9, room_id, person, midnight + timedelta(hours=30)))
    day = Listing(day=date(2031, 3, 1), room_id=room_id if filtered else None)
    first = await ports.reads.reservations(day, after=None, limit=2)
    assert numbers(first) == [1, 2]
    last = first[-1].reservation
    rest = await ports.reads.reservations(day, after=Position(last.interval.starts_at, last.id), limit=2)
    assert numbers(rest) == [3]
    assert numbers(await ports.reads.reservations(replace(day, room_id=room_id + 1), after=None, limit=2)) == []


def numbers(entries: Any) -> list[int]:
    return [entry.reservation.id.int for entry in entries]


@pytest.mark.requirement("BK-08")
async def test_filters_hold_together(ports: Any, person: Person, new_room: NewRoom) -> None:
    fuji = await settled(ports, person, new_room)
    other = replace(person, id=UUID(int=200), user_id="taro")
    async with ports.begin() as tx:
        await tx.people.add(other, "h")
        osaka = (await tx.rooms.add(replace(new_room, site="Osaka"), ports.clock())).id
    for number, room_id, who, hours in (
        (1, fuji, person, 0),
        (2, osaka, person, 0),
        (3, fuji, other, 2),
        (4, osaka, other, 4),
    ):
        await place(ports, wanted(number, room_id, who, NINE + timedelta(hours=hours)))
    async with ports.begin() as tx:
        found = await tx.reservations.find_for_change(UUID(int=3))
        gone = found.cancelled(Cancellation(NINE, person.id, CancelReason.OTHER, None))
        await tx.reservations.change(gone, recorded(found, gone, Act.CANCEL, Author(person.id, NINE, None)))
    for listing, expected in (
        (Listing(), [1, 2, 3, 4]),
        (Listing(site="Osaka"), [2, 4]),
        (Listing(person_id=person.id), [1, 2]),
        (Listing(person_id=other.id, room_id=fuji), [3]),
        (Listing(person_id=other.id, status=ReservationStatus.CONFIRMED), [4]),
        (Listing(status=ReservationStatus.CANCELLED), [3]),
        (Listing(room_id=fuji, site="Osaka"), []),
        (Listing(since=NINE + timedelta(hours=1)), [3, 4]),
        (Listing(since=NINE + timedelta(minutes=59), until=NINE + timedelta(hours=2)), [1, 2]),
        (Listing(day=date(2031, 3, 1), site="Tokyo", person_id=person.id), [1]),
        (Listing(day=date(2031, 3, 2)), []),
    ):
        assert numbers(await ports.reads.reservations(listing, after=None, limit=10)) == expected, listing


async def move(ports: Any, before: Reservation, room_version: int = 1, within: bool = False, **changes: Any) -> Placing:
    after = replace(before, version=before.version + 1, **changes)
    change = recorded(before, after, Act.RESCHEDULE, Author(before.person_id, NINE, None))
    async with ports.begin() as tx:
        outcome: Placing = await tx.reservations.hold(
            after, change, Hold(after.interval, within=within), room_version=room_version, leaves_room_id=before.room_id
        )
    return outcome


@pytest.mark.requirement("BK-03", "BK-05")
async def test_moving(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    hour = timedelta(hours=1)
    one, two = wanted(1, room_id, person), wanted(2, room_id, person, NINE + hour)
    await place(ports, one)
    await place(ports, two)
    later = Interval(NINE + 2 * hour, NINE + 3 * hour)
    assert await move(ports, one, room_version=2, interval=later) is Placing.ROOM_CHANGED
    assert await move(ports, replace(one, version=7), interval=later) is Placing.RESERVATION_CHANGED
    with pytest.raises(RoomAlreadyReservedError):
        await move(ports, one, interval=two.interval)
    overlapping_itself = Interval(NINE - hour, NINE + hour / 2)
    assert await move(ports, one, interval=overlapping_itself, title="u") is Placing.PLACED
    assert (await ports.reads.reservation(one.id)).reservation == replace(
        one, interval=overlapping_itself, title="u", version=2
    )
    assert await place(ports, wanted(3, room_id, person, NINE + hour / 2, 0.5)) is Placing.PLACED
    record = await ports.reads.record(one.id, after=1, limit=5)
    assert [change.version for change in record.changes] == [2]
    assert record.first_steps["title"] == Step("t", "u")
    assert (await ports.reads.record(two.id, after=0, limit=5)).changes == []


@pytest.mark.requirement("BK-05")
async def test_giving_time_back_takes_no_more_than_was_held(ports: Any, person: Person, new_room: NewRoom) -> None:
    room_id = await settled(ports, person, new_room)
    hour = timedelta(hours=1)
    one, two = wanted(1, room_id, person, hours=2), wanted(2, room_id, person, NINE + 2 * hour)
    await place(ports, one)
    await place(ports, two)
    after = replace(one, version=2, interval=Interval(NINE, NINE + hour))
    change = recorded(one, after, Act.RESCHEDULE, Author(person.id, NINE, None))
    async with ports.begin() as tx:
        new_buffers = Hold(Interval(NINE, NINE + 3 * hour), within=True)
        await tx.reservations.hold(after, change, new_buffers, room_version=1, leaves_room_id=room_id)
    assert (await ports.reads.reservation(one.id)).reservation == after
    async with ports.begin() as tx:
        again = replace(after, version=3, title="u")
        change = recorded(after, again, Act.RESCHEDULE, Author(person.id, NINE, None))
        await tx.reservations.hold(again, change, KEEP, room_version=1, leaves_room_id=room_id)
    assert (await ports.reads.reservation(one.id)).reservation == again
    assert await place(ports, wanted(3, room_id, person, NINE + hour, 0.5)) is Placing.TAKEN
