"""Puts the audit log together and runs it. Reading order is start order; stopping goes the other way round."""

import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from loguru import logger

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.adapters.postgres.inspections import PostgresInspections
from yoyaku.audit_log.adapters.postgres.partitions import make_partitions_ahead
from yoyaku.audit_log.adapters.postgres.personal_keys import PostgresUnsealer
from yoyaku.audit_log.entrypoints.cosigning import cosignature_check
from yoyaku.audit_log.entrypoints.inspecting import integrity_check
from yoyaku.audit_log.entrypoints.sealing import Rounds
from yoyaku.audit_log.entrypoints.sequencer import SERVICE, Sequencer
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.tell_status import StatusPart
from yoyaku.audit_log.wiring.checkpoints import sign_checkpoints
from yoyaku.audit_log.wiring.completeness import completeness_part, completeness_work
from yoyaku.audit_log.wiring.forgetting import forgetting_of
from yoyaku.audit_log.wiring.inspection import inspection_of
from yoyaku.audit_log.wiring.personal import PersonalData
from yoyaku.audit_log.wiring.reading import answer_readers, keep_up
from yoyaku.audit_log.wiring.sealing import months_of, sealing_part
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.audit_log.wiring.status import answer_status
from yoyaku.audit_log.wiring.term import Leading
from yoyaku.audit_log.wiring.witnesses import witnesses_of
from yoyaku.lifecycle.health import leader_health
from yoyaku.lifecycle.leading import leaders_pool
from yoyaku.lifecycle.process import holder_name, utc_now
from yoyaku.lifecycle.work import Work, serve_until
from yoyaku.messaging.broker import ServiceBroker, make_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.resend import serve_outbox
from yoyaku.messaging.waiting import set_within
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Check, Health
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool

PACKAGE: Final = "yoyaku.audit_log"
LEADERSHIP: Final = "sequencer"
PARTITIONS_EVERY_SECONDS: Final = 6 * 3600.0
PARTITIONS_RETRY_SECONDS: Final = 60.0


async def run(settings: AuditLogSettings, secrets: Secrets, stop: asyncio.Event) -> None:
    """Run until `stop` is set, then finish what is in hand. Raises MigrationsNotAtHeadError, PostgresError."""
    telemetry.create_series()
    async with leaders_pool(
        settings.database, service=SERVICE, package=PACKAGE, lease_seconds=settings.lease_seconds
    ) as pool:
        broker = make_broker(settings.nats, service=SERVICE)
        serve_outbox(pool, broker, service=SERVICE)
        outbox = Outbox(service=SERVICE, new_id=new_event_id, now=utc_now, wake=Waker(broker, service=SERVICE))
        leadership = Leadership(pool, LEADERSHIP, holder=holder_name(), ttl_seconds=settings.lease_seconds)
        sequencer = Sequencer(broker, stop)
        rounds = Rounds()
        inspections = PostgresInspections(pool, outbox)
        more = [cosignature_check(), integrity_check(inspections), rounds.health_check(), sequencer.standing.check()]
        health = _health(pool, broker, leadership, sequencer, more)
        personal = PersonalData.of(secrets)
        digest = personal.client_digest
        standing: dict[str, StatusPart] = {
            "completeness": completeness_part(pool),
            "sealing": sealing_part(settings, pool),
            "verification": inspections.status,
        }
        answer_status(broker, pool, settings, secrets, standing)
        async with AsyncExitStack() as parts:
            months = await parts.enter_async_context(
                months_of(settings, secrets, pool, outbox, broker, rounds, digest=digest, now=utc_now)
            )
            unsealer = PostgresUnsealer(pool, personal.keys)
            blocks = answer_readers(broker, pool, outbox, sealed=months.entries, unsealer=unsealer, digest=digest)
            witnesses = await parts.enter_async_context(
                witnesses_of(
                    settings,
                    pool,
                    outbox,
                    broker,
                    now=utc_now,
                    keys_of=secrets.signing.verifiers,
                    further_sources=months.sources,
                )
            )
            sources = witnesses.sources
            inspection = inspection_of(settings, secrets, pool, outbox, broker, sources=sources, now=utc_now)
            forgetting = await parts.enter_async_context(forgetting_of(settings, personal, pool, outbox, broker))
            leading = Leading(
                settings,
                secrets,
                personal,
                pool,
                outbox,
                sequencer,
                stop,
                preparations=[*forgetting.preparations, *witnesses.preparations],
                begin_anew=witnesses.begin_anew,
                works=[
                    sign_checkpoints,
                    *witnesses.works,
                    *inspection.works,
                    *forgetting.works,
                    completeness_work(settings, pool, outbox, broker),
                    *months.works,
                ],
            )
            works: dict[str, Work] = {
                "relay": Relay(pool, broker, service=SERVICE).run,
                "partitions": partial(_keep_partitions, pool, settings.partition_months_ahead),
                "blocks": partial(keep_up, blocks, pool),
                "sequencer": partial(leadership.lead, leading.lead),
            }
            gc.collect()
            gc.freeze()  # what is there by now stays: no collection needs to look at it again
            await serve_until(stop, works, broker=broker, health=health, health_port=settings.health_port)


def _health(
    pool: Pool, broker: ServiceBroker, leadership: Leadership, sequencer: Sequencer, more: Sequence[Check]
) -> Health:
    return leader_health(
        SERVICE,
        package=PACKAGE,
        pool=pool,
        broker=broker,
        leadership=leadership,
        consumers=lambda: sequencer.consumers,
        more=more,
    )


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
