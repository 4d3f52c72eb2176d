"""Fixtures of the audit log: its database, facts, events on the bus, and the service as real processes."""

import os
from collections import Counter
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

from yoyaku.audit_log.adapters.index_files import SqliteIndexFiles
from yoyaku.audit_log.adapters.object_store.archive import ObjectStoreArchive, open_archive
from yoyaku.audit_log.adapters.object_store.cache import FolderCache
from yoyaku.audit_log.adapters.personal_keys import ClientDigests, MasterKey, SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.partition_dropper import PostgresPartitionDropper
from yoyaku.audit_log.adapters.postgres.sealing_reads import PostgresSealingReads
from yoyaku.audit_log.adapters.postgres.sealing_writes import PostgresSealingWrites
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.audit_log.domain.leaf import read_leaf
from yoyaku.audit_log.domain.segment import KeptCheckpoint
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.delete_segments import DeleteSegments
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.read_sealed import ReadSealed
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.seal_months import SealMonths
from yoyaku.audit_log.usecases.verify_segment import VerifySegment
from yoyaku.audit_log.usecases.write_segment import WriteSegment
from yoyaku.audit_log.wiring.personal import fields_of
from yoyaku.audit_log.wiring.service import LEADERSHIP, PACKAGE
from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.registry import encode
from yoyaku.contracts.values import canonical_address
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.clock import SetClock
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
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey

SUBJECT_KEYS = SubjectKeys(MasterKey(b"m" * 32), os.urandom)
PERSONAL = Personal(fields_of, ClientDigests(b"d" * 32, canonical_address))
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
        yield PostgresLog(pool, outbox, lease, SUBJECT_KEYS)


@pytest.fixture
def log_of(pool: Pool, outbox: Outbox) -> Callable[[Lease], PostgresLog]:
    """`log_of(lease)` is the append side of a lease that a test holds itself."""
    return lambda lease: PostgresLog(pool, outbox, lease, SUBJECT_KEYS)


async def begun(log: PostgresLog) -> RecordFacts:
    """Begin a term, and return what records in it."""
    tree = GrowingTree()
    await BeginTerm(log, tree, "test")()
    return RecordFacts(log, tree, PERSONAL)


@pytest.fixture
def subject_keys() -> SubjectKeys:
    """The unwrapped keys of personal values, as `log` uses them."""
    return SUBJECT_KEYS


@pytest.fixture
def personal() -> Personal:
    """What says what is personal, with a fixed digest key."""
    return PERSONAL


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


WITNESS = SigningKey("witness.yoyaku/test", bytes(range(32)), Algorithm.COSIGNATURE_V1)


