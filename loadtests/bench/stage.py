"""The stage of every benchmark of the gateway: its processes, rooms and people on a fresh database, and the load on it.

A load comes from a process of its own (`loadtests.http_load`); beside requests a second it tells what CPU each request
cost the gateway and PostgreSQL, which a busy machine blurs less than time.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from loadtests.bench.servers import Servers

from yoyaku.booking.settings import DatabaseSettings
from yoyaku.booking.wiring.commands import person_maker
from yoyaku.testkit.databases import Database

CONNECTIONS = (32, 100)
ROUNDS = 3
SECONDS = 6
WARMUP_SECONDS = 1.5
WORKERS = 2
POOL_MAX = 8
"""Connections a worker; beside those of pgbench they must fit the server's limit."""
PEOPLE = 8
PASSWORD = "kaigishitsu wo yoyaku 7"
SLOTS_A_ROUND = 100_000
READY_SECONDS = 60
LIMIT_SECONDS = 90
GATEWAY: tuple[str, ...] = ("yoyaku.booking", "gateway")
WORKER: tuple[str, ...] = ("yoyaku.booking", "worker")


@dataclass
class Stage:
    """A database with rooms and people, and where the gateway listens."""

    servers: Servers
    database: Database
    port: int
    rooms: list[int]
    tokens: list[str]
    slot: int = 0

    def next_slots(self) -> int:
        """Return where a round's slots begin."""
        self.slot += SLOTS_A_ROUND
        return self.slot


@dataclass(frozen=True, slots=True)
class Load:
    """What a load measured; CPU in microseconds a request, the warm-up's requests counted too."""

    per_second: float
    p95_ms: float
    cpu: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> str:
        """The CPU of a request in words."""
        return ", ".join(f"{name} {value:.0f} µs" for name, value in self.cpu.items())


async def make_admin(database: Database) -> None:
    """Make the ADMIN who furnishes the house."""
    async with person_maker(DatabaseSettings(database=database.service)) as create_person:
        await create_person.first_admin("admin", PASSWORD)


def furnish(servers: Servers, database: Database, port: int) -> Stage:
    """Make a room for each connection and people who book."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        admin = log_in(client, "admin")
        headers = {"Authorization": f"Bearer {admin}"}
        rooms, tokens = [], []
        for number in range(max(CONNECTIONS)):
            room = {"name": f"Room {number}", "site": "Tokyo", "capacity": 8, "time_zone": "Asia/Tokyo"}
            rooms.append(client.post("/api/v1/rooms", json=room, headers=headers).raise_for_status().json()["id"])
        for number in range(PEOPLE):
            person = {"user_id": f"p{number}", "display_name": "P", "role": "USER", "password": PASSWORD}
            client.post("/api/v1/users", json=person, headers=headers).raise_for_status()
            tokens.append(log_in(client, person["user_id"]))
    return Stage(servers, database, port, rooms, tokens)


def log_in(client: httpx.Client, user_id: str) -> str:
    """Return an access token."""
    answer = client.post("/api/v1/auth/login", json={"user_id": user_id, "password": PASSWORD})
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def load(stage: Stage, connections: int, paths: Sequence[str] = ()) -> Load:
    """Book over HTTP, or read the paths in turn, from a process of its own. Raises RuntimeError for another status."""
    plan = {
        "host": "127.0.0.1",
        "port": stage.port,
        "connections": connections,
        "rooms": stage.rooms,
        "tokens": stage.tokens,
        "first_slot": 0 if paths else stage.next_slots(),
        "paths": list(paths),
        "seconds": SECONDS,
        "warmup_seconds": WARMUP_SECONDS,
    }
    before = cpu_seconds()
    told = subprocess.run(
        [sys.executable, "-m", "loadtests.http_load"],
        input=json.dumps(plan).encode(),
        capture_output=True,
        check=True,
        timeout=LIMIT_SECONDS,
    )
    after = cpu_seconds()
    result: dict[str, Any] = json.loads(told.stdout)
    if set(result["statuses"]) != {"200" if paths else "201"}:
        raise RuntimeError(f"not every request was answered well: {result['statuses']}")
    cpu = {name: 1e6 * (after[name] - before[name]) / result["answered"] for name in after}
    return Load(result["per_second"], result["p95_ms"], cpu)


def cpu_seconds() -> dict[str, float]:
    """Return the CPU time that the gateway and PostgreSQL have used, all their processes together."""
    found = {"gateway": 0.0, "PostgreSQL": 0.0}
    for process in psutil.Process().children(recursive=True):
        try:
            command, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        if "postgres" in command:
            found["PostgreSQL"] += times.user + times.system
        elif "yoyaku.booking" in command or "loadtests.bench" in command:
            found["gateway"] += times.user + times.system
    return found


@contextmanager
def gateway(
    servers: Servers, database: Database, sample_ratio: float, module: Sequence[str] = GATEWAY
) -> Iterator[int]:
    """Run the gateway and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with process(servers, database, port, module, sample_ratio):
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            for _ in range(READY_SECONDS * 10):
                try:
                    if client.get("/health/ready").status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                time.sleep(0.1)
        yield port


@contextmanager
def process(
    servers: Servers, database: Database, port: int, module: Sequence[str], sample_ratio: float
) -> Iterator[None]:
    """Run one process of the service."""
    settings = database.service
    assert settings.password is not None
    secrets = servers.bus.secrets
    environment = {
        **os.environ,
        "BOOKING_DATABASE__HOST": settings.host,
        "BOOKING_DATABASE__PORT": str(settings.port),
        "BOOKING_DATABASE__DATABASE": settings.database,
        "BOOKING_DATABASE__USER": settings.user,
        "BOOKING_DATABASE__PASSWORD": settings.password.get_secret_value(),
        "BOOKING_NATS__URL": servers.bus.url,
        "BOOKING_NATS__NKEY_SEED_FILE": str(servers.bus.seed_file("booking")),
        "BOOKING_HTTP_PORT": str(port or 1),
        "BOOKING_WORKERS": str(WORKERS),
        "BOOKING_DATABASE__POOL_MAX": str(POOL_MAX),
        "BOOKING_KEY_ENCRYPTION_KEY_FILE": str(secrets.key_encryption_key_file()),
        "BOOKING_DIGEST_KEY_FILE": str(secrets.digest_key_file()),
        "BOOKING_OBSERVABILITY__TRACE_SAMPLE_RATIO": str(sample_ratio),
        "BOOKING_OBSERVABILITY__LOG_LEVEL": "WARNING",
        # Judged on each request as always, and never reached.
        "BOOKING_RATE_LIMIT__ADDRESS_QUOTA": "1000000",
        "BOOKING_RATE_LIMIT__PERSON_QUOTA": "1000000",
        "BOOKING_RATE_LIMIT__SIGN_IN_ADDRESS_QUOTA": "1000000",
        "BOOKING_RATE_LIMIT__SIGN_IN_ACCOUNT_QUOTA": "1000000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": servers.collector,
    }
    started = subprocess.Popen([sys.executable, "-m", *module], env=environment)
    try:
        yield
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(40)
