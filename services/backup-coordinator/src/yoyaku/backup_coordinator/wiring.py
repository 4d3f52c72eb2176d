"""Puts the backup coordinator together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from yoyaku.backup_coordinator.adapters.cron import next_fire_of
from yoyaku.backup_coordinator.adapters.folder import FolderOfBackups
from yoyaku.backup_coordinator.adapters.pg_tools.base_backup import PgBaseBackup
from yoyaku.backup_coordinator.adapters.postgres.catalogue import PostgresCatalogue, PostgresLeadersCatalogue
from yoyaku.backup_coordinator.domain.schedule import NextFire
from yoyaku.backup_coordinator.entrypoints.leader import Leader, begin_trace
from yoyaku.backup_coordinator.entrypoints.rpc import OnList, OnRun
from yoyaku.backup_coordinator.health import health_of
from yoyaku.backup_coordinator.settings import BackupCoordinatorSettings
from yoyaku.backup_coordinator.usecases.follow_schedule import FollowSchedule
from yoyaku.backup_coordinator.usecases.request_backup import RequestBackup
from yoyaku.backup_coordinator.usecases.take_backup import AbandonRuns, TakeBackup
from yoyaku.contracts.rpc import (
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
    BackupListRequest,
    BackupRunRequest,
)
from yoyaku.messaging.broker import ServiceBroker, make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.rpc import serve
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Health
from yoyaku.observability.health_server import health_server
from yoyaku.observability.tracing import current_traceparent
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool

SERVICE: Final = "backup-coordinator"
PACKAGE: Final = "yoyaku.backup_coordinator"
LEADERSHIP: Final = "coordinator"


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: BackupCoordinatorSettings
    next_fire: NextFire
    pool: Pool
    broker: ServiceBroker
    files: FolderOfBackups
    woken: asyncio.Event
    leadership: Leadership
    health: Health


async def run(settings: BackupCoordinatorSettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set; a run in the middle is failed then.

    Raises ScheduleError, MigrationsNotAtHeadError, PostgresError.
    """
    next_fire = next_fire_of(settings.schedule)
    database = settings.database.model_copy(
        update={"idle_in_transaction_timeout_seconds": max(settings.lease_seconds, 5.0)}
    )
    async with connected_pool(database, application_name=SERVICE) as pool:
        await check_head(pool, PACKAGE)
        broker = make_broker(settings.nats, service=SERVICE)
        woken = asyncio.Event()
        _serve_questions(broker, pool, woken, settings.request_wait_seconds)
        files = FolderOfBackups(settings.directory)
        leadership = Leadership(pool, LEADERSHIP, holder=_holder(), ttl_seconds=settings.lease_seconds)
        health = health_of(
            SERVICE,
            package=PACKAGE,
            pool=pool,
            broker=broker,
            leadership=leadership,
            directory_problem=files.problem,
        )
        parts = _Parts(settings, next_fire, pool, broker, files, woken, leadership, health)
        async with health_server(health, port=settings.health_port), _started(broker, stop) as started:
            if started:
                await _work(parts, stop)


def _serve_questions(broker: ServiceBroker, pool: Pool, woken: asyncio.Event, wait_seconds: float) -> None:
    catalogue = PostgresCatalogue(pool, new_event_id)
    request = RequestBackup(catalogue, woken.set, current_traceparent, wait_seconds)
    serve(broker, RPC_BACKUP_COORDINATOR_RUN_V1, BackupRunRequest, OnRun(request))
    serve(broker, RPC_BACKUP_COORDINATOR_LIST_V1, BackupListRequest, OnList(catalogue))


async def _work(parts: _Parts, stop: asyncio.Event) -> None:
    settings = parts.settings
    outbox = Outbox(service=SERVICE, new_id=new_event_id, now=_now, wake=Waker(parts.broker, service=SERVICE))
    tool = PgBaseBackup(settings.replication, settings.pg_bin_dir)

    async def lead(lease: Lease) -> None:
        catalogue = PostgresLeadersCatalogue(parts.pool, outbox, lease)
        leader = Leader(
            catalogue,
            FollowSchedule(catalogue, parts.next_fire, new_event_id, _now, begin_trace),
            TakeBackup(catalogue, tool, parts.files, _now, settings.run_timeout_seconds),
            AbandonRuns(catalogue, parts.files, _now),
            _now,
        )
        await leader.run(stop, parts.woken)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Relay(parts.pool, parts.broker, service=SERVICE).run(stop))
        tasks.create_task(parts.leadership.lead(lead, stop))
        tasks.create_task(_drain(parts.health, stop))


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


def _now() -> datetime:
    return datetime.now(UTC)
