"""Fixtures of the audit log: its database, facts, events on the bus, and the service as real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.registry import encode
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT_SECONDS = 60.0


async def eventually(check: Callable[[], Awaitable[bool]], *, within_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until `check` says yes."""
    async with asyncio.timeout(within_seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.05)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Awaitable[None]]:
    return eventually


def make_fact(number: int = 0, **changes: Any) -> Fact:
    given: dict[str, Any] = {
        "source": "/booking/07",
        "number": number,
        "event_id": f"e-{number}",
        "type": "booking.room.created.v1",
        "occurred_at": NOON,
        "actor": "person/1",
        "subject": f"room/{number}",
        "correlation_id": "c",
        "causation_id": None,
        "client_address": "127.0.0.1",
        "dataschema": "s",
        "traceparent": None,
        "body": b"{}",
        "headers": {"a": "b"},
        "origin": Origin("BOOKING", number + 1),
    }
    return readable_fact(**(given | changes))


@pytest.fixture
def fact() -> Callable[..., Fact]:
    """`fact(3, body=b"...")` makes a fact; the same arguments, the same fact."""
    return make_fact


@pytest_asyncio.fixture
async def audit_database(database: Callable[..., Awaitable[Database]]) -> Database:
    """A fresh database of the audit log."""
    return await database("yoyaku.audit_log")


@pytest_asyncio.fixture
async def pool(audit_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(audit_database.service, application_name="test-audit-log") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="audit-log", new_id=new_event_id, now=lambda: datetime.now(UTC))


@asynccontextmanager
async def held_lease(pool: Pool, *, ttl_seconds: float = 60.0) -> AsyncIterator[Lease]:
    """Lead for the time of the block."""
    taken: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run(lease: Lease) -> None:
        taken.set_result(lease)
        await stop.wait()

    leadership = Leadership(pool, "sequencer", holder=new_event_id(), ttl_seconds=ttl_seconds)
    leading = asyncio.create_task(leadership.lead(run, stop))
    try:
        yield await taken
    finally:
        stop.set()
        await leading


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    return held_lease


@pytest_asyncio.fixture
async def log(pool: Pool, outbox: Outbox) -> AsyncIterator[PostgresLog]:
    """The append side, while leading."""
    async with held_lease(pool) as lease:
        yield PostgresLog(pool, outbox, lease)


@dataclass
class Producer:
    """Publishes events of one source as the booking service's relay does."""

    js: JetStreamContext
    source: str = "/booking/07"
    next_number: int = 1
    sent: dict[int, dict[str, str]] = field(default_factory=dict)

    def headers(self, number: int, **changes: str) -> dict[str, str]:
        envelope = Envelope(
            id=new_event_id(),
            source=self.source,
            type=RoomCreated.TYPE,
            time=NOON,
            subject=f"room/{number}",
            sequence=number,
            actor="person/1",
            correlation_id=f"c-{number}",
            causation_id=None,
            client_address="127.0.0.1",
            dataschema="s",
        )
        return to_headers(envelope) | changes

    def body(self, number: int) -> bytes:
        return encode(RoomCreated(room_id=number, site="tokyo", capacity=4, time_zone="Asia/Tokyo"))

    async def publish(self, count: int) -> None:
        """Publish the next `count` events, each acknowledged by the stream."""
        for _ in range(count):
            number, self.next_number = self.next_number, self.next_number + 1
            self.sent[number] = self.headers(number)
            await self.js.publish(RoomCreated.TYPE, self.body(number), headers=self.sent[number])

    async def repeat(self, number: int, *, body: bytes | None = None, **changes: str) -> None:
        """Publish an event again, as a redrive does; changed if asked to."""
        headers = self.sent[number] | changes
        await self.js.publish(RoomCreated.TYPE, self.body(number) if body is None else body, headers=headers)


@pytest.fixture
def producer(js: JetStreamContext) -> Producer:
    return Producer(js)


@dataclass
class Replica:
    """One real process of the audit log."""

    process: "subprocess.Popen[bytes]"
    health_port: int
    log_file: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    async def role(self) -> str | None:
        """`leading` or `standby`, `None` while it is not ready."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                answer = await client.get(f"http://127.0.0.1:{self.health_port}/health/ready")
        except httpx.HTTPError:
            return None
        checks = answer.json().get("checks", {}) if answer.status_code == 200 else {}
        return checks["leadership:role"][0].get("observedValue") if "leadership:role" in checks else None

    async def leads(self) -> bool:
        return await self.role() == "leading"

    async def stands_by(self) -> bool:
        return await self.role() == "standby"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start_replica(audit_database: Database, bus: Bus, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """`start_replica()` starts a real process on the test's database and bus; all are ended with the test."""
    started: list[Replica] = []
    password = audit_database.service.password
    assert password is not None
    password_file = tmp_path / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password.get_secret_value())

    def start(**extra: str) -> Replica:
        port = free_port()
        service = audit_database.service
        environment = {
            "PATH": os.environ["PATH"],
            "AUDIT_LOG_DATABASE__HOST": service.host,
            "AUDIT_LOG_DATABASE__PORT": str(service.port),
            "AUDIT_LOG_DATABASE__DATABASE": service.database,
            "AUDIT_LOG_DATABASE__USER": service.user,
            "AUDIT_LOG_DATABASE__PASSWORD_FILE": str(password_file),
            "AUDIT_LOG_NATS__URL": bus.url,
            "AUDIT_LOG_NATS__NKEY_SEED_FILE": str(bus.seed_file("audit-log")),
            "AUDIT_LOG_HEALTH_PORT": str(port),
            "AUDIT_LOG_LEASE_SECONDS": "2",
        }
        log_file = tmp_path / f"replica-{len(started)}.log"
        with log_file.open("wb") as log_output:
            process = subprocess.Popen(
                [sys.executable, "-m", "yoyaku.audit_log"],
                env=environment | extra,
                stderr=log_output,
                stdout=log_output,
            )
        started.append(Replica(process, port, log_file))
        return started[-1]

    yield start
    for replica in started:
        if replica.process.poll() is None:
            replica.send(signal.SIGCONT)
            replica.kill()


async def entries_of(pool: Pool) -> list[Any]:
    """Return every entry in order of position, the columns tests ask about."""
    return await pool.fetch(
        "SELECT position, source, number, event_id, type, recorded_at, body, problem FROM audit_entry ORDER BY position"
    )


@pytest.fixture(name="entries_of")
def entries_of_fixture() -> Callable[..., Awaitable[list[Any]]]:
    return entries_of
