"""Fixtures of the detector: its database, failed sign-ins on the bus, and the service as real processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

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
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.stored import StoredMessage, read_stream
from yoyaku.messaging.topology import BLOCKS
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.security_detector.wiring import LEADERSHIP, PACKAGE
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.leases import held_lease
from yoyaku.testkit.replicas import Replica, environment_of, prefixed, replicas

LIMIT_SECONDS = 60.0
ATTACKER = "203.0.113.9"


@pytest_asyncio.fixture
async def security_database(database: Callable[..., Awaitable[Database]]) -> Database:
    """A fresh database of the detector."""
    return await database(PACKAGE)


@pytest_asyncio.fixture
async def pool(security_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(security_database.service, application_name="test-detector") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="security-detector", new_id=new_event_id, now=lambda: datetime.now(UTC))


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    """`held_lease(pool)` leads for the time of the block."""
    return partial(held_lease, name=LEADERSHIP)


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


@pytest.fixture
def detector_environment(security_database: Database, bus: Bus, tmp_path: Path) -> dict[str, str]:
    """The environment a process of the detector is started with."""
    wired = environment_of(PACKAGE, security_database.service, bus, tmp_path)
    return wired | prefixed(PACKAGE, {"LEASE_SECONDS": "2"})


@pytest.fixture
def start_replica(detector_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """`start_replica()` starts a real process on the test's database and bus; all are ended with the test."""
    with replicas(PACKAGE, detector_environment, tmp_path) as start:
        yield start
