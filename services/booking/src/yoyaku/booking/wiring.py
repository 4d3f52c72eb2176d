"""How the processes of the booking service are put together, in reading order.

Invariant: nothing is built at import; what is opened here is closed here, in the opposite order.
"""

import asyncio
import hmac
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import uuid_utils
from loguru import logger

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.adapters.jwt.tokens import EdDsaTokens, read_private_key
from yoyaku.booking.adapters.nats.blocks import BlockCopier, BlockWatch
from yoyaku.booking.adapters.nats.services import NatsServices
from yoyaku.booking.adapters.postgres.answers import expire_answers
from yoyaku.booking.adapters.postgres.blocks import PostgresBlocks
from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions, RememberedRooms
from yoyaku.booking.domain.blocklist import Blocklist
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.settings import PACKAGE, SERVICE, DatabaseSettings, GatewaySettings, WorkerSettings
from yoyaku.booking.usecases.cancel_reservation import CancelReservation
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.consult_services import ListBackups, SearchAuditLog
from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.usecases.create_room import CreateRoom
from yoyaku.booking.usecases.get_reservation import GetReservation
from yoyaku.booking.usecases.list_reservations import ListReservations
from yoyaku.booking.usecases.list_rooms import ListRooms
from yoyaku.booking.usecases.log_in import LogIn
from yoyaku.booking.usecases.place_reservation import PlaceReservation
from yoyaku.booking.usecases.ports import Clock, Digest, NewId, Tokens
from yoyaku.lifecycle.health import at_head, backlog
from yoyaku.lifecycle.process import utc_now, version_of
from yoyaku.lifecycle.work import Work, connect, disconnect, in_background, unless_stopped, work_until
from yoyaku.messaging.broker import BusError, ServiceBroker, make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.waiting import set_within
from yoyaku.messaging.wake import Waker
from yoyaku.observability.health import Health
from yoyaku.observability.health_checks import condition, database, nats
from yoyaku.observability.health_server import health_server
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.transaction import transaction

_EXPIRED_A_TIME: Final = 1000


