"""Booking: reservations per second over HTTP, telemetry and authentication on (PF-02).

Baseline: `pgbench -M prepared` sending the statements of one booking, the same text, to the same server with fsync on,
at the same number of connections. Every booking takes a slot that nobody else has, in either. Rounds alternate, and the
median counts, because the machine is rarely idle.
"""

import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from loadtests.bench.figure import Figure
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, Servers, running_servers

from yoyaku.booking.adapters.postgres.reservations import PLACE_WITH_EVENT
from yoyaku.booking.settings import DatabaseSettings
from yoyaku.booking.wiring.commands import person_maker
from yoyaku.embedded.unprivileged import wheel_bin_dir
from yoyaku.testkit.databases import Database

GOAL_RATIO = 0.3
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


def measure() -> list[Figure]:
    """Measure at each number of connections; then once with every trace recorded and once with the worker beside."""
    figures: list[Figure] = []
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.booking"))
        asyncio.run(make_admin(database))
        with gateway(servers, database, PRODUCTION_SAMPLE_RATIO) as port:
            stage = furnish(servers, database, port)
            figures += [compared(stage, connections) for connections in CONNECTIONS]
        baseline = figures[-1].baseline
        with gateway(servers, database, 1.0) as port:
            stage.port = port
            figures.append(alone(stage, "with every trace recorded", baseline))
        figures.append(beside_the_relay(servers, baseline))
    return figures


def beside_the_relay(servers: Servers, baseline: float) -> Figure:
    """Measure on a fresh database, whose outbox holds nothing but what is booked now."""
    database = asyncio.run(servers.databases.create("yoyaku.booking"))
    asyncio.run(make_admin(database))
    ratio = PRODUCTION_SAMPLE_RATIO
    with gateway(servers, database, ratio) as port, process(servers, database, 0, "worker", ratio):
        return alone(furnish(servers, database, port), "with the relay publishing beside", baseline)


def compared(stage: Stage, connections: int) -> Figure:
    """Alternate both and return the medians."""
    booked, bare = [], []
    for _ in range(ROUNDS):
        booked.append(load(stage, connections))
        bare.append(pgbench(stage, connections))
    value = statistics.median(result["per_second"] for result in booked)
    p95 = statistics.median(result["p95_ms"] for result in booked)
    return Figure(
        name=f"bookings over HTTP, {connections} connections",
        value=value,
        unit="bookings/s",
        baseline_name="pgbench -M prepared",
        baseline=statistics.median(bare),
        goal_ratio=GOAL_RATIO,
        note=f"{WORKERS} workers, traces sampled at {PRODUCTION_SAMPLE_RATIO:.0%}, p95 {p95:.0f} ms",
    )


def alone(stage: Stage, what: str, baseline: float) -> Figure:
    """Measure at the larger number of connections, beside the baseline taken before."""
    connections = CONNECTIONS[-1]
    value = statistics.median(load(stage, connections)["per_second"] for _ in range(ROUNDS))
    return Figure(
        f"bookings over HTTP, {connections} connections, {what}", value, "bookings/s", "pgbench -M prepared", baseline
    )


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


def load(stage: Stage, connections: int) -> dict[str, Any]:
    """Book over HTTP from a process of its own."""
    plan = {
        "host": "127.0.0.1",
        "port": stage.port,
        "connections": connections,
        "rooms": stage.rooms,
        "tokens": stage.tokens,
        "first_slot": stage.next_slots(),
        "seconds": SECONDS,
        "warmup_seconds": WARMUP_SECONDS,
    }
    told = subprocess.run(
        [sys.executable, "-m", "loadtests.booking_load"],
        input=json.dumps(plan).encode(),
        capture_output=True,
        check=True,
        timeout=LIMIT_SECONDS,
    )
    result: dict[str, Any] = json.loads(told.stdout)
    if set(result["statuses"]) != {"201"}:
        raise RuntimeError(f"not every booking was made: {result['statuses']}")
    return result


def pgbench(stage: Stage, connections: int) -> float:
    """Return the transactions per second of the same SQL."""
    settings = stage.database.service
    assert settings.password is not None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(booking_script(stage))
        script.flush()
        command = [
            str(wheel_bin_dir() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={connections}",
            "--jobs=2", f"--time={SECONDS}", f"--file={script.name}", f"--define=slot={stage.next_slots()}",
            "--host", settings.host,
            "--port", str(settings.port),
            "--username", settings.user, settings.database,
        ]  # fmt: skip
        environment = {**os.environ, "PGPASSWORD": settings.password.get_secret_value()}
        told = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
    found = re.search(r"tps = ([0-9.]+)", told.stdout)
    if told.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {told.stderr[:500]}")
    return float(found[1])


def booking_script(stage: Stage) -> str:
    """Write the statements of one booking for pgbench: each client books slot after slot in a room of its own."""
    starts_at = "(timestamptz '2040-01-01 00:00Z' + :slot * interval '30 minutes')"
    ends_at = f"({starts_at} + interval '30 minutes')"
    person = "(SELECT id FROM person WHERE user_id = 'p0')"
    statement = with_values(
        PLACE_WITH_EVENT,
        ["uuidv7()", ":room::int", person, starts_at, ends_at, starts_at, ends_at, "'Weekly review'", "'confirmed'",
         "1", "now()", "1", "'127.0.0.1'",
         ":shard", "uuidv7()", "'booking.reservation.confirmed.v1'", "repeat(' ', 600) || '{}'",
         "convert_to(repeat('x', 250), 'UTF8')", "'00-00000000000000000000000000000000-0000000000000000-00'"],
    )  # fmt: skip
    return f"""\\set slot :slot + 1
\\set room {min(stage.rooms)} + :client_id
\\set shard random(0, 63)
{flat(statement)};
"""


def with_values(statement: str, values: list[str]) -> str:
    """Put expressions where the parameters stand."""
    return re.sub(r"\$(\d+)", lambda found: f"({values[int(found[1]) - 1]})", statement)


def flat(statement: str) -> str:
    """Put a statement on one line."""
    return " ".join(statement.split())


@contextmanager
def gateway(servers: Servers, database: Database, sample_ratio: float) -> Iterator[int]:
    """Run the gateway and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with process(servers, database, port, "gateway", sample_ratio):
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            for _ in range(READY_SECONDS * 10):
                try:
                    if client.get("/health/ready").status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                subprocess.run(["sleep", "0.1"], check=True)
        yield port


@contextmanager
def process(servers: Servers, database: Database, port: int, command: str, sample_ratio: float) -> Iterator[None]:
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
    started = subprocess.Popen([sys.executable, "-m", "yoyaku.booking", command], env=environment)
    try:
        yield
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(40)
