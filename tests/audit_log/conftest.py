"""Fixtures of the audit log: its database, facts, events on the bus, and the service as real processes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.audit_log.domain.leaf import read_leaf
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.wiring.service import LEADERSHIP, PACKAGE
from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.registry import encode
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.leases import held_lease
from yoyaku.testkit.replicas import (
    Replica,
    database_environment,
    environment_of,
    prefixed,
    replicas,
    secret_file,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


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
    return await database(PACKAGE)


@pytest_asyncio.fixture
async def pool(audit_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(audit_database.service, application_name="test-audit-log") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="audit-log", new_id=new_event_id, now=lambda: datetime.now(UTC))


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    """`held_lease(pool)` leads for the time of the block."""
    return partial(held_lease, name=LEADERSHIP)


@pytest_asyncio.fixture
async def log(pool: Pool, outbox: Outbox) -> AsyncIterator[PostgresLog]:
    """The append side, while leading."""
    async with held_lease(pool, LEADERSHIP) as lease:
        yield PostgresLog(pool, outbox, lease)


async def begun(log: PostgresLog) -> RecordFacts:
    """Begin a term, and return what records in it."""
    tree = GrowingTree()
    await BeginTerm(log, tree, "test")()
    return RecordFacts(log, tree)


@pytest.fixture(name="begun")
def begun_fixture() -> Callable[..., Awaitable[RecordFacts]]:
    """`await begun(log)` begins a term and gives what records in it."""
    return begun


@pytest_asyncio.fixture
async def record(log: PostgresLog) -> RecordFacts:
    """What records, in a term that has begun."""
    return await begun(log)


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


def service_settings(database: Database, folder: Path) -> dict[str, str]:
    """Return what the service needs beside its database and the bus: further roles, keys, an archive folder."""
    seeds, master, digest = (
        secret_file(folder / name, token_hex(32)) for name in ("signing.keys", "master.key", "digest.key")
    )
    return {
        **database_environment("SEALER_DATABASE", database.as_role("sealer"), folder),
        **database_environment("KEYS_DATABASE", database.as_role("keys"), folder),
        "SIGNING_KEYS_FILE": str(seeds),
        "MASTER_KEY_FILE": str(master),
        "DIGEST_KEY_FILE": str(digest),
        "OBJECT_STORE_URL": (folder / "archive").as_uri(),
    }


@pytest.fixture
def start_replica(audit_database: Database, bus: Bus, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """`start_replica()` starts a real process on the test's database and bus; all are ended with the test."""
    environment = environment_of(PACKAGE, audit_database.service, bus, tmp_path)
    own = service_settings(audit_database, tmp_path) | {"LEASE_SECONDS": "2"}
    with replicas(PACKAGE, environment | prefixed(PACKAGE, own), tmp_path) as start:
        yield start


async def entries_of(pool: Pool) -> list[Any]:
    """Return every entry in order of position, as its leaf tells it."""
    rows = await pool.fetch("SELECT leaf, content FROM audit_entry LEFT JOIN audit_body USING (position, recorded_at)")
    entries = [asdict(read_leaf(row["leaf"], row["content"])) for row in rows]
    return sorted(entries, key=itemgetter("position"))


@pytest.fixture(name="entries_of")
def entries_of_fixture() -> Callable[..., Awaitable[list[Any]]]:
    return entries_of
