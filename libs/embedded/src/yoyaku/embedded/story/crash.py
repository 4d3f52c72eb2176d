"""Chapter: a process is killed in the middle of a burst of bookings, and nothing is lost."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx

from yoyaku.embedded.story.audit import AuditReader, Entry, check_order
from yoyaku.embedded.story.stage import Person, Stage, described

VICTIM = "booking-worker"
BOOKINGS = 240
CLIENTS = 12
KILL_AFTER = 80
FIRST_DAY = 10
CONFIRMED = "booking.reservation.confirmed.v1"


class Burst:
    """Bookings made by several clients at once, each of a slot of its own; knows what was answered 201."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._waiting = list(range(BOOKINGS))
        self.booked: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.enough = asyncio.Event()

    async def run(self) -> None:
        """Book every slot."""
        try:
            people = [self._stage.cast.person(name) for name in ("aiko", "ben", "chie")]
            await asyncio.gather(*(self._client(people[number % len(people)]) for number in range(CLIENTS)))
        finally:
            self.enough.set()

    async def _client(self, person: Person) -> None:
        rooms = sorted(self._stage.cast.rooms.values())
        while self._waiting:
            number = self._waiting.pop()
            starts_at = self._stage.slot(days=FIRST_DAY, hour=0) + timedelta(hours=number // len(rooms))
            answer = await self._stage.book(person, rooms[number % len(rooms)], starts_at, f"Burst {number}")
            self._note(answer)

    def _note(self, answer: httpx.Response) -> None:
        if answer.status_code == 201:
            self.booked.append(answer.json())
        else:
            self.refused.append(described(answer))
        if len(self.booked) >= KILL_AFTER:
            self.enough.set()


async def killed_in_a_burst(stage: Stage) -> None:
    """Kill the process that carries events to the bus, in the middle of a burst; then count everything."""
    stage.narrator.say(
        f"{CLIENTS} clients make {BOOKINGS} bookings. In the middle of it, [bold]kill -9[/bold] hits "
        f"[bold]{VICTIM}[/bold], the process that carries events from the database to the bus."
    )
    burst = Burst(stage)
    playing = asyncio.create_task(burst.run())
    await burst.enough.wait()
    if playing.done():
        await playing
    done_before = len(burst.booked)
    killed = stage.house.kill(VICTIM)
    await playing
    stage.narrator.say(f"[dim]process {killed} was killed after {done_before} of {BOOKINGS} bookings[/dim]")
    stage.holds("the kill came in the middle", done_before < BOOKINGS, done_before)
    stage.must_hold(
        f"all {BOOKINGS} bookings are answered 201",
        len(burst.booked) == BOOKINGS and not burst.refused,
        burst.refused[:3],
    )
    pid = await stage.eventually(lambda: _pid(stage), lambda found: found not in (None, killed))
    stage.holds(f"{VICTIM} runs again, as another process", pid not in (None, killed), pid)
    await _all_in_database(stage, burst)
    await _all_in_audit_log(stage, burst)


async def _pid(stage: Stage) -> int | None:
    return stage.house.pid(VICTIM)


async def _all_in_database(stage: Stage, burst: Burst) -> None:
    found = Counter[str]()
    hours = -(-BOOKINGS // len(stage.cast.rooms))
    for day in range(-(-hours // 24)):
        for room_id in stage.cast.rooms.values():
            listed = await stage.reservations(room_id, stage.slot(days=FIRST_DAY + day, hour=0))
            found.update(str(reservation["id"]) for reservation in listed)
    wanted = {str(reservation["id"]) for reservation in burst.booked}
    lost = wanted - found.keys()
    stage.holds(f"each of the {len(wanted)} is in the database", not lost, f"{len(lost)} missing: {sorted(lost)[:3]}")


async def _all_in_audit_log(stage: Stage, burst: Burst) -> None:
    wanted = {str(reservation["id"]) for reservation in burst.booked}
    reader = AuditReader(stage)
    entries = await stage.eventually(reader.read_on, lambda seen: wanted <= _confirmed(seen).keys(), within_seconds=60)
    counted = _confirmed(entries)
    wrong = {reservation_id: counted[reservation_id] for reservation_id in wanted if counted[reservation_id] != 1}
    stage.holds(
        f"each of the {len(wanted)} is in the audit log exactly once",
        not wrong,
        f"{len(wrong)} wrong: {list(wrong.items())[:3]}",
    )
    check_order(stage, entries)


def _confirmed(entries: list[Entry]) -> Counter[str]:
    return Counter(
        str(entry["body"]["reservation_id"])
        for entry in entries
        if entry.get("type") == CONFIRMED and entry.get("body")
    )