class DigestKeyError(Exception):
    """The file with the key of the digests cannot be used."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a request may need."""

    log_in: LogIn
    create_person: CreatePerson
    create_room: CreateRoom
    list_rooms: ListRooms
    place_reservation: PlaceReservation
    get_reservation: GetReservation
    list_reservations: ListReservations
    cancel_reservation: CancelReservation
    search_audit_log: SearchAuditLog
    list_backups: ListBackups
    tokens: Tokens
    blocklist: Blocklist
    health: Health


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def read_common_passwords() -> frozenset[str]:
    """Return the often used passwords that are refused, in lower case."""
    text = resources.files(PACKAGE).joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def read_digest(path: Path) -> Digest:
    """Return the keyed hash whose key is in the file. Raises DigestKeyError when others may read it or it is no key."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DigestKeyError(f"{path} is readable by group or others; it must be mode 0600")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise DigestKeyError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DigestKeyError(f"{path} holds no key in hex") from error
    if len(key) < 32:
        raise DigestKeyError(f"{path} holds fewer than 32 bytes")
    return partial(_digest, key)


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()


def _outbox(waker: Waker | None = None) -> Outbox:
    if waker is None:
        return Outbox(service=SERVICE, new_id=new_event_id, now=utc_now)
    return Outbox(service=SERVICE, new_id=new_event_id, now=utc_now, wake=waker)


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings, *, end_process: Callable[[], None], now: Clock = utc_now, make_id: NewId = new_id
) -> AsyncIterator[Gateway]:
    """Open what the gateway needs and yield it, ready: the database answers and the blocks are known.

    NATS may be away; the gateway then knows the blocks that the database holds, and connects when it can.
    `end_process` is called when following the blocks fails by a defect.
    """
    private_key = read_private_key(settings.jwt_private_key_file)
    digest = read_digest(settings.digest_key_file)
    broker = make_broker(settings.nats, service=SERVICE)
    blocklist = Blocklist()
    watch = BlockWatch(broker, blocklist)
    async with (
        connected_pool(settings.database, application_name="booking-gateway") as pool,
        Argon2Passwords(threads=settings.hash_threads, waiting_limit=settings.hash_waiting_limit) as passwords,
        in_background("blocks", _follow(broker, watch.run(), "blocks"), end=end_process),
    ):
        await check_head(pool, PACKAGE)
        watch.load_copy(await PostgresBlocks(pool).read(now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.bus_patience_seconds):
                await watch.wait_until_loaded()
        transactions = PostgresTransactions(
            pool,
            _outbox(Waker(broker, service=SERVICE)),
            keep_answers_for=timedelta(hours=settings.idempotency_key_hours),
        )
        reads = PostgresReads(pool)
        check = CheckPermission(transactions)
        services = NatsServices(broker, timeout_seconds=settings.question_timeout_seconds)
        tokens = EdDsaTokens(private_key, now=now)
        ahead = settings.booking_days_ahead
        policy = BookingPolicy(
            back=timedelta(hours=settings.booking_hours_back),
            ahead=timedelta(days=ahead) if ahead is not None else None,
        )
        yield Gateway(
            log_in=LogIn(reads, transactions, passwords, tokens, digest, now),
            create_person=CreatePerson(transactions, passwords, check, read_common_passwords(), make_id, now),
            create_room=CreateRoom(transactions, check, now),
            list_rooms=ListRooms(reads, check),
            place_reservation=PlaceReservation(transactions, RememberedRooms(reads), check, policy, make_id, now),
            get_reservation=GetReservation(reads, check),
            list_reservations=ListReservations(reads, check),
            cancel_reservation=CancelReservation(reads, transactions, check, now),
            search_audit_log=SearchAuditLog(services, check),
            list_backups=ListBackups(services, check),
            tokens=tokens,
            blocklist=blocklist,
            health=_gateway_health(pool, broker, watch),
        )


def _gateway_health(pool: Pool, broker: ServiceBroker, watch: BlockWatch) -> Health:
    fresh = condition("blocks:loaded", lambda: watch.is_loaded, otherwise="from the copy", required=False)
    return Health(
        SERVICE,
        version_of(SERVICE),
        readiness=[database(pool), nats(lambda: broker.is_connected), fresh],
        startup_checks=[database(pool), at_head(pool, PACKAGE)],
    )


async def run_worker(settings: WorkerSettings, stop: asyncio.Event, *, now: Clock = utc_now) -> None:
    """Publish the outbox, copy the blocks and forget what expired, until `stop`; then finish and return.

    Raises BusError when the bus refuses this process, and what is a defect; the database or NATS being away is waited
    out.
    """
    broker = make_broker(settings.nats, service=SERVICE)
    async with connected_pool(settings.database, application_name="booking-worker") as pool:
        await check_head(pool, PACKAGE)
        blocks = PostgresBlocks(pool)
        copier = BlockCopier(broker, blocks, now=now)
        health = _worker_health(pool, broker)

        async def copy_blocks(stop: asyncio.Event) -> None:
            if await connect(broker, stop=stop):
                await unless_stopped(stop, copier.run())

        works: dict[str, Work] = {
            "relay": Relay(pool, broker, service=SERVICE).run,
            "copy of the blocks": copy_blocks,
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


@asynccontextmanager
async def person_maker(settings: DatabaseSettings) -> AsyncIterator[CreatePerson]:
    """Yield what the commands of the machine's operator need to make people; events wait for the worker."""
    async with (
        connected_pool(settings.database, application_name="booking-command") as pool,
        Argon2Passwords(threads=1, waiting_limit=0) as passwords,
    ):
        await check_head(pool, PACKAGE)
        transactions = PostgresTransactions(pool, _outbox(), keep_answers_for=timedelta(hours=1))
        check = CheckPermission(transactions)
        yield CreatePerson(transactions, passwords, check, read_common_passwords(), new_id, utc_now)


async def _follow(broker: ServiceBroker, run: Coroutine[Any, Any, None], what: str) -> None:
    """Connect as soon as NATS is there, then follow; a refused identity is logged and leaves the rest working."""
    try:
        await start_broker(broker)
    except BusError as error:
        run.close()
        logger.bind(cause=str(error), what=what).critical("bus refused this process")
        return
    try:
        await run
    finally:
        await disconnect(broker)


async def _expire(pool: Pool, blocks: PostgresBlocks, every_seconds: float, now: Clock, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with transaction(pool) as connection:
                expired = await expire_answers(connection, now(), limit=_EXPIRED_A_TIME)
            await blocks.expire(now())
        except PostgresError as error:
            logger.bind(cause=str(error)).warning("expiry must wait for the database")
            expired = 0
        if expired < _EXPIRED_A_TIME:
            await set_within(stop, every_seconds)
