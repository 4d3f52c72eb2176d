"""Puts the backup coordinator together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
from functools import partial
from typing import Final

from yoyaku.backup_coordinator import telemetry
from yoyaku.backup_coordinator.adapters.cron import next_fire_of
from yoyaku.backup_coordinator.adapters.folder import FolderOfBackups
from yoyaku.backup_coordinator.adapters.pg_tools.base_backup import PgBaseBackup
from yoyaku.backup_coordinator.adapters.postgres.catalogue import PostgresCatalogue, PostgresLeadersCatalogue
from yoyaku.backup_coordinator.entrypoints.leader import Leader, begin_trace
from yoyaku.backup_coordinator.entrypoints.rpc import OnList, OnRun
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
from yoyaku.lifecycle.health import leader_health
from yoyaku.lifecycle.leading import leaders_pool
from yoyaku.lifecycle.process import holder_name, utc_now
from yoyaku.lifecycle.work import Work, serve_until
from yoyaku.messaging.broker import ServiceBroker, make_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.resend import serve_outbox
from yoyaku.messaging.rpc import serve
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Check, CheckResult, Status
from yoyaku.observability.tracing import current_traceparent
from yoyaku.postgres.pool import Pool

SERVICE: Final = "backup-coordinator"
PACKAGE: Final = "yoyaku.backup_coordinator"
LEADERSHIP: Final = "coordinator"


async def run(settings: BackupCoordinatorSettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set; a run in the middle is failed then.

    Raises ScheduleError, MigrationsNotAtHeadError, PostgresError.
    """
    telemetry.create_series()
    next_fire = next_fire_of(settings.schedule)
    async with leaders_pool(
        settings.database, service=SERVICE, package=PACKAGE, lease_seconds=settings.lease_seconds
    ) as pool:
        broker = make_broker(settings.nats, service=SERVICE)
        woken = asyncio.Event()
        _serve_questions(broker, pool, woken, settings.request_wait_seconds)
        serve_outbox(pool, broker, service=SERVICE)
        files = FolderOfBackups(settings.directory)
        leadership = Leadership(pool, LEADERSHIP, holder=holder_name(), ttl_seconds=settings.lease_seconds)
        health = leader_health(
            SERVICE,
            package=PACKAGE,
            pool=pool,
            broker=broker,
            leadership=leadership,
            more=[_directory(files)],
        )
        outbox = Outbox(service=SERVICE, new_id=new_event_id, now=utc_now, wake=Waker(broker, service=SERVICE))
        tool = PgBaseBackup(settings.replication, settings.pg_bin_dir)

        async def lead(lease: Lease) -> None:
            catalogue = PostgresLeadersCatalogue(pool, outbox, lease)
            leader = Leader(
                catalogue,
                FollowSchedule(catalogue, next_fire, new_event_id, utc_now, begin_trace),
                TakeBackup(catalogue, tool, files, utc_now, settings.run_timeout_seconds),
                AbandonRuns(catalogue, files, utc_now),
                utc_now,
            )
            await leader.run(stop, woken)

        works: dict[str, Work] = {
            "relay": Relay(pool, broker, service=SERVICE).run,
            "coordinator": partial(leadership.lead, lead),
        }
        await serve_until(stop, works, broker=broker, health=health, health_port=settings.health_port)


def _serve_questions(broker: ServiceBroker, pool: Pool, woken: asyncio.Event, wait_seconds: float) -> None:
    catalogue = PostgresCatalogue(pool, new_event_id)
    request = RequestBackup(catalogue, woken.set, current_traceparent, wait_seconds)
    serve(broker, RPC_BACKUP_COORDINATOR_RUN_V1, BackupRunRequest, OnRun(request))
    serve(broker, RPC_BACKUP_COORDINATOR_LIST_V1, BackupListRequest, OnList(catalogue))


def _directory(files: FolderOfBackups) -> Check:
    async def look() -> CheckResult:
        problem = files.problem()
        return CheckResult(Status.WARN if problem else Status.PASS, output=problem)

    return Check("directory:writable", look, "datastore")
