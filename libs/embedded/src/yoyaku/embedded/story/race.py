"""Chapter: a hundred clients race for one slot."""

import asyncio
import time
from collections import Counter

import httpx

from yoyaku.embedded.story.stage import Person, Stage

CLIENTS = 100


async def hundred_for_one(stage: Stage) -> None:
    """A hundred clients ask for the same hour at the same moment; exactly one gets it."""
    room_id, starts_at = stage.cast.room("Kaede"), stage.slot(days=2, hour=14)
    stage.narrator.say(f"{CLIENTS} clients, each on a connection of its own, ask for Kaede at the same moment.")
    chie = stage.cast.person("chie")
    stage.answered("Chie signs in", await stage.sign_in(chie), 200)
    runners = [stage.cast.person("aiko"), stage.cast.person("ben"), chie]
    gate = asyncio.Event()

    async def run(number: int) -> tuple[httpx.Response, float]:
        person: Person = runners[number % len(runners)]
        await gate.wait()
        began = time.perf_counter()
        answer = await stage.book(person, room_id, starts_at, f"Race {number}")
        return answer, time.perf_counter() - began

    running = [asyncio.create_task(run(number)) for number in range(CLIENTS)]
    gate.set()
    finished = await asyncio.gather(*running)
    _judge(stage, finished)
    await _check_day(stage, room_id)


def _judge(stage: Stage, finished: list[tuple[httpx.Response, float]]) -> None:
    statuses = Counter(answer.status_code for answer, _ in finished)
    stage.narrator.bars([("201 booked", statuses[201], "green"), ("409 already taken", statuses[409], "yellow")])
    took = sorted(seconds for _, seconds in finished)
    stage.narrator.say(
        f"[dim]answers after {took[0] * 1000:.0f} ms (first), {took[len(took) // 2] * 1000:.0f} ms (median), "
        f"{took[-1] * 1000:.0f} ms (last)[/dim]"
    )
    stage.must_hold("exactly one of them wins", statuses[201] == 1, dict(statuses))
    stage.holds("the other 99 are refused with 409, none with an error", statuses[409] == CLIENTS - 1, dict(statuses))
    winner = next(answer for answer, _ in finished if answer.status_code == 201).json()
    stage.expect_in_audit("one of 100 won Kaede", "booking.reservation.confirmed.v1", reservation_id=winner["id"])


async def _check_day(stage: Stage, room_id: int) -> None:
    day = stage.slot(days=2, hour=0)
    found = await stage.reservations(room_id, day)
    stage.holds("the list of that day shows one booking", len(found) == 1, found)
