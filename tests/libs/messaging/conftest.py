"""Fixtures of messaging: a database with its tables, an outbox, a booking service on the bus, a consumer that notes."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from loguru import logger
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.messaging.broker import ServiceBroker, make_broker, start_broker
from yoyaku.messaging.consumer import Handler, ReceivedEvent, Subscription, subscribe
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.outcomes import RetryPolicy
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database

SERVICE = "booking"
SQL_FILES = ("outbox", "inbox", "leadership")
LIMIT_SECONDS = 30.0
QUICK = RetryPolicy(first_delay_seconds=0.02, max_delay_seconds=0.1)


@dataclass
class StateDatabase:
    """One service's database with the tables of messaging."""

    database: Database
    pool: Pool

    @property
    def settings(self) -> PostgresSettings:
        return self.database.service

    @asynccontextmanager
    async def session(self, settings: PostgresSettings | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection beside the pool, as the service or as who is named."""
        connection = await asyncpg.connect(**(settings or self.settings).connect_arguments("test"))
        try:
            yield connection
        finally:
            await connection.close()

    async def as_owner(self, *statements: str) -> None:
        async with self.session(self.database.owner) as connection:
            for statement in statements:
                await connection.execute(statement)

    async def pending(self) -> int:
        return await self.pool.fetchval(
            "SELECT sum(last_number - published_number)::int FROM outbox_shard JOIN outbox_cursor USING (shard)"
        )

    async def published(self) -> bool:
        return await self.pending() == 0

    async def numbers(self) -> list[tuple[str, int]]:
        """(source, number) of each event in the outbox, sorted."""
        rows = await self.pool.fetch("SELECT headers->>'ce-source' AS source, number FROM outbox_event")
        return sorted((row["source"], row["number"]) for row in rows)


@pytest.fixture
async def state(database: Callable[..., Awaitable[Database]]) -> AsyncIterator[StateDatabase]:
    made = await database()
    owner = await asyncpg.connect(**made.owner.connect_arguments("test"))
    for name in SQL_FILES:
        text = files("yoyaku.messaging").joinpath(f"sql/{name}.sql").read_text()
        await owner.execute(text.replace("{service_role}", made.service.user))
    await owner.close()
    async with connected_pool(made.service, application_name="test") as pool:
        yield StateDatabase(made, pool)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service=SERVICE, new_id=new_event_id, now=lambda: datetime.now(UTC))


@dataclass
class Emitter:
    """Commits small events of many aggregates."""

    outbox: Outbox
    pool: Pool
    ids: list[str] = field(default_factory=list)

    async def commit(self, count: int = 1, *, aggregate: str | None = None) -> list[str]:
        emitted = []
        async with self.outbox.transaction(self.pool) as tx:
            for _ in range(count):
                number = len(self.ids) + len(emitted) + 1
                event = RoomCreated(room_id=number, site="Kyoto", capacity=4, time_zone="Asia/Tokyo")
                emitted.append(tx.emit(event, subject=aggregate or f"room/{number}", actor="operator"))
        self.ids += emitted
        return emitted


@pytest.fixture
def emitter(outbox: Outbox, state: StateDatabase) -> Emitter:
    return Emitter(outbox, state.pool)


@pytest.fixture
async def booking_broker(bus: Bus) -> AsyncIterator[ServiceBroker]:
    broker = make_broker(bus.settings_for(SERVICE), service=SERVICE)
    await start_broker(broker)
    yield broker
    await broker.stop()


@dataclass
class StoredEvent:
    """One message of a stream."""

    source: str
    number: int
    event_id: str
    headers: dict[str, str]
    data: bytes


@pytest.fixture
def stored_events(js: JetStreamContext) -> Callable[..., Awaitable[list[StoredEvent]]]:
    """`await stored_events()` is everything the stream BOOKING holds, in its order."""

    async def read(stream: str = "BOOKING") -> list[StoredEvent]:
        count = (await js.stream_info(stream)).state.messages
        pull = await js.pull_subscribe_bind(
            (await js.add_consumer(stream, ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=30))).name,
            stream,
        )
        found: list[StoredEvent] = []
        while len(found) < count:
            for message in await pull.fetch(min(500, count - len(found)), timeout=5):
                headers = message.headers or {}
                number = int(headers["ce-sequence"])
                found.append(StoredEvent(headers["ce-source"], number, headers["ce-id"], headers, message.data))
        await pull.unsubscribe()
        return found

    return read


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[Relay]:
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await task


@pytest.fixture
def run_relay(state: StateDatabase, booking_broker: ServiceBroker) -> Callable[..., AbstractAsyncContextManager[Relay]]:
    """`async with run_relay():` has a relay at work in this process."""

    def run(**options: float) -> AbstractAsyncContextManager[Relay]:
        return relaying(Relay(state.pool, booking_broker, service=SERVICE, **options))

    return run


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Every log line of INFO and above, as `LEVEL message cause`."""
    written: list[str] = []

    def note(message: Any) -> None:
        record = message.record
        written.append(f"{record['level'].name} {record['message']} {record['extra'].get('cause', '')}".strip())

    sink = logger.add(note, level="INFO")
    yield written
    logger.remove(sink)


@dataclass
class Program:
    """A process of our own that is killed at the end."""

    process: asyncio.subprocess.Process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@pytest.fixture
async def start_program() -> AsyncIterator[Callable[..., Awaitable[Program]]]:
    """`await start_program(path, {...})` runs a Python file with that JSON as its argument's environment."""
    async with AsyncExitStack() as stack:

        async def start(path: Path, arguments: dict[str, object]) -> Program:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(path),
                env={**os.environ, "TEST_ARGUMENTS": json.dumps(arguments)},
                stdout=asyncio.subprocess.PIPE,
            )
            program = Program(process)
            stack.push_async_callback(program.kill)
            assert await program.line() == "started"
            return program

        yield start


