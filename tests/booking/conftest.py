"""The booking service for tests: real processes on real servers, people who are signed in, and raw sockets."""

import itertools
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from yoyaku.booking.settings import DatabaseSettings
from yoyaku.booking.wiring.commands import person_maker
from yoyaku.embedded.ports import choose_port
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database, DatabaseFactory
from yoyaku.testkit.replicas import environment_of
from yoyaku.testkit.servers import NatsServer
from yoyaku.testkit.waiting import eventually

LIMIT_SECONDS = 60.0
UNHINDERED = {
    f"BOOKING_RATE_LIMIT__{name}_QUOTA": "1000000"
    for name in ("ADDRESS", "PERSON", "SIGN_IN_ADDRESS", "SIGN_IN_ACCOUNT")
}
"""Limits are on, and so high that tests meet them only where they mean to."""
PASSWORD = "kaigishitsu wo yoyaku 7"
_rooms = itertools.count(1)
_slots = itertools.count(1)


@dataclass
class Service:
    """Gateway and worker processes on one database and one bus."""

    database: Database
    bus: Bus
    secrets: SecretsFolder
    log_folder: Path
    overrides: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {
            **environment_of("yoyaku.booking", self.database.service, self.bus, self.log_folder),
            "BOOKING_HTTP_PORT": str(self.port),
            "BOOKING_WORKERS": "1",
            "BOOKING_HEALTH_PORT": "0",
            **UNHINDERED,
            "BOOKING_KEY_ENCRYPTION_KEY_FILE": str(self.secrets.key_encryption_key_file()),
            "BOOKING_DIGEST_KEY_FILE": str(self.secrets.digest_key_file()),
            **self.overrides,
        }

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log_path(arguments[0]).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "yoyaku.booking", *arguments], env=self.environment(), stderr=log, stdout=log
            )
        self.processes.append(process)
        return process

    def log_path(self, name: str) -> Path:
        return self.log_folder / f"{name}.log"

    def log(self, name: str = "gateway") -> str:
        return self.log_path(name).read_text()

    async def start_gateway(self) -> subprocess.Popen[bytes]:
        self.port = self.port or choose_port()
        process = self.launch("gateway")
        await self.wait_until_ready()
        return process

    async def wait_until_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:

            async def ready() -> bool:
                ended = [process for process in self.processes if process.poll() not in (None, 0, -9)]
                assert not ended, self.log(str(ended[0].args[3]))  # type: ignore[index]
                try:
                    return (await client.get("/health/ready", timeout=2)).status_code == 200
                except httpx.HTTPError:
                    return False

            await eventually(ready)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "yoyaku.booking", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()


@dataclass
class House:
    """A running gateway with an ADMIN and two people who are signed in."""

    service: Service
    client: httpx.AsyncClient
    admin: dict[str, str]
    hanako: dict[str, str]
    taro: dict[str, str]
    admin_password: str

    async def log_in(self, user_id: str, password: str = PASSWORD) -> dict[str, str]:
        answer = await self.client.post("/api/v1/auth/login", json={"user_id": user_id, "password": password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def make_user(self, user_id: str, role: str = "USER") -> None:
        body = {"user_id": user_id, "display_name": user_id.title(), "role": role, "password": PASSWORD}
        answer = await self.client.post("/api/v1/users", json=body, headers=self.admin)
        assert answer.status_code in (201, 409), answer.text

    async def make_room(self, **changes: Any) -> dict[str, Any]:
        body = {"name": f"Room {next(_rooms)}", "site": "Tokyo", "capacity": 8, "time_zone": "Asia/Tokyo", **changes}
        answer = await self.client.post("/api/v1/rooms", json=body, headers=self.admin)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def place(self, room_id: int, slot: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        headers = more.pop("headers", self.hanako)
        body = {"room_id": room_id, "title": "Weekly review", **(slot or next_slot()), **more}
        return await self.client.post("/api/v1/reservations", json=body, headers=headers)


def next_slot(hours: float = 1.0) -> dict[str, str]:
    """Return a slot that no other test has, on the grid, far ahead."""
    start = datetime(2031, 1, 1, tzinfo=UTC) + timedelta(hours=8 * next(_slots))
    return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=hours)).isoformat()}


@pytest.fixture(name="next_slot")
def next_slot_fixture() -> Callable[..., dict[str, str]]:
    return next_slot


async def furnished(service: Service) -> House:
    """Make the people of a house whose gateway runs."""
    password = "first admin's own words"
    async with person_maker(DatabaseSettings(database=service.database.service)) as create_person:
        await create_person.first_admin("admin", password)
    client = httpx.AsyncClient(base_url=service.url, timeout=30, trust_env=False)
    house = House(service, client, {}, {}, {}, password)
    house.admin = await house.log_in("admin", password)
    await house.make_user("hanako")
    await house.make_user("taro")
    house.hanako, house.taro = await house.log_in("hanako"), await house.log_in("taro")
    return house


@dataclass
class BookingService:
    """Makes gateways that a module of tests shares."""

    make: Callable[..., Service] = Service
    furnish: Callable[[Service], Awaitable[House]] = furnished


@pytest.fixture(scope="session")
def booking_service() -> BookingService:
    return BookingService()


@pytest_asyncio.fixture
async def service(
    database: Callable[..., Awaitable[Database]], bus: Bus, test_secrets: SecretsFolder, tmp_path: Path
) -> AsyncIterator[Service]:
    """The service on a fresh database and a fresh bus, nothing started."""
    made = Service(await database("yoyaku.booking"), bus, test_secrets, tmp_path)
    yield made
    made.stop()


@pytest_asyncio.fixture
async def own_house(service: Service) -> AsyncIterator[House]:
    """A furnished gateway of the test's own, to be killed and starved as it likes."""
    await service.start_gateway()
    house = await furnished(service)
    yield house
    await house.client.aclose()


@pytest_asyncio.fixture(scope="session")
async def house(
    database_factory: DatabaseFactory,
    nats_server: NatsServer,
    test_secrets: SecretsFolder,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[House]:
    """A furnished gateway that tests share; each makes its own rooms."""
    bus = Bus(nats_server, test_secrets)
    await bus.reset()
    made = Service(await database_factory.create("yoyaku.booking"), bus, test_secrets, tmp_path_factory.mktemp("house"))
    try:
        await made.start_gateway()
        house = await furnished(made)
        yield house
        await house.client.aclose()
    finally:
        made.stop()


@pytest.fixture
def unused_port() -> Iterator[int]:
    yield choose_port()
