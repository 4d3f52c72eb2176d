"""The worker: it publishes the outbox, copies the blocks, repairs the denials and forgets what expired."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from loguru import logger

from yoyaku.booking.adapters.nats.blocks import BlockCopier
from yoyaku.booking.adapters.nats.denials import DenialRepairer
from yoyaku.booking.adapters.otel.occupancy import OccupancyGauges
from yoyaku.booking.adapters.postgres.answers import expire_answers
from yoyaku.booking.adapters.postgres.blocks import PostgresBlocks
from yoyaku.booking.adapters.postgres.occupancy import read_occupancy
from yoyaku.booking.adapters.postgres.sessions import expire_sessions, read_denials
from yoyaku.booking.adapters.postgres.signing_keys import forget_secrets
from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.settings import PACKAGE, SERVICE, WorkerSettings
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.lifecycle.health import at_head, backlog
from yoyaku.lifecycle.process import utc_now, version_of
from yoyaku.lifecycle.work import Work, connect, disconnect, unless_stopped, work_until
from yoyaku.messaging.broker import ServiceBroker, make_broker
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.resend import serve_outbox
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.health import Health
from yoyaku.observability.health_checks import database, nats
from yoyaku.observability.health_server import health_server
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.transaction import transaction

_EXPIRED_A_TIME: Final = 1000


async def run_worker(settings: WorkerSettings, stop: asyncio.Event, *, now: Clock = utc_now) -> None:
    """Publish the outbox, copy blocks, repair denials and forget what expired, until `stop`; then finish and return.

    Raises BusError when the bus refuses this process, and what is a defect; the database or NATS being away is waited
    out.
    """
    broker = make_broker(settings.nats, service=SERVICE)
    async with connected_pool(settings.database, application_name="booking-worker") as pool:
        await check_head(pool, PACKAGE)
        serve_outbox(pool, broker, service=SERVICE)
        blocks = PostgresBlocks(pool)
        copier = BlockCopier(broker, blocks, now=now)
        health = _worker_health(pool, broker)

        async def read() -> Sequence[Denial]:
            return await read_denials(pool, now())

        repairer = DenialRepairer(broker, read, now=now)

        async def follow_buckets() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(copier.run())
                tasks.create_task(repairer.run())

        async def keep_buckets(stop: asyncio.Event) -> None:
            if await connect(broker, stop=stop):
                await unless_stopped(stop, follow_buckets())

        works: dict[str, Work] = {
            "relay": Relay(pool, broker, service=SERVICE).run,
            "copy of the blocks, repair of the denials": keep_buckets,
            "occupancy": OccupancyGauges(
                lambda: read_occupancy(pool, now()), every_seconds=settings.occupancy_seconds
            ).run,
            "expiry": partial(_expire, pool, blocks, settings.expiry_seconds, now),
        }
        async with health_server(health, port=settings.health_port) as port:
            logger.bind(port=port).info("booking worker started")
            try:
                await work_until(stop, works, health=health)
            finally:
                await disconnect(broker)
    logger.info("booking worker stopped")


def _worker_health(pool: Pool, broker: ServiceBroker) -> Health:
    return Health(
        SERVICE,
        version_of(SERVICE),
        readiness=[database(pool), nats(lambda: broker.is_connected), backlog(pool)],
        startup_checks=[database(pool), at_head(pool, PACKAGE)],
    )


async def _expire(pool: Pool, blocks: PostgresBlocks, every_seconds: float, now: Clock, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with transaction(pool) as connection:
                expired = await expire_answers(connection, now(), limit=_EXPIRED_A_TIME)
                ended = await expire_sessions(connection, now(), limit=_EXPIRED_A_TIME)
            await blocks.expire(now())
            await forget_secrets(pool, now())
        except PostgresError as error:
            logger.bind(cause=str(error)).warning("expiry must wait for the database")
            expired = ended = 0
        if max(expired, ended) < _EXPIRED_A_TIME:
            await set_within(stop, every_seconds)
