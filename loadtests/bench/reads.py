"""Reads: own list, a day of a room and a room's availability over HTTP, signed in, telemetry on (PF-02).

Baseline: an empty endpoint of the same processes, signed in too (`empty_route`), which is what an answer costs before
it has a content. Rounds alternate, and the median counts.
"""

import asyncio
import statistics
from collections.abc import Mapping

import httpx
from loadtests.bench.empty_route import PATH as EMPTY
from loadtests.bench.figure import Figure
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, running_servers
from loadtests.bench.stage import ROUNDS, Load, Stage, furnish, gateway, load, make_admin

GOAL_RATIO = 0.7
CONNECTIONS = 100
MODULE = ("loadtests.bench.empty_route",)
OWN_RESERVATIONS = 10
"""How many a person has, and how many are on the day that is looked at."""
DAY = "2041-03-04"
ROOMS_READ = 8


def measure() -> list[Figure]:
    """Measure each read beside the empty endpoint."""
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.booking"))
        asyncio.run(make_admin(database))
        with gateway(servers, database, PRODUCTION_SAMPLE_RATIO, MODULE) as port:
            stage = furnish(servers, database, port)
            book_some(stage)
            return compared(stage, reads_of(stage))


def reads_of(stage: Stage) -> dict[str, list[str]]:
    """Name the reads and the addresses each takes in turn."""
    rooms = stage.rooms[:ROOMS_READ]
    return {
        f"own list of {OWN_RESERVATIONS}": ["/api/v1/reservations/my"],
        "availability of a day": [f"/api/v1/rooms/{room}/availability?date={DAY}" for room in rooms],
        "day of a room": [f"/api/v1/reservations?date={DAY}&room_id={room}" for room in rooms],
    }


def book_some(stage: Stage) -> None:
    """Give each person as many reservations, all on one day, each in a room of their own."""
    with httpx.Client(base_url=f"http://127.0.0.1:{stage.port}", timeout=30, trust_env=False) as client:
        for room, token in zip(stage.rooms, stage.tokens, strict=False):
            for hour in range(OWN_RESERVATIONS):
                body = {
                    "room_id": room,
                    "starts_at": f"{DAY}T{hour:02}:00:00Z",
                    "ends_at": f"{DAY}T{hour:02}:30:00Z",
                    "title": "Weekly review",
                }
                headers = {"Authorization": f"Bearer {token}"}
                client.post("/api/v1/reservations", json=body, headers=headers).raise_for_status()


def compared(stage: Stage, paths: Mapping[str, list[str]]) -> list[Figure]:
    """Alternate the reads with the empty endpoint and return the medians."""
    rounds: dict[str, list[Load]] = {name: [] for name in ("empty", *paths)}
    for _ in range(ROUNDS):
        for name, addresses in {"empty": [EMPTY], **paths}.items():
            rounds[name].append(load(stage, CONNECTIONS, addresses))
    middle = {name: median(loads) for name, loads in rounds.items()}
    empty = middle.pop("empty")
    return [
        Figure(
            name=f"{name}, {CONNECTIONS} connections",
            value=found.per_second,
            unit="requests/s",
            baseline_name=f"empty endpoint ({empty.cost})",
            baseline=empty.per_second,
            goal_ratio=GOAL_RATIO,
            note=f"p95 {found.p95_ms:.0f} ms, CPU: {found.cost}",
        )
        for name, found in middle.items()
    ]


def median(loads: list[Load]) -> Load:
    """Return the load in the middle."""
    middle = statistics.median_low([found.per_second for found in loads])
    return next(found for found in loads if found.per_second == middle)
