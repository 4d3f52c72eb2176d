"""Puts the detector together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from yoyaku.messaging.broker import ServiceBroker, jetstream, make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Health
from yoyaku.observability.health_server import health_server
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.security_detector.adapters.nats.block_bucket import BlockBucket
from yoyaku.security_detector.adapters.postgres.blocks import PostgresBlocks
from yoyaku.security_detector.adapters.postgres.journal import PostgresJournal
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.entrypoints.detector import SERVICE, Detector, UseCases
from yoyaku.security_detector.health import health_of
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.security_detector.usecases.enforce_blocks import EnforceBlocks
from yoyaku.security_detector.usecases.expire_blocks import ExpireBlocks, ForgetFailures
from yoyaku.security_detector.usecases.judge_failures import JudgeFailures
from yoyaku.security_detector.usecases.ports import Blocks, Bucket

PACKAGE: Final = "yoyaku.security_detector"
LEADERSHIP: Final = "detector"


def utc_now() -> datetime:
    """Read the clock, in UTC."""
    return datetime.now(UTC)


async def run(
    settings: SecurityDetectorSettings, stop: asyncio.Event, *, now: Callable[[], datetime] = utc_now
) -> None:
    """Run until `stop` is set, then finish what is in hand. Raises MigrationsNotAtHeadError, PostgresError."""
    database = settings.database.model_copy(
        update={"idle_in_transaction_timeout_seconds": max(settings.lease_seconds, 5.0)}
    )
    async with connected_pool(database, application_name=SERVICE) as pool:
        await check_head(pool, PACKAGE)
        broker = make_broker(settings.nats, service=SERVICE)
        leadership = Leadership(pool, LEADERSHIP, holder=_holder(), ttl_seconds=settings.lease_seconds)
        detector = Detector(broker, now, stop)
        health = health_of(
            SERVICE,
            package=PACKAGE,
            pool=pool,
            broker=broker,
            leadership=leadership,
            consumers=lambda: detector.consumers,
        )
        outbox = Outbox(service=SERVICE, new_id=new_event_id, now=now, wake=Waker(broker, service=SERVICE))
        bucket = BlockBucket(lambda: jetstream(broker))

        async def lead(lease: Lease) -> None:
            await detector.run(usecases_of(pool, outbox, lease, settings.rule(), bucket))

        async with health_server(health, port=settings.health_port), _started(broker, stop) as started:
            if started:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(Relay(pool, broker, service=SERVICE).run(stop))
                    tasks.create_task(leadership.lead(lead, stop))
                    tasks.create_task(_drain(health, stop))


def usecases_of(pool: Pool, outbox: Outbox, lease: Lease, rule: Rule, bucket: Bucket) -> UseCases:
    """Build the use cases of one term of leadership."""
    journal = PostgresJournal(pool, outbox, lease)
    return UseCases(
        judge=JudgeFailures(journal, rule),
        enforce=EnforceBlocks(PostgresBlocks(pool), bucket),
        expire=ExpireBlocks(journal),
        forget=ForgetFailures(journal),
    )


@asynccontextmanager
async def opened_blocks(database: PostgresSettings) -> AsyncIterator[Blocks]:
    """Open the committed blocks for reading, without a bus. Raises PostgresError."""
    single = database.model_copy(update={"pool_min": 1, "pool_max": 1})
    async with connected_pool(single, application_name=f"{SERVICE}-cli") as pool:
        yield PostgresBlocks(pool)


@asynccontextmanager
async def _started(broker: ServiceBroker, stop: asyncio.Event) -> AsyncIterator[bool]:
    try:
        yield await start_broker(broker, stop=stop)
    finally:
        await broker.stop()


async def _drain(health: Health, stop: asyncio.Event) -> None:
    await stop.wait()
    health.drain()


def _holder() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{new_event_id()[-12:]}"