@pytest.fixture
def program_arguments(state: StateDatabase) -> Callable[..., dict[str, object]]:
    """`program_arguments(more=...)` is what a program needs to reach the database, and more."""

    def arguments(**more: object) -> dict[str, object]:
        settings = state.settings
        plain = settings.model_dump(mode="json", exclude={"password", "password_file"})
        return {"database": {**plain, "password": settings.read_password()}, **more}

    return arguments


@pytest.fixture
def relay_program() -> Path:
    return Path(__file__).parent / "relay_process.py"


@pytest.fixture
def leader_program() -> Path:
    return Path(__file__).parent / "leader_process.py"


class Seen:
    """A handler that notes what it handled, and does what a test tells it to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.attempts: Counter[str] = Counter()
        self.done: list[str] = []
        self.events: list[ReceivedEvent] = []
        self.before: Callable[[Sequence[ReceivedEvent]], Awaitable[None] | None] = lambda _: None

    async def __call__(self, events: Sequence[ReceivedEvent]) -> None:
        ids = [event.headers.get("ce-id", event.subject) for event in events]
        self.batches.append(ids)
        self.attempts.update(ids)
        waiting = self.before(events)
        if waiting is not None:
            await waiting
        self.events += events
        self.done += ids


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def make_seen() -> Callable[[], Seen]:
    return Seen


@pytest.fixture
async def consume(broker_of: Callable[..., Awaitable[ServiceBroker]]):
    """`await consume(handler)` starts the audit log's consumer of BOOKING."""
    made: list[Subscription] = []

    async def start(handler: Handler, **options: object) -> Subscription:
        broker = await broker_of(AUDIT_LOG_BOOKING.owner)
        made.append(subscribe(broker, AUDIT_LOG_BOOKING, handler, **{"policy": QUICK, **options}))
        await made[-1].start()
        return made[-1]

    yield start
    for subscription in made:
        await subscription.stop()
