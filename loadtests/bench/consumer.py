"""Consumer: events per second through `yoyaku.messaging.consumer`, one process on one core.

Two handlers: one does nothing, one records a batch in the inbox. Baseline: a bare pull consumer
of nats-py that fetches and acknowledges, without decoding, telemetry or retries.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from loadtests.bench.figure import Figure
from loadtests.bench.isolated import Measured, Stopwatch, on_one_core
from loadtests.bench.relay import connect, publish_bare
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, SERVICE, Servers, running_servers
from loadtests.bench.workload import fill_outbox, stored_messages
from nats.errors import TimeoutError as NatsTimeoutError

from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.consumer import subscribe
from yoyaku.messaging.inbox import unseen
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.observability.setup import observed
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.postgres.transaction import transaction

EVENTS = 20_000
CONSUMER = AUDIT_LOG_BOOKING
IDLE = "idle handler"
INBOX = "handler with inbox"


async def consume(
    bus: NatsSettings, telemetry: ObservabilitySettings, database: PostgresSettings, events: int, handler: str
) -> Measured:
    """Consume until all events were handled."""
    watch = Stopwatch()
    handled = 0
    done = asyncio.Event()
    with observed(CONSUMER.owner, version="bench", settings=telemetry):
        broker = make_broker(bus, service=CONSUMER.owner)
        await start_broker(broker)
        async with connected_pool(database, application_name="bench consumer") as pool:

            async def handle(batch: Sequence[ReceivedEvent]) -> None:
                nonlocal handled
                if handler == INBOX:
                    async with transaction(pool) as connection:
                        await unseen(connection, CONSUMER.durable, batch)
                handled += len(batch)
                if handled >= events:
                    done.set()

            subscription = subscribe(broker, CONSUMER, handle)
            watch.start()
            await subscription.start()
            await done.wait()
            measured = watch.stop(events)
            await subscription.stop()
        await broker.stop()
    return measured


async def consume_bare(url: str, seed_file: Path, events: int) -> Measured:
    """Fetch and acknowledge until all events came."""
    client = await connect(url, seed_file, CONSUMER.owner)
    pull = await client.jetstream().pull_subscribe_bind(CONSUMER.durable, CONSUMER.stream)
    watch = Stopwatch()
    watch.start()
    handled = 0
    while handled < events:
        try:
            batch = await pull.fetch(min(CONSUMER.batch_size, events - handled), timeout=1)
        except NatsTimeoutError:
            continue
        for message in batch:
            await message.ack()
        handled += len(batch)
    await client.flush()
    measured = watch.stop(events)
    await client.close()
    return measured


def refill(servers: Servers, sample_ratio: float) -> PostgresSettings:
    """Empty the bus and put the events there; return a database for the inbox."""
    asyncio.run(servers.bus.reset())
    database = asyncio.run(servers.database())
    asyncio.run(fill_outbox(database.service, SERVICE, EVENTS, sample_ratio))
    messages = asyncio.run(stored_messages(database.service))
    on_one_core(publish_bare, servers.bus.url, servers.bus.seed_file(SERVICE), messages)
    return database.service


def figure(name: str, measured: Measured, bare: Measured, *, per_cpu: bool) -> Figure:
    """Put a measurement beside the baseline, by wall or by CPU time."""
    baseline = "bare fetch and ack"
    if per_cpu:
        return Figure(f"{name}, per CPU second", measured.per_cpu_second, "events/s", baseline, bare.per_cpu_second)
    return Figure(name, measured.per_second, "events/s", baseline, bare.per_second, note="wall time, one core")


def measure() -> list[Figure]:
    """Measure at the production sample ratio and with every trace, without and with an inbox."""
    figures = []
    with running_servers() as servers:
        refill(servers, PRODUCTION_SAMPLE_RATIO)
        bare = on_one_core(consume_bare, servers.bus.url, servers.bus.seed_file(CONSUMER.owner), EVENTS)
        for ratio, handler in ((PRODUCTION_SAMPLE_RATIO, IDLE), (PRODUCTION_SAMPLE_RATIO, INBOX), (1.0, INBOX)):
            database = refill(servers, ratio)
            settings = servers.bus.settings_for(CONSUMER.owner)
            measured = on_one_core(consume, settings, servers.telemetry(ratio), database, EVENTS, handler)
            name = f"consumer, {handler}, {ratio:.0%} of traces"
            figures += [figure(name, measured, bare, per_cpu=False), figure(name, measured, bare, per_cpu=True)]
    return figures
