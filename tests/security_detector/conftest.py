"""Fixtures of the detector: its database, failed sign-ins on the bus, and the service as real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from nats.errors import Error
from nats.js import JetStreamContext

from yoyaku.contracts.blocks import BlockValue, kv_key
from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason
from yoyaku.contracts.registry import dataschema, encode
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.kv import kv_read
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.stored import StoredMessage, read_stream
from yoyaku.messaging.topology import BLOCKS
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database

LIMIT_SECONDS = 60.0
ATTACKER = "203.0.113.9"


async def eventually(check: Callable[[], Awaitable[bool]], *, within_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until `check` says yes."""
    async with asyncio.timeout(within_seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.05)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Awaitable[None]]:
    return eventually


@pytest_asyncio.fixture
async def security_database(database: Callable[..., Awaitable[Database]]) -> Database:
    """A fresh database of the detector."""
    return await database("yoyaku.security_detector")


@pytest_asyncio.fixture
async def pool(security_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(security_database.service, application_name="test-detector") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="security-detector", new_id=new_event_id, now=lambda: datetime.now(UTC))


@asynccontextmanager
async def held_lease(pool: Pool, *, ttl_seconds: float = 60.0) -> AsyncIterator[Lease]:
    """Lead for the time of the block."""
    taken: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run(lease: Lease) -> None:
        taken.set_result(lease)
        await stop.wait()

    leadership = Leadership(pool, "detector", holder=new_event_id(), ttl_seconds=ttl_seconds)
    leading = asyncio.create_task(leadership.lead(run, stop))
    try:
        yield await taken
    finally:
        stop.set()
        await leading


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    return held_lease


@dataclass
class Attack:
    """Publishes failed sign-ins as the booking service's relay does, and looks at what came of them."""

    js: JetStreamContext
    sent: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    async def fail(
        self,
        count: int = 1,
        *,
        address: str = ATTACKER,
        reason: LoginFailureReason = LoginFailureReason.WRONG_PASSWORD,
        at: datetime | None = None,
        traceparent: str | None = None,
    ) -> list[str]:
        """Publish failed sign-ins a millisecond apart, ending now or at `at`; return their ids."""
        last = at or datetime.now(UTC)
        ids = []
        for number in range(count):
            body = LoginFailed(user_id_digest="5f" * 32, person_id=None, client_address=address, reason=reason)
            envelope = Envelope(
                id=new_event_id(),
                source="/booking/07",
                type=LoginFailed.TYPE,
                time=last - timedelta(milliseconds=count - 1 - number),
                subject=f"login/{number}",
                sequence=len(self.sent),
                actor="anonymous",
                correlation_id=f"request-{len(self.sent)}",
                causation_id=None,
                client_address=address,
                dataschema=dataschema(LoginFailed.TYPE),
            )
            headers = to_headers(envelope) | ({"traceparent": traceparent} if traceparent else {})
            self.sent.append((encode(body), headers))
            await self._publish(encode(body), headers | {"Nats-Msg-Id": envelope.id})
            ids.append(envelope.id)
        return ids

    async def _publish(self, body: bytes, headers: dict[str, str]) -> None:
        """Publish until the stream acknowledges, as a relay does: the id keeps it single."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                try:
                    await self.js.publish(LoginFailed.TYPE, body, headers=headers, timeout=1)
                except (Error, TimeoutError):
                    await asyncio.sleep(0.05)
                else:
                    return

    async def replay(self) -> None:
        """Publish everything again, as a redrive does: the same ids, other messages."""
        for body, headers in self.sent:
            await self.js.publish(LoginFailed.TYPE, body, headers=headers)

    async def blocks(self) -> dict[str, BlockValue]:
        """The bucket as gateways see it."""
        return {key: BlockValue.from_bytes(value) for key, value in (await kv_read(self.js, BLOCKS)).items()}

    async def is_blocked(self, address: str = ATTACKER) -> bool:
        return kv_key("address", address) in await self.blocks()

    async def told(self, event_type: str | None = None) -> list[StoredMessage]:
        """What the detector published, in the order of the stream."""
        found = [message async for message in read_stream(self.js, "SECURITY")]
        return [message for message in found if event_type in {None, message.subject}]

    async def is_handled(self) -> bool:
        """Whether the detector has acknowledged everything."""
        info = await self.js.consumer_info("IDENTITY", "security-detector_identity")
        return not info.num_pending and not info.num_ack_pending


@pytest.fixture
def attack(js: JetStreamContext) -> Attack:
    return Attack(js)


@pytest.fixture
def detector_settings(security_database: Database, bus: Bus) -> SecurityDetectorSettings:
    return SecurityDetectorSettings(
        database=security_database.service,
        nats=bus.settings_for("security-detector"),
        health_port=0,
        lease_seconds=2.0,
    )


@dataclass
class Replica:
    """One real process of the detector."""

    process: "subprocess.Popen[bytes]"
    health_port: int
    log_file: Path

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

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def detector_environment(security_database: Database, bus: Bus, tmp_path: Path) -> dict[str, str]:
    """The environment a process of the detector is started with."""
    service = security_database.service
    assert service.password is not None
    password_file = tmp_path / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(service.password.get_secret_value())
    return {
        "PATH": os.environ["PATH"],
        "SECURITY_DETECTOR_DATABASE__HOST": service.host,
        "SECURITY_DETECTOR_DATABASE__PORT": str(service.port),
        "SECURITY_DETECTOR_DATABASE__DATABASE": service.database,
        "SECURITY_DETECTOR_DATABASE__USER": service.user,
        "SECURITY_DETECTOR_DATABASE__PASSWORD_FILE": str(password_file),
        "SECURITY_DETECTOR_NATS__URL": bus.url,
        "SECURITY_DETECTOR_NATS__NKEY_SEED_FILE": str(bus.seed_file("security-detector")),
        "SECURITY_DETECTOR_LEASE_SECONDS": "2",
    }


@pytest.fixture
def start_replica(detector_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """`start_replica()` starts a real process on the test's database and bus; all are ended with the test."""
    started: list[Replica] = []

    def start(arguments: Sequence[str] = (), **extra: str) -> Replica:
        port = free_port()
        log_file = tmp_path / f"replica-{len(started)}.log"
        with log_file.open("wb") as log_output:
            process = subprocess.Popen(
                [sys.executable, "-m", "yoyaku.security_detector", *arguments],
                env=detector_environment | {"SECURITY_DETECTOR_HEALTH_PORT": str(port)} | extra,
                stderr=log_output,
                stdout=log_output,
            )
        started.append(Replica(process, port, log_file))
        return started[-1]

    yield start
    for replica in started:
        if replica.process.poll() is None:
            replica.process.send_signal(signal.SIGCONT)
            replica.kill()
