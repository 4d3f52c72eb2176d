"""A system of its own with people and rooms in it, for load: started in a scratch folder, gone afterwards."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx

from yoyaku.embedded.system import System, start_system
from yoyaku.testkit.servers import make_scratch_folder

SITES = (("Tokyo", "Asia/Tokyo"), ("Berlin", "Europe/Berlin"))
AT_ONCE = 8
LIMITS = {
    "BOOKING_OBSERVABILITY__TRACE_SAMPLE_RATIO": "0.01",
    "BOOKING_OBSERVABILITY__LOG_LEVEL": "WARNING",
    # A hundred people behind one address, each of them as busy as the script asks.
    "BOOKING_RATE_LIMIT__ADDRESS_QUOTA": "1000000",
    "BOOKING_RATE_LIMIT__PERSON_QUOTA": "1000000",
    "BOOKING_RATE_LIMIT__SIGN_IN_ADDRESS_QUOTA": "1000000",
}
"""What differs from `yoyaku up`: production's share of traces, and limits that one machine's load would meet."""


@dataclass(frozen=True, slots=True)
class Office:
    """A running system whose people can sign in."""

    system: System
    rooms: list[int]
    people: int
    password: str

    async def connect(self, database: str) -> asyncpg.Connection:
        """Connect to a service's database as its owner."""
        return await asyncpg.connect(
            host=self.system.postgres.host,
            port=self.system.postgres.port,
            user=f"{database}_owner",
            database=database,
            password=self.system.secrets.password(f"{database}_owner").get_secret_value(),
        )


@asynccontextmanager
async def open_office(*, people: int, rooms: int, workers: int) -> AsyncIterator[Office]:
    """Start everything, hire the people, build the rooms; end everything when the block does."""
    folder = make_scratch_folder()
    try:
        async with start_system(folder / "data", workers=workers, overrides={**LIMITS}) as system:
            assert system.admin is not None
            password = secrets.token_urlsafe(18)
            async with httpx.AsyncClient(base_url=system.gateway_url, timeout=60, trust_env=False) as client:
                given = {"user_id": system.admin.user_id, "password": system.admin.password.get_secret_value()}
                admin = (await client.post("/api/v1/auth/login", json=given)).raise_for_status().json()
                client.headers["Authorization"] = f"Bearer {admin['access_token']}"
                await _hire(client, people, password)
                numbers = [await _build(client, number) for number in range(rooms)]
            yield Office(system, numbers, people, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _hire(client: httpx.AsyncClient, people: int, password: str) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def hire(number: int) -> None:
        person = {"user_id": f"person-{number}", "display_name": f"P. {number}", "role": "USER", "password": password}
        async with gate:
            (await client.post("/api/v1/users", json=person)).raise_for_status()

    await asyncio.gather(*(hire(number) for number in range(people)))


async def _build(client: httpx.AsyncClient, number: int) -> int:
    site, zone = SITES[number % len(SITES)]
    room = {"name": f"Room {number}", "site": site, "capacity": 4 + number % 12, "time_zone": zone}
    made: int = (await client.post("/api/v1/rooms", json=room)).raise_for_status().json()["id"]
    return made


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
