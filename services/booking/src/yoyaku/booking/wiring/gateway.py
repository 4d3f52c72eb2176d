"""The gateway: what a request may need, opened in reading order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from loguru import logger

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.adapters.jwt.sealing import Seal
from yoyaku.booking.adapters.jwt.tokens import EdDsaTokens
from yoyaku.booking.adapters.nats.blocks import BlockWatch
from yoyaku.booking.adapters.nats.denials import DenialPusher, DenialWatch
from yoyaku.booking.adapters.nats.services import NatsServices
from yoyaku.booking.adapters.postgres.blocks import PostgresBlocks
from yoyaku.booking.adapters.postgres.sessions import read_denials
from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions
from yoyaku.booking.domain.blocklist import Blocklist
from yoyaku.booking.domain.denials import Denial, DeniedTokens
from yoyaku.booking.settings import PACKAGE, SERVICE, GatewaySettings
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.check_token import CheckToken
from yoyaku.booking.usecases.consult_services import ListBackups
from yoyaku.booking.usecases.limit_requests import LimitRequests
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.booking.usecases.ports.signing_keys import KeyPublisher
from yoyaku.booking.usecases.read_audit_log import ReadAuditLog
from yoyaku.booking.usecases.report_throttled import ReportThrottled
from yoyaku.booking.wiring.calendars import Calendars, make_calendars
from yoyaku.booking.wiring.identity import Identity, make_identity
from yoyaku.booking.wiring.keys import running_keys
from yoyaku.booking.wiring.limits import count_unrecorded, make_limit
from yoyaku.booking.wiring.outbox import make_outbox
from yoyaku.booking.wiring.parts import Parts
from yoyaku.booking.wiring.reservations import Reservations, make_reservations
from yoyaku.booking.wiring.rooms import Rooms, make_rooms
from yoyaku.booking.wiring.secrets import new_id, read_digest, read_key
from yoyaku.lifecycle.health import at_head
from yoyaku.lifecycle.process import utc_now, version_of
from yoyaku.lifecycle.work import disconnect, in_background
from yoyaku.messaging.broker import BusError, ServiceBroker, make_broker, start_broker
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Health
from yoyaku.observability.health_checks import condition, database, nats
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a request may need."""

    identity: Identity
    rooms: Rooms
    calendars: Calendars
    reservations: Reservations
    audit_log: ReadAuditLog
    list_backups: ListBackups
    check_token: CheckToken
    keys: KeyPublisher
    blocklist: Blocklist
    health: Health
    limit: LimitRequests


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings, *, end_process: Callable[[], None], now: Clock = utc_now, make_id: NewId = new_id
) -> AsyncIterator[Gateway]:
    """Open what the gateway needs and yield it, ready: the database answers, blocks and denials are known.

    NATS may be away; the gateway then knows the blocks and denials that the database holds, and connects when it can.
    `end_process` is called when following them fails by a defect.
    """
    seal = Seal(read_key(settings.key_encryption_key_file))
    digest = read_digest(settings.digest_key_file)
    broker = make_broker(settings.nats, service=SERVICE)
    blocklist = Blocklist()
    watch = BlockWatch(broker, blocklist)
    denied = DeniedTokens()
    denials = DenialWatch(broker, denied, now=now)
    async with (
        connected_pool(settings.database, application_name="booking-gateway") as pool,
        AsyncExitStack() as closing,
        Argon2Passwords(threads=settings.hash_threads, waiting_limit=settings.hash_waiting_limit) as passwords,
        in_background("buckets", _follow(broker, watch.run, denials.follow), end=end_process),
    ):
        await check_head(pool, PACKAGE)

        async def read() -> Sequence[Denial]:
            return await read_denials(pool, now())

        await denials.read_table(read)
        await closing.enter_async_context(in_background("denials", denials.keep_reading(read), end=end_process))
        watch.load_copy(await PostgresBlocks(pool).read(now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.bus_patience_seconds):
                await watch.wait_until_loaded()
        outbox = make_outbox(Waker(broker, service=SERVICE))
        transactions = PostgresTransactions(
            pool,
            outbox,
            keep_answers_for=timedelta(hours=settings.idempotency_key_hours),
        )
        check = CheckPermission(transactions, digest=digest)
        closing.push_async_callback(check.aclose)
        throttled = ReportThrottled(transactions, lost=count_unrecorded)
        closing.push_async_callback(throttled.aclose)
        parts = Parts(
            settings=settings,
            pool=pool,
            broker=broker,
            transactions=transactions,
            reads=PostgresReads(pool),
            check=check,
            digest=digest,
            make_id=make_id,
            now=now,
        )
        services = NatsServices(broker, timeout_seconds=settings.question_timeout_seconds)
        async with running_keys(parts, seal, end_process=end_process) as keys:
            tokens = EdDsaTokens(keys, now=now)
            yield Gateway(
                identity=make_identity(parts, passwords, tokens, DenialPusher(broker, denied, now=now)),
                rooms=make_rooms(parts),
                calendars=make_calendars(parts, outbox),
                reservations=make_reservations(parts),
                audit_log=ReadAuditLog(services, parts.check),
                list_backups=ListBackups(services, parts.check),
                check_token=CheckToken(tokens, denied),
                keys=keys,
                blocklist=blocklist,
                health=_gateway_health(pool, broker, watch),
                limit=make_limit(settings.rate_limit, throttled, digest),
            )


def _gateway_health(pool: Pool, broker: ServiceBroker, watch: BlockWatch) -> Health:
    fresh = condition("blocks:loaded", lambda: watch.is_loaded, otherwise="from the copy", required=False)
    return Health(
        SERVICE,
        version_of(SERVICE),
        readiness=[database(pool), nats(lambda: broker.is_connected), fresh],
        startup_checks=[database(pool), at_head(pool, PACKAGE)],
    )


async def _follow(broker: ServiceBroker, *runs: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Connect as soon as NATS is there, then follow; a refused identity is logged and leaves the rest working."""
    try:
        await start_broker(broker)
    except BusError as error:
        logger.bind(cause=str(error)).critical("bus refused this process")
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(run())
    finally:
        await disconnect(broker)
