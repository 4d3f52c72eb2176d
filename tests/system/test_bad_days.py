"""Bad days: a process is killed in the middle of 1,000 bookings, and nothing is lost or doubled."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from yoyaku.embedded.system import System
from yoyaku.testkit.people import People
from yoyaku.testkit.waiting import eventually

BOOKINGS = 1_000
CLIENTS = 20
KILL_AFTER = 300
TRIES = 200
CONFIRMED = "booking.reservation.confirmed.v1"


@dataclass
class Burst:
    """What the clients of one burst saw."""

    booked: dict[str, int] = field(default_factory=dict)
    """Reservation id by the slot it was answered for."""
    refused: Counter[int] = field(default_factory=Counter)
    lost_answers: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)


async def book_all(people: People, rooms: list[int], burst: Burst) -> None:
    """Book every slot once, as a careful client does: the same Idempotency-Key until there is an answer."""
    headers = await people.person("burst")
    slots = iter(range(BOOKINGS))

    async def client() -> None:
        for slot in slots:
            wish = people.wish(rooms[slot % len(rooms)], slot // len(rooms))
            key = {"Idempotency-Key": str(uuid4())}
            for _ in range(TRIES):
                try:
                    answer = await people.http.post("/api/v1/reservations", json=wish, headers=headers | key)
                except httpx.TransportError:
                    burst.lost_answers += 1
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code == 201:
                    burst.booked[answer.json()["id"]] = slot
                    if len(burst.booked) >= KILL_AFTER:
                        burst.reached.set()
                    break
                burst.refused[answer.status_code] += 1
                assert answer.status_code in (409, 503), answer.text
                assert answer.headers["retry-after"], answer.text
                await asyncio.sleep(0.1)
            else:
                raise AssertionError(f"slot {slot} was never booked: {burst.refused}, {burst.lost_answers} lost")

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())


@pytest.mark.requirement("EV-03", "EV-04", "EV-05", "AU-01", "GW-06", "BK-04")
@pytest.mark.parametrize("victim", ["booking-worker", "audit-log", "booking-gateway", "nats", "postgres"])
async def test_a_kill_in_the_middle_of_a_thousand_bookings_loses_and_doubles_nothing(
    system: System, people: People, victim: str
) -> None:
    rooms = [await people.room() for _ in range(10)]
    burst = Burst()
    booking = asyncio.create_task(book_all(people, rooms, burst))
    reached = asyncio.create_task(burst.reached.wait())
    await asyncio.wait({booking, reached}, return_when=asyncio.FIRST_COMPLETED)
    assert not booking.done(), "the burst ended before the kill"
    killed = system.kill(victim)
    await booking
    await system.wait_ready(victim)
    assert system.supervisor.processes[victim].pid != killed

    in_database = await people.fetch("booking", "SELECT id::text FROM reservation WHERE room_id = ANY ($1)", rooms)
    stored = Counter(row["id"] for row in in_database)
    assert len(burst.booked) == BOOKINGS
    assert stored == Counter(dict.fromkeys(burst.booked, 1)), "the database holds exactly what the clients were told"

    async def recorded() -> Counter[str]:
        entries = await people.audit_entries()
        assert [entry["position"] for entry in entries] == list(range(len(entries))), "positions have a gap"
        numbers = Counter((entry["source"], entry["number"]) for entry in entries)
        assert max(numbers.values()) == 1, "a fact was recorded twice"
        return Counter(
            entry["body"]["reservation_id"]
            for entry in entries
            if entry["type"] == CONFIRMED and entry["body"]["room_id"] in rooms
        )

    in_audit = await eventually(recorded, lambda seen: seen.total() >= BOOKINGS)
    missing, doubled = stored - in_audit, in_audit - stored
    assert (missing, doubled) == (Counter(), Counter()), "the audit log holds each booking exactly once"
