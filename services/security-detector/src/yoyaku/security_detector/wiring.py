"""Puts the detector together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from yoyaku.contracts.rpc import (
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    RPC_SECURITY_DETECTOR_WITNESS_V1,
    CosignedRequest,
    WitnessRequest,
)
from yoyaku.lifecycle.health import leader_health
from yoyaku.lifecycle.leading import leaders_pool
from yoyaku.lifecycle.process import holder_name, utc_now
from yoyaku.lifecycle.work import Work, serve_until
from yoyaku.messaging.broker import ServiceBroker, jetstream, make_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.resend import serve_outbox
from yoyaku.messaging.rpc import serve
from yoyaku.messaging.wake import Waker
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.adapters.key_files import FollowedKeys, read_public_keys, read_seeds
from yoyaku.security_detector.adapters.nats.block_bucket import BlockBucket
from yoyaku.security_detector.adapters.postgres.blocks import PostgresBlocks
from yoyaku.security_detector.adapters.postgres.journal import PostgresJournal
from yoyaku.security_detector.adapters.postgres.witness import PostgresWitness
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.witness import TrustedLogs, witness_keys
from yoyaku.security_detector.entrypoints.detector import SERVICE, Detector, UseCases
from yoyaku.security_detector.entrypoints.witness_rpc import OnAddCheckpoint, OnCosigned
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.security_detector.usecases.cosign_checkpoint import CosignCheckpoint
from yoyaku.security_detector.usecases.enforce_blocks import EnforceBlocks
from yoyaku.security_detector.usecases.expire_blocks import ExpireBlocks, ForgetFailures
from yoyaku.security_detector.usecases.judge_failures import JudgeFailures
from yoyaku.security_detector.usecases.ports import Blocks, Bucket, WitnessRecords
from yoyaku.tlog.keys import SigningKey

PACKAGE: Final = "yoyaku.security_detector"
LEADERSHIP: Final = "detector"


async def run(
    settings: SecurityDetectorSettings, stop: asyncio.Event, *, now: Callable[[], datetime] = utc_now
) -> None:
    """Run until `stop` is set, then finish what is in hand.

    Raises MigrationsNotAtHeadError, PostgresError, KeyFileError.
    """
    telemetry.create_series(rule=settings.rule().name)
    async with leaders_pool(
        settings.database, service=SERVICE, package=PACKAGE, lease_seconds=settings.lease_seconds
    ) as pool:
        broker = make_broker(settings.nats, service=SERVICE)
        serve_outbox(pool, broker, service=SERVICE)
        _answer_as_witness(broker, settings, pool, now)
        leadership = Leadership(pool, LEADERSHIP, holder=holder_name(), ttl_seconds=settings.lease_seconds)
        detector = Detector(broker, now, stop)
        health = leader_health(
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

        works: dict[str, Work] = {
            "relay": Relay(pool, broker, service=SERVICE).run,
            "detector": partial(leadership.lead, lead),
        }
        await serve_until(stop, works, broker=broker, health=health, health_port=settings.health_port)


def _answer_as_witness(
    broker: ServiceBroker, settings: SecurityDetectorSettings, pool: Pool, now: Callable[[], datetime]
) -> None:
    if settings.witness_keys_file is None or settings.witness_log_public_keys_file is None:
        return
    seeds = FollowedKeys(settings.witness_keys_file, read_seeds)
    logs = TrustedLogs(settings.environment, FollowedKeys(settings.witness_log_public_keys_file, read_public_keys))

    def keys() -> list[SigningKey]:
        return witness_keys(settings.environment, seeds())

    records = PostgresWitness(pool)
    cosign = OnAddCheckpoint(CosignCheckpoint(records, logs, keys), now)
    serve(broker, RPC_SECURITY_DETECTOR_WITNESS_V1, WitnessRequest, cosign)
    serve(broker, RPC_SECURITY_DETECTOR_COSIGNED_V1, CosignedRequest, OnCosigned(records))


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
async def opened_witness(database: PostgresSettings) -> AsyncIterator[WitnessRecords]:
    """Open the witness's memory for reading, without a bus. Raises PostgresError."""
    single = database.model_copy(update={"pool_min": 1, "pool_max": 1})
    async with connected_pool(single, application_name=f"{SERVICE}-cli") as pool:
        yield PostgresWitness(pool)