@dataclass
class SealedLog:
    """A log in a real database, its archive in a folder, and a clock that a test moves: months pass in moments."""

    pool: Pool
    log: PostgresLog
    record: RecordFacts
    outbox: Outbox
    lease: Lease
    dropper: PostgresPartitionDropper
    archive: ObjectStoreArchive
    folder: Path
    clock: SetClock
    key: SigningKey
    told: int = 0
    recorded: int = 0
    by_actor: dict[str, set[int]] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)

    @property
    def tree(self) -> PostgresTree:
        return PostgresTree(self.pool)

    @property
    def reads(self) -> PostgresSealingReads:
        return PostgresSealingReads(self.pool)

    async def at(self, moment: datetime, count: int, **changes: Any) -> None:
        """Record so many facts at a moment, which is that of the database too: its head's time is moved there."""
        self.clock.set(moment)
        await self.pool.execute("UPDATE audit_head SET last_recorded_at = $1", moment)
        numbers = range(self.recorded, self.recorded + count)
        self.recorded += count
        given = {"occurred_at": moment, "actor": f"person/{moment.year}"} | changes
        facts = [make_fact(number, correlation_id=f"c-{number}", **given) for number in numbers]
        recording = await self.record(facts)
        self.by_actor.setdefault(given["actor"], set()).update(placed.position for placed in recording.placed)

    async def begin_again(self) -> None:
        """Begin another term, which knows nothing but the database."""
        self.record = await begun(self.log)

    async def take_in_what_was_told(self) -> int:
        """Record the facts of this service's own outbox, as the streams bring them back."""
        rows = await self.pool.fetch(
            "SELECT * FROM outbox_event ORDER BY created_at, shard, number OFFSET $1", self.told
        )
        self.told += len(rows)
        facts = [
            make_fact(
                row["number"],
                source=f"/audit-log/{row['shard']:02d}",
                event_id=str(row["event_id"]),
                type=row["type"],
                body=row["body"],
                actor="service/audit-log",
                occurred_at=self.clock(),
            )
            for row in rows
        ]
        if facts:
            await self.record(facts)
        self.types.update(fact.type for fact in facts)
        return len(facts)

    async def keep_checkpoint(self) -> KeptCheckpoint:
        """Sign the newest tree, and keep it with a cosignature."""
        size = int(await self.pool.fetchval("SELECT next_position FROM audit_head"))
        root = await self.tree.root(1, size)
        checkpoint = Checkpoint(self.key.name, size, root)
        note = checkpoint.sign([self.key]).encode().decode()
        line = cosign(checkpoint.text(), WITNESS, int(self.clock().timestamp())).line()
        arguments = (size, root, note, self.clock())
        await self.pool.execute(
            "INSERT INTO audit_checkpoint (epoch, size, root, note, signed_at) VALUES (1, $1, $2, $3, $4) "
            "ON CONFLICT DO NOTHING",
            *arguments,
        )
        await self.pool.execute(
            "INSERT INTO audit_cosignature (epoch, size, witness, line, cosigned_at) "
            "VALUES (1, $1, 'w', $2, $3) ON CONFLICT DO NOTHING",
            size,
            line,
            self.clock(),
        )
        return KeptCheckpoint(1, size, root, note + line, is_cosigned=True)

    def seal(self, archive: Any = None) -> SealMonths:
        archive = archive or self.archive
        cache = FolderCache(archive, self.folder, 50_000_000)
        index_files = SqliteIndexFiles()
        return SealMonths(
            reads=self.reads,
            writes=PostgresSealingWrites(self.pool, self.outbox, self.lease),
            dropper=self.dropper,
            trees=self.tree,
            write=WriteSegment(self.reads, self.tree, archive, index_files),
            verify=VerifySegment(self.tree, archive, cache, index_files),
            needs_cosignature=True,
            now=self.clock,
        )

    def delete(self) -> DeleteSegments:
        return DeleteSegments(
            self.reads,
            PostgresSealingWrites(self.pool, self.outbox, self.lease),
            self.dropper,
            self.archive,
            retention_years=7,
            needs_cosignature=True,
            now=self.clock,
        )

    def reader(self) -> ReadSealed:
        return ReadSealed(
            self.reads, self.archive, FolderCache(self.archive, self.folder, 50_000_000), SqliteIndexFiles()
        )


@pytest_asyncio.fixture
async def sealed_log(audit_database: Database, pool: Pool, outbox: Outbox, tmp_path: Path) -> AsyncIterator[SealedLog]:
    """A log whose months can be sealed."""
    async with (
        held_lease(pool, LEADERSHIP) as lease,
        connected_pool(audit_database.as_role("sealer"), application_name="test-sealer") as sealer,
    ):
        log = PostgresLog(pool, outbox, lease, SUBJECT_KEYS)
        yield SealedLog(
            pool,
            log,
            await begun(log),
            outbox,
            lease,
            PostgresPartitionDropper(sealer),
            open_archive((tmp_path / "archive").as_uri()),
            tmp_path / "cache",
            SetClock(),
            SigningKey("audit.yoyaku/test/1", bytes(32)),
        )
