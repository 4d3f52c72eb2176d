"""Puts the audit log together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from loguru import logger

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.partitions import make_partitions_ahead
from yoyaku.audit_log.entrypoints.rpc import OnSearch
from yoyaku.audit_log.entrypoints.sequencer import SERVICE, Sequencer
from yoyaku.audit_log.health import health_of
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchRequest
from yoyaku.messaging.broker import ServiceBroker, make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.rpc import serve
from yoyaku.messaging.waiting import set_within
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Health
from yoyaku.observability.health_server import health_server
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool

PACKAGE: Final = "yoyaku.audit_log"
LEADERSHIP: Final = "sequencer"
PARTITIONS_EVERY_SECONDS: Final = 6 * 3600.0
PARTITIONS_RETRY_SECONDS: Final = 60.0


async def run(settings: AuditLogSettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set, then finish what is in hand. Raises MigrationsNotAtHeadError, PostgresError."""
    database = settings.database.model_copy(
        update={"idle_in_transaction_timeout_seconds": max(settings.lease_seconds, 5.0)}
    )
    async with connected_pool(database, application_name=SERVICE) as pool:
        await check_head(pool, PACKAGE)
        broker = make_broker(settings.nats, service=SERVICE)
        search = OnSearch(SearchEntries(PostgresEntries(pool)))
        serve(broker, RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchRequest, search)
        leadership = Leadership(pool, LEADERSHIP, holder=_holder(), ttl_seconds=settings.lease_seconds)
        sequencer = Sequencer(broker, stop)
        health = health_of(
            SERVICE,
            package=PACKAGE,
            pool=pool,
            broker=broker,
            leadership=leadership,
            consumers=lambda: sequencer.consumers,
        )
        async with health_server(health, port=settings.health_port), _started(broker, stop) as started:
            if started:
                await _work(_Parts(settings, pool, broker, leadership, sequencer, health), stop)


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: AuditLogSettings
    pool: Pool
    broker: ServiceBroker
    leadership: Leadership
    sequencer: Sequencer
    health: Health


async def _work(parts: _Parts, stop: asyncio.Event) -> None:
    pool, broker = parts.pool, parts.broker
    outbox = Outbox(service=SERVICE, new_id=new_event_id, now=_now, wake=Waker(broker, service=SERVICE))

    async def lead(lease: Lease) -> None:
        await parts.sequencer.run(lease, PostgresLog(pool, outbox, lease))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Relay(pool, broker, service=SERVICE).run(stop))
        tasks.create_task(_keep_partitions(pool, parts.settings.partition_months_ahead, stop))
        tasks.create_task(parts.leadership.lead(lead, stop))
        tasks.create_task(_drain(parts.health, stop))


@asynccontextmanager
async def _started(broker: ServiceBroker, stop: asyncio.Event) -> AsyncIterator[bool]:
    try:
        yield await start_broker(broker, stop=stop)
    finally:
        await broker.stop()


async def _keep_partitions(pool: Pool, months_ahead: int, stop: asyncio.Event) -> None:
    while not stop.is_set():
        pause_seconds = PARTITIONS_EVERY_SECONDS
        try:
            made = await make_partitions_ahead(pool, months_ahead)
            if made:
                logger.bind(partitions=made).info("partitions made ahead")
        except PostgresError as error:
            pause_seconds = PARTITIONS_RETRY_SECONDS
            logger.bind(cause=str(error)).warning("partitions could not be made ahead, to be tried again")
        await set_within(stop, pause_seconds)


async def _drain(health: Health, stop: asyncio.Event) -> None:
    await stop.wait()
    health.drain()


def _holder() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{new_event_id()[-12:]}"


def _now() -> datetime:
    return datetime.now(UTC)
