"""Scale: the same figures with 1,000 rooms and a million reservations in the database (PF-02).

Bookings are compared with those of a small database on the same server in the same run, round by round. The lists are
asked for one at a time, so that what is seen is how long one takes.
"""

import asyncio
import statistics

import asyncpg
from loadtests.bench.figure import Figure
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, Servers, running_servers
from loadtests.bench.stage import PEOPLE, ROUNDS, Load, Stage, furnish, gateway, load, make_admin
from loadtests.crowd import Crowd, fill

from yoyaku.testkit.databases import Database

CROWD = Crowd()
CONNECTIONS = 100
GOAL_RATIO = 0.8
GOAL_MS = 20.0
_HAND_OVER = """
UPDATE reservation SET person_id = (SELECT id FROM person WHERE user_id = $1)
WHERE person_id = (SELECT id FROM person WHERE user_id = $2)
"""


def measure() -> list[Figure]:
    """Measure bookings in both databases, then the lists in the large one."""
    with running_servers() as servers:
        small, large = asyncio.run(fresh(servers)), asyncio.run(fresh(servers))
        asyncio.run(fill(large.admin, CROWD))
        ratio = PRODUCTION_SAMPLE_RATIO
        with gateway(servers, small, ratio) as small_port, gateway(servers, large, ratio) as large_port:
            little, much = furnish(servers, small, small_port), furnish(servers, large, large_port)
            asyncio.run(hand_over(large))
            figures = [bookings(little, much)]
            return figures + [read(much, name, path) for name, path in reads(much).items()]


async def fresh(servers: Servers) -> Database:
    """Return a database with its first administrator."""
    database = await servers.databases.create("yoyaku.booking")
    await make_admin(database)
    return database


async def hand_over(database: Database) -> None:
    """Give everybody who reads the reservations of somebody in the crowd: a hundred each."""
    connection = await asyncpg.connect(**database.owner.connect_arguments("bench"))
    try:
        for number in range(PEOPLE):
            await connection.execute(_HAND_OVER, f"p{number}", f"crowd-{number + 1}")
    finally:
        await connection.close()


def bookings(little: Stage, much: Stage) -> Figure:
    """Alternate both and return the medians."""
    rounds: dict[str, list[Load]] = {"little": [], "much": []}
    for _ in range(ROUNDS):
        rounds["little"].append(load(little, CONNECTIONS))
        rounds["much"].append(load(much, CONNECTIONS))
    little_median, much_median = (statistics.median(one.per_second for one in loads) for loads in rounds.values())
    return Figure(
        name=f"bookings over HTTP among {CROWD.reservations:,}, {CONNECTIONS} connections",
        value=much_median,
        unit="bookings/s",
        baseline_name=f"in a small database (CPU: {rounds['little'][-1].cost})",
        baseline=little_median,
        goal_ratio=GOAL_RATIO,
        note=f"CPU: {rounds['much'][-1].cost}",
    )


def reads(stage: Stage) -> dict[str, str]:
    """Name the lists and their addresses on a busy day. The rooms of the crowd come before those of the stage."""
    day = f"{CROWD.middle:%Y-%m-%d}"
    return {
        "day list of a room": f"/api/v1/reservations?date={day}&room_id=7",
        "day list of all rooms": f"/api/v1/reservations?date={day}",
        "availability of a day": f"/api/v1/rooms/7/availability?date={day}",
        "first page of the own list": "/api/v1/reservations/my",
    }


def read(stage: Stage, name: str, path: str) -> Figure:
    """Ask for one list after another and return how long the slower ones take."""
    found = load(stage, 1, [path])
    return Figure(
        name=f"{name} among {CROWD.reservations:,}, p95",
        value=found.p95_ms,
        unit="ms",
        baseline_name="",
        baseline=0.0,
        goal=GOAL_MS,
        less_is_better=True,
        note=f"one at a time, {found.per_second:.0f}/s, CPU: {found.cost}",
    )
