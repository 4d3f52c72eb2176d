"""Relay: events per second from committed rows to acknowledged messages, one process on one core (PF-03).

Baseline: the same messages from memory, published by nats-py's own `publish_async`, without database or telemetry.
"""

import asyncio
from pathlib import Path

import nats
from loadtests.bench.figure import Figure
from loadtests.bench.isolated import Measured, Stopwatch, on_one_core
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, SERVICE, Servers, running_servers
from loadtests.bench.workload import fill_outbox, stored_messages
from nats.aio.client import Client

from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.outbox import read_backlog
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import inbox_prefix
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.observability.setup import observed
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings

EVENTS = 30_000
GOAL_PER_SECOND = 10_000


async def relay_all(
    database: PostgresSettings, bus: NatsSettings, telemetry: ObservabilitySettings, events: int
) -> Measured:
    """Publish everything that waits in the outbox."""
    watch = Stopwatch()
    with observed(SERVICE, version="bench", settings=telemetry):
        broker = make_broker(bus, service=SERVICE)
        await start_broker(broker)
        async with connected_pool(database, application_name="bench relay") as pool:
            stop = asyncio.Event()
            watch.start()
            relay = asyncio.create_task(Relay(pool, broker, service=SERVICE).run(stop))
            while (await read_backlog(pool)).pending:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the database is what is waited for
            measured = watch.stop(events)
            stop.set()
            await relay
        await broker.stop()
    return measured


async def publish_bare(url: str, seed_file: Path, messages: list[tuple[str, bytes, dict[str, str]]]) -> Measured:
    """Publish the messages pipelined, 1,000 in flight, with the client alone."""
    client = await connect(url, seed_file, SERVICE)
    stream = client.jetstream()
    watch = Stopwatch()
    watch.start()
    for start in range(0, len(messages), 1000):
        chunk = messages[start : start + 1000]
        acks = [await stream.publish_async(subject, body, headers=headers) for subject, body, headers in chunk]
        await asyncio.gather(*acks)
    measured = watch.stop(len(messages))
    await client.close()
    return measured


async def connect(url: str, seed_file: Path, service: str) -> Client:
    """Return a plain client with a service's identity."""
    return await nats.connect(url, nkeys_seed=str(seed_file), inbox_prefix=inbox_prefix(service).encode())


def measure_relay(servers: Servers, sample_ratio: float) -> tuple[Measured, Measured]:
    """Return what the relay did, and the baseline on the same messages."""
    asyncio.run(servers.bus.reset())
    database = asyncio.run(servers.database())
    asyncio.run(fill_outbox(database.service, SERVICE, EVENTS, sample_ratio))
    messages = asyncio.run(stored_messages(database.service))
    settings = servers.bus.settings_for(SERVICE)
    relayed = on_one_core(relay_all, database.service, settings, servers.telemetry(sample_ratio), EVENTS)
    bare = on_one_core(publish_bare, servers.bus.url, servers.bus.seed_file(SERVICE), messages)
    asyncio.run(servers.databases.drop(database))
    return relayed, bare


def measure() -> list[Figure]:
    """Measure at the production sample ratio and with every trace."""
    figures = []
    with running_servers() as servers:
        for ratio in (PRODUCTION_SAMPLE_RATIO, 1.0):
            relayed, bare = measure_relay(servers, ratio)
            traces = f"{ratio:.0%} of traces"
            figures += [
                Figure(
                    f"relay, {traces}",
                    relayed.per_second,
                    "events/s",
                    "bare publish_async",
                    bare.per_second,
                    goal=GOAL_PER_SECOND,
                    note="wall time, one process held to one core",
                ),
                Figure(
                    f"relay, {traces}, per CPU second",
                    relayed.per_cpu_second,
                    "events/s",
                    "bare publish_async",
                    bare.per_cpu_second,
                    goal=GOAL_PER_SECOND,
                    note="what a core without neighbours does",
                ),
            ]
    return figures
